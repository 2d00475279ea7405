"""
What Apikley's codes mean: one of our problem codes, and what to do about it.

The code stands in the body, often under HTTP 200; only a proxy in front of it speaks by HTTP status alone.
"""

import re
from typing import Final

from relay.errors import Code, FieldError, UpstreamFault, UpstreamRejected

UNCLEAR: Final = frozenset({408, 500, 502, 503, 504})
"""What says nothing of whether the call took effect. 501 is no such code here: Apikley calls a failed job so."""

_CODES: Final = {
    400: Code.INVALID_INPUT,
    402: Code.INSUFFICIENT_BALANCE,
    422: Code.INVALID_INPUT,
    429: Code.RATE_LIMITED,
    455: Code.UPSTREAM_UNAVAILABLE,
}

_DETAILS: Final = {
    401: "Apikley did not accept the key: check APIKLEY_API_KEY",
    402: "The Apikley account has too few credits",
    403: "Apikley did not accept the key: check APIKLEY_API_KEY",
    404: "Apikley does not know this call: check APIKLEY_API_URL",
    429: "Apikley asks us to slow down",
    433: "The limit of this Apikley key is reached",
    455: "Apikley is down for maintenance: try again later",
    501: "Apikley says that the generation failed",
    505: "Apikley has switched this feature off",
}
"""Sentences without their ends: Apikley's own words follow."""

_NO_RECORD: Final = re.compile(r"record\s*info\s+is\s+null", re.IGNORECASE)
_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)


def classify(code: int, message: str, retry_after_s: float | None = None) -> UpstreamRejected:
    """
    Say what a refusal means for the caller of our API and for the operator.

    Args:
        code: from the body, or the HTTP status where the body has none.
        message: Apikley's words, fit to be shown; may be empty.
        retry_after_s: what the `Retry-After` header said.
    """
    sentence = _DETAILS.get(code, "Apikley refused")
    known = _CODES.get(code, Code.UPSTREAM_REJECTED)
    fields: tuple[FieldError, ...] = ()
    if known is Code.INVALID_INPUT:
        name = "model" if _MODEL.search(message) else "input"
        fields = (FieldError(field=name, message=message or "Apikley does not take it, and does not say why."),)
    return UpstreamRejected(
        f"{sentence}: {message}" if message else f"{sentence} (code {code}).",
        code=known,
        fault=UpstreamFault(code=code, message=message),
        fields=fields,
        retry_after_s=retry_after_s,
    )


def is_unknown_job(code: int, message: str) -> bool:
    """Tell whether Apikley only says that it has no record of the job (yet), as it does right after it was made."""
    return code == 422 and _NO_RECORD.search(message) is not None
