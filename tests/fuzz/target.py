"""What a fuzz target is: one function of any bytes, shared by all fuzzers, that raises nothing but on a bug."""

from collections.abc import Callable
from dataclasses import dataclass

from relay.errors import Code, RequestError, UpstreamError
from relay.web.http.problems import Problem, answer, of_upstream

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
"""What has broken parsers before, whatever they parse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`seeds` are input to begin with, good and bad, and `words` what means something to this target."""

    name: str
    try_out: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<Target {self.name}>"


def must_be_writable(error: UpstreamError | RequestError | Problem) -> None:
    """See that a caller can be told of an error: what we cannot write becomes a 500."""
    match error:
        case Problem():
            problem = error
        case RequestError():
            problem = Problem(code=error.code, detail=error.detail, fields=error.fields)
        case UpstreamError():
            problem = of_upstream(error, "a-task")
    assert problem.code is not Code.INTERNAL
    answer(problem)
