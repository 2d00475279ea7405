"""Wiro's response envelope, for success, errors and HTTP faults."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from relay.sandbox.shared.http_faults import faulty_response
from relay.sandbox.shared.json_response import json_response
from relay.sandbox.switches.values import HttpFault

_MESSAGES = {
    400: "Bad Request",
    401: "Project authorization is not valid.",
    403: "You don't have any permission for this action.",
    404: "Error parsing url.",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def ok(fields: Mapping[str, object]) -> web.Response:
    """Return a success envelope with these fields."""
    return json_response({"errors": [], **fields, "result": True})


def error(code: int, message: str, *, status: int = 200) -> web.Response:
    """Return an error envelope. Wiro sends most errors with HTTP status 200."""
    return json_response({"result": False, "errors": [{"code": code, "message": message}]}, status=status)


async def faulty(
    request: web.Request,
    fault: HttpFault,
    proper: web.Response | None,
    *,
    closing: asyncio.Event,
    retry_after_s: int | None = None,
) -> web.Response:
    """Return the response that a fault produces; `proper` is None if the call was not carried out."""
    return await faulty_response(
        request, fault, proper=proper, error=_http_error, retry_after_s=retry_after_s, closing=closing
    )


def _http_error(status: int) -> web.Response:
    return error(0, _MESSAGES.get(status, "Error"), status=status)
