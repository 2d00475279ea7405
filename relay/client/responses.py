"""What the relay answers, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import orjson
from pydantic import TypeAdapter

from relay.backoff import full_jitter
from relay.client.errors import APIError, read_problem
from relay.core.snapshot import Snapshot

Answer = TypeVar("Answer")

ATTEMPTS = 4
"""How often a call is sent that gets no answer, or 503 from a relay that is restarting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task that was started, with a token with which a browser can follow it."""

    task: Snapshot
    token: str = field(repr=False)
    links: Mapping[str, str] = field(repr=False)
    """`self`, `events`, `ws`, `view` and `embed`; the last two contain the token."""
    unconfirmed: str | None = None
    """Why it is unknown whether the platform started the task. The relay looks for it and never sends it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token for a browser."""

    token: str = field(repr=False)
    expires_at: float
    """In unix seconds."""
    links: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the task; empty for a tag."""


SNAPSHOT: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)
STARTED: TypeAdapter[Started] = TypeAdapter(Started)
TOKEN: TypeAdapter[Token] = TypeAdapter(Token)
NOTHING: TypeAdapter[None] = TypeAdapter(None)


Outcome = httpx.Response | httpx.TransportError
"""The response to a call, or the failure of the network."""


def read(outcome: Outcome, shape: TypeAdapter[Answer]) -> Answer:
    """
    Return what a response says.

    Raises:
        APIError: it is an error.
        httpx.TransportError: there is none.
    """
    if isinstance(outcome, httpx.TransportError):
        raise outcome
    if not outcome.is_success:
        raise refusal(outcome)
    return shape.validate_json(outcome.content or b"null")


def refusal(response: httpx.Response) -> APIError:
    """Return the error that a response is. Its body must have been read."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    return APIError(read_problem(response.status_code, response.headers, body))


def retry_delay_s(attempt: int, outcome: Outcome) -> float | None:
    """
    Return how long to wait before a call is sent again, or None if its outcome is final.

    Args:
        attempt: from 1.
        outcome: what came of it.
    """
    if attempt >= ATTEMPTS or isinstance(outcome, httpx.UnsupportedProtocol):
        return None
    if isinstance(outcome, httpx.Response):
        if outcome.status_code != 503:
            return None
        return full_jitter(attempt, asked_s=refusal(outcome).problem.retry_after_s)
    return full_jitter(attempt)
