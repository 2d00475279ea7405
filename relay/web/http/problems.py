"""
Turn errors into problem details (https://www.rfc-editor.org/rfc/rfc9457), the one shape of every HTTP error.

An unexpected exception becomes `internal`. Its text and traceback go to the log only.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import NotRequired

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import ValidationError
from typing_extensions import TypedDict

from relay import log
from relay.errors import (
    BudgetState,
    Code,
    Fenced,
    FieldError,
    RequestError,
    StoreDamaged,
    StoreError,
    StoreTimeout,
    UpstreamError,
    UpstreamFault,
)
from relay.tasks.ids import ALPHABET, ID_LENGTH
from relay.web.http.request_ids import current_request_id

STATUS = {
    Code.INVALID_REQUEST: 400,
    Code.UNAUTHORIZED: 401,
    Code.INSUFFICIENT_BALANCE: 402,
    Code.BUDGET_EXHAUSTED: 402,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.GONE: 410,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.INVALID_INPUT: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.UPSTREAM_REJECTED: 502,
    Code.UPSTREAM_UNAVAILABLE: 502,
    Code.STORE_UNAVAILABLE: 503,
    Code.DRAINING: 503,
}

CLIENT_DISCONNECTED = 499
"""The status that nginx logs when a client disconnects before its response (non-standard)."""

RETRY_AFTER_S = 5.0
"""The default for `Retry-After`."""

_CODE_OF_STATUS = {
    400: Code.INVALID_REQUEST,
    404: Code.NOT_FOUND,
    413: Code.PAYLOAD_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}
"""The codes for errors that aiohttp raises."""

UNMATCHED = "(no route)"

_ID = re.compile(f"[{ALPHABET}]{{{ID_LENGTH}}}")

_log = log.get("web")


class Problem(TypedDict):
    """The JSON of a problem."""

    type: str
    title: str
    status: int
    detail: str
    code: Code
    errors: NotRequired[Sequence[FieldError]]
    """The invalid fields."""
    upstream: NotRequired[UpstreamFault]
    """The platform's own error."""
    task: NotRequired[str]
    """The task that was created."""
    budget: NotRequired[BudgetState]
    """The budget that does not allow the start, if the caller may know it."""
    request_id: NotRequired[str]
    """The id of the request, which is in the relay's log."""


def validation_error(error: ValidationError, depth: int | None = None) -> RequestError:
    """Return the request error for a pydantic error, which names each invalid field to `depth` parts of its path."""
    fields = tuple(
        FieldError(
            field=".".join(map(str, problem["loc"][:depth])), message=problem["msg"].removeprefix("Value error, ")
        )
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    )
    detail = "; ".join(f"{wrong.field}: {wrong.message}" if wrong.field else wrong.message for wrong in fields)
    return RequestError(Code.INVALID_INPUT, detail, fields=fields)


def problem_response(
    code: Code,
    detail: str,
    *,
    fields: Sequence[FieldError] = (),
    upstream: UpstreamFault | None = None,
    task: str | None = None,
    retry_after_s: float | None = None,
    budget: BudgetState | None = None,
) -> web.Response:
    """Return a problem as a response."""
    status = STATUS[code]
    problem: Problem = {
        "type": f"/problems/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if fields:
        problem["errors"] = fields
    if upstream is not None:
        problem["upstream"] = upstream
    if task is not None:
        problem["task"] = task
    if budget is not None:
        problem["budget"] = budget
    if (request_id := current_request_id()) is not None:
        problem["request_id"] = request_id
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers[hdrs.RETRY_AFTER] = str(max(1, ceil(retry_after_s or RETRY_AFTER_S)))
    return web.Response(
        status=status, body=orjson.dumps(problem), content_type="application/problem+json", headers=headers
    )


def request_problem(error: RequestError) -> web.Response:
    """Return the problem for an error of the client."""
    return problem_response(
        error.code, error.detail, fields=error.fields, retry_after_s=error.retry_after_s, budget=error.budget
    )


def upstream_problem(error: UpstreamError, task: str | None = None) -> web.Response:
    """Return the problem for an error of the platform, for `task` if one was created."""
    return problem_response(
        error.code,
        error.detail,
        fields=error.fields,
        upstream=error.fault,
        task=task,
        retry_after_s=error.retry_after_s,
    )


@web.middleware
async def handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception of a handler into a problem response."""
    try:
        return await handler(request)
    except RequestError as error:
        response = request_problem(error)
    except UpstreamError as error:
        response = upstream_problem(error)
    except StoreDamaged as error:  # logged by the journal, with the row
        detail = f"The stored data of task {error.task} is damaged. See the relay's log for details."
        response = problem_response(Code.INTERNAL, detail)
    except StoreTimeout as error:  # logged by the journal
        detail = (
            f"The list was not complete after {error.limit_s:g} s, so the relay stopped. "
            "Search for longer or fewer words, or limit the list by `tag`, `model`, `state` or `since`."
        )
        response = problem_response(Code.STORE_UNAVAILABLE, detail)
    except (StoreError, Fenced):  # logged by the journal, once for each outage
        detail = "The relay's store is not available, so nothing was changed. Try again later."
        response = problem_response(Code.STORE_UNAVAILABLE, detail)
    except ValidationError as error:
        response = request_problem(validation_error(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        response = _aiohttp_problem(request, error)
    except ConnectionResetError:  # the client has disconnected: this status is only logged
        return web.Response(status=CLIENT_DISCONNECTED)
    except Exception:  # noqa: BLE001 -- the outermost handler: unexpected errors are logged and not shown to clients
        _log.exception("request.crashed", method=request.method, path=logged_path(request))
        response = problem_response(Code.INTERNAL, "Internal error. See the relay's log for details.")
    if request.writer.output_size and request.transport is not None:
        # A response has begun, and a second one would be read as part of it. Abort the connection instead.
        request.transport.abort()
    return response


def logged_path(request: web.Request) -> str:
    """
    Return the path of a request for the log: the pattern of its route, with the task's id if it is well-formed.

    The path itself is not logged because it may contain a key or a token, and callback URLs are secret.
    """
    task, pattern = task_in_path(request), route_pattern(request)
    return pattern if task is None else pattern.replace("{id}", task)


def route_pattern(request: web.Request) -> str:
    """Return the pattern of the request's route."""
    if "/hooks/" in request.path:
        return "/hooks/…"
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def task_in_path(request: web.Request) -> str | None:
    """Return the id of the task in the path of a request, if it is well-formed."""
    task = request.match_info.get("id", "")
    return task if _ID.fullmatch(task) else None


def _aiohttp_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        detail = f"The method {request.method} is not allowed here; use {' or '.join(allowed)}."
        response = problem_response(Code.METHOD_NOT_ALLOWED, detail)
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
        response.headers[hdrs.ALLOW] = ", ".join(allowed)
        return response
    code = _CODE_OF_STATUS.get(error.status, Code.INVALID_REQUEST)
    match code:
        case Code.NOT_FOUND:
            detail = "There is no resource at this URL."
        case Code.PAYLOAD_TOO_LARGE:
            detail = f"The body is larger than the limit of {request.client_max_size} bytes."
        case _:
            detail = error.reason or "The request is malformed."
    return problem_response(code, detail)
