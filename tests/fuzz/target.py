"""The definition of a fuzz target: a function of any bytes that raises only if there is a bug."""

from collections.abc import Callable
from dataclasses import dataclass

from relay.errors import Code, RequestError, UpstreamError
from relay.web.http.problems import request_problem, upstream_problem

ODD = (
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"9" * 5000,
    b'"',
    b"'",
    b"\\ud800",
    b"\\u0000",
    b"\xed\xa0\x80",
    b"\xff",
    b"\x00",
    b"\r\n",
    b"[" * 300,
    b'{"a":' * 1200,
    b"[]",
    b"{}",
    b"%ff",
    "٣".encode(),
    "\u2028".encode(),
)
"""Fragments that often break parsers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parser under test, `seeds` (valid and invalid inputs to start from) and `words` with a meaning to it."""

    name: str
    try_out: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<Target {self.name}>"


def check_reportable(error: UpstreamError | RequestError) -> None:
    """Assert that an error can be sent to the caller; one that cannot be encoded would become a 500."""
    assert error.code is not Code.INTERNAL
    if isinstance(error, RequestError):
        request_problem(error)
    else:
        upstream_problem(error, "a-task")
