"""
What Wiro's refusals mean: its code and its words into one of our problem codes, and what to do about it.

Wiro documents HTTP 200 for every answer, and 401 and 404 beside it, so the words decide and the status only helps.
"""

import re

from relay.errors import Code, FieldError, UpstreamFault, UpstreamFull, UpstreamRejected
from relay.providers.lenient_json import entries, integer, short, text

_INPUT = re.compile(r"request (?:parameters?|files?) \[([^\]]{1,100})\]", re.IGNORECASE)
_NO_MODEL = {"slug-owner-project-not-exist", "tool-not-accessible"}
_NO_TASK = {"there is no task yet", "task-not-founded", "task-not-exist"}
_OPERATOR = {
    "project authorization is not founded": "Wiro does not know this API key: check WIRO_API_KEY.",
    "project requires signature authentication": "This Wiro project takes signed calls only: set WIRO_API_SECRET.",
    "project authorization is not valid": (
        "Wiro did not accept the signature: check that WIRO_API_SECRET belongs to WIRO_API_KEY."
    ),
    "requested ip": "Wiro does not take calls from this address: add it to the allowed addresses of the project.",
    "this model is not available for your team": (
        "This model is not available to the team of WIRO_API_KEY. Ask the owner of the team to allow it, or use "
        "another key."
    ),
    "team spend limit has been reached": (
        "The spend limit of the Wiro team has been reached. Ask the owner of the team to raise it."
    ),
    "your personal spend limit in this team has been reached": (
        "The personal spend limit in the Wiro team has been reached. Ask the owner of the team to raise it."
    ),
    "error parsing url": "Wiro does not know this path: check WIRO_API_URL.",
}


_NOT_ALLOWED = re.compile(
    r"not available (?:for|to|in) your (?:team|organi[sz]ation|workspace|plan|account)", re.IGNORECASE
)
_SPENT = re.compile(r"insufficient balance|spend(?:ing)? limit", re.IGNORECASE)
"""The spend limit of a team or of a member. It is permanent, so waiting does not help."""


def faults(value: object) -> tuple[UpstreamFault, ...]:
    """Read `errors`: objects with code and message, bare strings, codes that are words."""
    found = []
    for entry in entries(value):
        if isinstance(entry, dict):
            code = integer(entry.get("code"))
            word = text(entry.get("code"))
            message = text(entry.get("message")) or word
            found.append(UpstreamFault(code=code if code is not None else short(word) or None, message=short(message)))
        elif text(entry).strip():
            found.append(UpstreamFault(code=None, message=short(text(entry))))
    return tuple(found)


_AT_LIMIT = 96
"""The account runs as many tasks as it may."""


def classify(status: int, found: tuple[UpstreamFault, ...], retry_after_s: float | None = None) -> UpstreamRejected:
    """
    Say what a refusal means for the caller of our API and for the operator.

    Args:
        status: the HTTP status it came with.
        found: what Wiro said, the weightiest first; may be empty.
        retry_after_s: what the `Retry-After` header said.
    """
    fault = found[0] if found else None
    fields = tuple(field for one in found if (field := _field(one)))
    code = _code(status, fault, fields)
    waits = fault is not None and fault.code == _AT_LIMIT and code is Code.RATE_LIMITED
    kind = UpstreamFull if waits else UpstreamRejected
    return kind(
        _detail(status, fault),
        code=code,
        fault=fault,
        fields=fields,
        retry_after_s=retry_after_s,
    )


def is_unknown_task(refusal: UpstreamRejected) -> bool:
    """Tell whether Wiro only says that it has no record of the task (yet)."""
    return refusal.fault is not None and refusal.fault.message.lower().rstrip(".") in _NO_TASK


def is_unknown_model(refusal: UpstreamRejected) -> bool:
    """Tell whether Wiro only says that it has no such model for this project."""
    return refusal.fault is not None and refusal.fault.message.lower().rstrip(".") in _NO_MODEL


def _code(status: int, fault: UpstreamFault | None, fields: tuple[FieldError, ...]) -> Code:
    message = fault.message if fault else ""
    if (fault and fault.code == 97) or _SPENT.search(message):
        return Code.INSUFFICIENT_BALANCE
    if _NOT_ALLOWED.search(message):
        return Code.FORBIDDEN
    if status == 429 or (fault and fault.code == _AT_LIMIT):
        return Code.RATE_LIMITED
    return Code.INVALID_INPUT if fields else Code.UPSTREAM_REJECTED


def _field(fault: UpstreamFault) -> FieldError | None:
    message = fault.message.lower()
    if named := _INPUT.match(fault.message):
        return FieldError(field=f"input.{named[1]}", message=fault.message)
    if message.startswith("request parameters are invalid"):
        return FieldError(field="input", message=fault.message)
    if message in _NO_MODEL:
        return FieldError(field="model", message=f"Wiro has no such model for this project ({fault.message}).")
    return None


def _detail(status: int, fault: UpstreamFault | None) -> str:
    if fault is None or not fault.message:
        return f"Wiro refused with HTTP {status} and gave no reason."
    for words, sentence in _OPERATOR.items():
        if fault.message.lower().startswith(words):
            return sentence
    if status in (401, 403) or fault.code in (98, 99):
        return f"Wiro refused our credentials ({fault.message}): check WIRO_API_KEY and WIRO_API_SECRET."
    if status == 429:
        return f"Wiro asks us to slow down: {fault.message}"
    return f"Wiro refused: {fault.message}"
