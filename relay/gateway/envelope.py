"""
Wiro's response envelope: HTTP 200 for almost everything, and an error in its own words.

https://wiro.ai/docs ("Error reference"). 401, 404, 429 and 5xx keep their status, because clients decide by it whether
to try again.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from aiohttp import hdrs, web

from relay.errors import Code, RequestError, UpstreamError
from relay.web.http.json_body import json_response
from relay.web.http.problems import RETRY_AFTER_S

UNKNOWN_KEY: Final = "Project authorization is not founded."
UNSIGNED: Final = "Project requires signature authentication. x-signature and x-nonce headers are required."
INVALID_CREDENTIAL: Final = "Project authorization is not valid."
NO_TASK: Final = "There is no task yet."
NO_ID: Final = "taskid or socketaccesstoken is required"

_STATUS: Final[Mapping[Code, int]] = {
    Code.UNAUTHORIZED: 401,
    Code.RATE_LIMITED: 429,
    Code.DRAINING: 503,
    Code.STORE_UNAVAILABLE: 503,
    Code.UPSTREAM_UNAVAILABLE: 502,
    Code.INTERNAL: 500,
}
"""All others are 200."""

_NUMBER: Final[Mapping[Code, int]] = {
    Code.NOT_FOUND: 1,
    Code.GONE: 1,
    Code.INSUFFICIENT_BALANCE: 97,
    Code.BUDGET_EXHAUSTED: 97,
}
"""Wiro's codes; all others are 0."""

_WORDS: Final[Mapping[Code, str]] = {
    Code.NOT_FOUND: NO_TASK,
    Code.GONE: NO_TASK,
    Code.FORBIDDEN: "You don't have any permission for this action.",
}
"""What Wiro says in these cases. In all others, the relay's own words say more."""


def ok(fields: Mapping[str, object]) -> web.Response:
    """Return a success with these fields."""
    return json_response({"result": True, "errors": [], **fields})


def refusal(number: int | str, message: str, *, status: int = 200) -> web.Response:
    """Return an error."""
    return json_response({"result": False, "errors": [{"code": number, "message": message}]}, status)


def of_request_error(error: RequestError) -> web.Response:
    """Return the envelope for an error of the client."""
    message = _WORDS.get(error.code) or error.detail
    return _refused(error.code, message, error.retry_after_s)


def of_upstream_error(error: UpstreamError) -> web.Response:
    """Return the envelope for an error of the platform, with its own code and words if it has sent any."""
    if error.fault is None:
        return _refused(error.code, error.detail, error.retry_after_s)
    return refusal(error.fault.code or 0, error.fault.message)


def _refused(code: Code, message: str, retry_after_s: float | None) -> web.Response:
    status = _STATUS.get(code, 200)
    response = refusal(_NUMBER.get(code, 0), message, status=status)
    if status in (429, 503):
        response.headers[hdrs.RETRY_AFTER] = str(max(1, ceil(retry_after_s or RETRY_AFTER_S)))
    return response
