"""An HTTP response as a value: what was received, and when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """
    A complete HTTP response. `body` is not in the repr: it may contain a socket token.

    The platform wrote it between `sent_at` and `answered_at`. Both are unix seconds of the local clock; the interval
    between them is measured with the monotonic clock, so setting the wall clock during the call does not change it.
    """

    status: int
    content_type: str
    body: bytes
    retry_after_s: float | None = None
    sent_at: float | None = None
    """When the request was sent: its headers, or the last piece of its body. Null if it was not measured."""
    answered_at: float | None = None
    """When the response headers were received. Null if it was not measured."""
    dated_at: float | None = None
    """The `Date` header in unix seconds, null without one. A proxy with another clock may have written it."""

    def __repr__(self) -> str:
        return f"Response({self.status} {self.content_type}, {len(self.body)} bytes)"

    @property
    def problem(self) -> str:
        """Why the body is not the expected JSON, as a phrase that follows "answered". It never quotes the body."""
        if not self.body.strip():
            return "with an empty body"
        if not self.content_type.endswith("json"):
            kind = re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,40}", self.content_type)
            return f"with {kind[0] if kind else 'something'} instead of JSON"
        return "with truncated or invalid JSON"


def parse_dates(headers: Mapping[str, str], answered_at: float) -> tuple[float | None, float | None]:
    """
    Return the `Date` header in unix seconds and the `Retry-After` header in seconds, null where missing or malformed.

    A date in `Retry-After` is compared with `Date`, which the same clock wrote, or else with `answered_at`.
    """
    dated_at = _http_date(headers.get("date"))
    return dated_at, _retry_after_s(headers.get("retry-after"), answered_at if dated_at is None else dated_at)


def _retry_after_s(header: str | None, dated_at: float) -> float | None:
    """Parse a number of seconds or an HTTP date (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    until = _http_date(header)
    return None if until is None else max(0.0, until - dated_at)


def _http_date(header: str | None) -> float | None:
    """Return an HTTP date in unix seconds, or null if it is malformed."""
    try:
        parsed = parsedate_to_datetime(header or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
