"""
Map Wiro's errors to the relay's problem codes and to advice for the operator.

Wiro documents HTTP 200 for every response, but also 401 and 404, so the message takes precedence over the status.
Source: https://wiro.ai/docs/error-reference.
"""

import re

from relay.errors import Code, FieldError, UpstreamFault, UpstreamFull, UpstreamRejected
from relay.providers.lenient_json import entries, integer, short, text

_INPUT = re.compile(r"request (?:parameters?|files?) \[([^\]]{1,100})\]", re.IGNORECASE)
_NO_MODEL = {"slug-owner-project-not-exist", "tool-not-accessible"}
_NO_TASK = {"there is no task yet", "task-not-founded", "task-not-exist"}
_OPERATOR = {
    "project authorization is not founded": "Wiro does not have this API key: check WIRO_API_KEY.",
    "project requires signature authentication": "This Wiro project requires signed calls: set WIRO_API_SECRET.",
    "project authorization is not valid": (
        "Wiro rejected the signature: check that WIRO_API_SECRET belongs to WIRO_API_KEY."
    ),
    "requested ip": "Wiro rejects calls from this IP address: add it to the allowed addresses of the project.",
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
    "error parsing url": "Wiro does not have this path: check WIRO_API_URL.",
}


_NOT_ALLOWED = re.compile(
    r"not available (?:for|to|in) your (?:team|organi[sz]ation|workspace|plan|account)", re.IGNORECASE
)
_SPENT = re.compile(r"insufficient balance|spend(?:ing)? limit", re.IGNORECASE)
"""The spend limit of a team or of a member. It is permanent, so waiting does not help."""


def parse_errors(value: object) -> tuple[UpstreamFault, ...]:
    """Parse `errors`: a list of strings, or of objects with a message and a code, which may be a word."""
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
"""The code for an account that has reached its limit of running tasks."""


def classify(status: int, errors: tuple[UpstreamFault, ...], retry_after_s: float | None = None) -> UpstreamRejected:
    """
    Return the error that a refusal means for the API client and for the operator.

    Args:
        status: the HTTP status.
        errors: Wiro's errors, the most important first; may be empty.
        retry_after_s: the `Retry-After` header in seconds, null without one.
    """
    fault = errors[0] if errors else None
    fields = tuple(field for error in errors if (field := _field(error)))
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
    """Return whether Wiro has no record of the task, or none yet."""
    return refusal.fault is not None and refusal.fault.message.lower().rstrip(".") in _NO_TASK


def is_unknown_model(refusal: UpstreamRejected) -> bool:
    """Return whether Wiro has no such model for this project."""
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
    for beginning, sentence in _OPERATOR.items():
        if fault.message.lower().startswith(beginning):
            return sentence
    if status in (401, 403) or fault.code in (98, 99):
        return f"Wiro rejected the credentials ({fault.message}): check WIRO_API_KEY and WIRO_API_SECRET."
    if status == 429:
        return f"Wiro is rate limiting calls: {fault.message}"
    return f"Wiro refused: {fault.message}"
