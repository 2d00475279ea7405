"""Respond to HTTP calls with the faults that switches ask for."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from relay.sandbox.switches.values import HttpFault

_PROXY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>nginx</center></body>
</html>
"""


async def faulty_response(
    request: web.Request,
    fault: HttpFault,
    *,
    proper: web.Response | None,
    error: Callable[[int], web.Response],
    retry_after_s: int | None,
    closing: asyncio.Event,
) -> web.Response:
    """
    Return the response that a fault produces.

    Args:
        request: the call to answer.
        fault: what goes wrong.
        proper: the correct response, None if the call was not carried out.
        error: builds the platform's error envelope for an HTTP status.
        retry_after_s: the `Retry-After` header, in seconds.
        closing: ends a fault of kind `hang`, which otherwise lasts until the client disconnects.
    """
    match fault.kind:
        case "hang":
            await closing.wait()
            return web.Response(status=503)
        case "drop" | "drop_before":
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        case "envelope":
            response = error(fault.status)
        case "html":
            page = _PROXY_PAGE.format(status=fault.status, reason=_reason(fault.status))
            response = web.Response(status=fault.status, text=page, content_type="text/html")
        case "truncated":
            response = web.Response(status=fault.status, body=_first_half(proper), content_type="application/json")
        case "empty":
            response = web.Response(status=fault.status)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _first_half(response: web.Response | None) -> bytes:
    body = response.body if response is not None else None
    whole = body if isinstance(body, bytes) else b'{"result":false,"errors":['
    return whole[: len(whole) // 2]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
