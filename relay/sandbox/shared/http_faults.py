"""The HTTP answers of the upstream: its envelopes, and the ways in which they go wrong."""

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from relay.sandbox.switches.values import HttpFault

_HTML = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>nginx</center></body>
</html>
"""


def ok(fields: Mapping[str, object]) -> web.Response:
    """Answer that it worked."""
    return _json({"errors": [], **fields, "result": True})


def refused(code: int, message: str, *, status: int = 200, retry_after_s: int | None = None) -> web.Response:
    """Answer that it did not; most refusals come with HTTP 200."""
    answer = _json({"result": False, "errors": [{"code": code, "message": message}]}, status=status)
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


async def gone_wrong(
    request: web.Request,
    fault: HttpFault,
    proper: web.Response | None,
    *,
    retry_after_s: int | None,
    closing: asyncio.Event,
) -> web.Response:
    """
    Answer as a fault has it; `proper` is the answer it spoils, null when the call was not carried out.

    A hang lasts until the caller gives up or the sandbox closes.
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
            return refused(0, _reason(fault.status), status=fault.status, retry_after_s=retry_after_s)
        case "html":
            text = _HTML.format(status=fault.status, reason=_reason(fault.status))
            answer = web.Response(status=fault.status, text=text, content_type="text/html")
        case "truncated":
            whole = (
                proper.body if proper is not None and isinstance(proper.body, bytes) else b'{"result":false,"errors":['
            )
            answer = web.Response(status=fault.status, body=whole[: len(whole) // 2], content_type="application/json")
        case "empty":
            answer = web.Response(status=fault.status)
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def _reason(status: int) -> str:
    return {
        400: "Bad Request",
        401: "Project authorization is not valid.",
        403: "You don't have any permission for this action.",
        404: "Error parsing url.",
        408: "Request Timeout",
        411: "Length Required",
        413: "Request Entity Too Large",
        429: "Too Many Requests",
        500: "Internal Server Error",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
    }.get(status, "Error")


def encoded(body: object) -> bytes:
    """Return a body as JSON. Unlike orjson this takes what a recording may hold: half an emoji, NaN, any number."""
    return json.dumps(body, separators=(",", ":")).encode()


def _json(body: Mapping[str, object], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encoded(body), content_type="application/json")
