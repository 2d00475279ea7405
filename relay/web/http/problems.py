"""
Problem answers (RFC 9457): every error that leaves the relay over HTTP has this one shape.

An error that is not ours to show becomes `internal` and a line in the log; its text and traceback stay here.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from relay import log
from relay.errors import Code, FieldError, RequestError, StoreDamaged, StoreError, UpstreamError, UpstreamFault
from relay.tasks.ids import ALPHABET, ID_LENGTH

STATUS = {
    Code.INVALID_REQUEST: 400,
    Code.UNAUTHORIZED: 401,
    Code.INSUFFICIENT_BALANCE: 402,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
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

CLIENT_LEFT = 499
"""The status that nginx made customary for it."""

RETRY_AFTER_S = 5.0
"""What `Retry-After` says when nobody knows better."""

_CODE_OF_STATUS = {
    400: Code.INVALID_REQUEST,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}
"""For the refusals that aiohttp makes by itself."""

UNMATCHED = "(no route)"

_ID = re.compile(f"[{ALPHABET}]{{{ID_LENGTH}}}")

_log = log.get("web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, as the caller is told."""

    code: Code
    detail: str
    fields: tuple[FieldError, ...] = ()
    upstream: UpstreamFault | None = None
    task: str | None = None
    retry_after_s: float | None = None
    allowed: frozenset[str] = frozenset()
    """The methods that are possible, where one was not (RFC 9110 section 15.5.6)."""


def of_upstream(error: UpstreamError, task: str | None = None) -> Problem:
    """Return the problem for what the platform did."""
    return Problem(
        code=error.code,
        detail=error.detail,
        fields=error.fields,
        upstream=error.fault,
        task=task,
        retry_after_s=error.retry_after_s,
    )


def of_validation(error: ValidationError, depth: int | None = None) -> RequestError:
    """Return the error for what has the right form and does not fit: it names each field, to `depth` of its path."""
    fields = tuple(
        FieldError(
            field=".".join(map(str, problem["loc"][:depth])), message=problem["msg"].removeprefix("Value error, ")
        )
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    )
    detail = "; ".join(f"{wrong.field}: {wrong.message}" if wrong.field else wrong.message for wrong in fields)
    return RequestError(Code.INVALID_INPUT, detail, fields=fields)


def answer(problem: Problem) -> web.Response:
    """Write a problem as an answer."""
    status = STATUS[problem.code]
    body: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": problem.detail,
        "code": problem.code,
    }
    if problem.fields:
        body["errors"] = problem.fields
    if problem.upstream is not None:
        body["upstream"] = problem.upstream
    if problem.task is not None:
        body["task"] = problem.task
    headers = {}
    if problem.allowed:
        headers["Allow"] = ", ".join(sorted(problem.allowed))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = str(max(1, ceil(problem.retry_after_s or RETRY_AFTER_S)))
    return web.Response(
        status=status, body=orjson.dumps(body), content_type="application/problem+json", headers=headers
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem answer."""
    try:
        return await handler(request)
    except RequestError as error:
        problem = Problem(code=error.code, detail=error.detail, fields=error.fields, retry_after_s=error.retry_after_s)
    except UpstreamError as error:
        problem = of_upstream(error)
    except StoreDamaged as error:  # the journal has logged which row
        detail = f"What is stored of the task {error.task} cannot be read; the relay's log says more."
        problem = Problem(code=Code.INTERNAL, detail=detail)
    except StoreError:  # the journal has logged why, once
        detail = "The relay's store fails, so nothing was done. Try again later."
        problem = Problem(code=Code.STORE_UNAVAILABLE, detail=detail)
    except ValidationError as error:
        wrong = of_validation(error)
        problem = Problem(code=wrong.code, detail=wrong.detail, fields=wrong.fields)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        problem = _of_aiohttp(request, error)
    except ConnectionResetError:  # the peer has left: this is for the log alone
        return web.Response(status=CLIENT_LEFT)
    except Exception:  # noqa: BLE001 -- the edge: what is not meant to be shown is logged, and does not get out
        _log.exception("request.crashed", method=request.method, path=logged_path(request))
        problem = Problem(code=Code.INTERNAL, detail="The relay failed; its log says why.")
    if request.writer.output_size and request.transport is not None:
        # An answer is under way: a second one would be read as more of it. It can only be cut off.
        request.transport.abort()
    return answer(problem)


def logged_path(request: web.Request) -> str:
    """
    Return the address of a request as it may be logged: the pattern of its route, with the task's id if it is one.

    What a caller writes into a path can be a key or a token, and a hook's address is a secret.
    """
    if "/hooks/" in request.path:
        return "/hooks/…"
    resource = request.match_info.route.resource
    if resource is None:
        return UNMATCHED
    task = request.match_info.get("id", "")
    return resource.canonical.replace("{id}", task) if _ID.fullmatch(task) else resource.canonical


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> Problem:
    code = _CODE_OF_STATUS.get(error.status, Code.INVALID_REQUEST)
    allowed = frozenset(error.allowed_methods) if isinstance(error, web.HTTPMethodNotAllowed) else frozenset()
    match code:
        case Code.NOT_FOUND:
            detail = "There is nothing at this address."
        case Code.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not possible here; use {' or '.join(sorted(allowed))}."
        case Code.PAYLOAD_TOO_LARGE:
            detail = f"The body is larger than {request.client_max_size} bytes."
        case _:
            detail = error.reason or "The request is malformed."
    return Problem(code=code, detail=detail, allowed=allowed)
