"""
Map Apikley's error codes to the relay's problem codes and to advice for the operator.

The code is in the body, often with HTTP 200. Only a proxy in front of Apikley uses the HTTP status alone.
"""

import re
from typing import Final

from relay.errors import Code, FieldError, UpstreamFault, UpstreamRejected

UNCLEAR: Final = frozenset({408, 500, 502, 503, 504})
"""Codes that do not say whether the call took effect. 501 is not among them: Apikley uses it for a failed job."""

_CODES: Final = {
    400: Code.INVALID_INPUT,
    402: Code.INSUFFICIENT_BALANCE,
    422: Code.INVALID_INPUT,
    429: Code.RATE_LIMITED,
    455: Code.UPSTREAM_UNAVAILABLE,
}

_DETAILS: Final = {
    401: "Apikley rejected the API key: check APIKLEY_API_KEY",
    402: "The Apikley account has insufficient credits",
    403: "Apikley rejected the API key: check APIKLEY_API_KEY",
    404: "Apikley does not have this call: check APIKLEY_API_URL",
    429: "Apikley is rate limiting calls",
    433: "The limit of this Apikley key is reached",
    455: "Apikley is down for maintenance: try again later",
    501: "Apikley says that the generation failed",
    505: "Apikley has switched this feature off",
}
"""The beginnings of sentences; Apikley's message follows."""

_NO_RECORD: Final = re.compile(r"record\s*info\s+is\s+null", re.IGNORECASE)
_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)


def classify(code: int, message: str, retry_after_s: float | None = None) -> UpstreamRejected:
    """
    Return the error that a refusal means for the API client and for the operator.

    Args:
        code: the code in the body, or the HTTP status if the body has none.
        message: Apikley's message, displayable; may be empty.
        retry_after_s: the `Retry-After` header in seconds, null without one.
    """
    sentence = _DETAILS.get(code, "Apikley refused")
    known = _CODES.get(code, Code.UPSTREAM_REJECTED)
    fields: tuple[FieldError, ...] = ()
    if known is Code.INVALID_INPUT:
        name = "model" if _MODEL.search(message) else "input"
        fields = (FieldError(field=name, message=message or "Apikley rejected it without giving a reason."),)
    return UpstreamRejected(
        f"{sentence}: {message}" if message else f"{sentence} (code {code}).",
        code=known,
        fault=UpstreamFault(code=code, message=message),
        fields=fields,
        retry_after_s=retry_after_s,
    )


def is_unknown_job(code: int, message: str) -> bool:
    """Return whether Apikley has no record of the job, or none yet, as happens right after its creation."""
    return code == 422 and _NO_RECORD.search(message) is not None
