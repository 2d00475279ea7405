"""Send the HTTP response of a recording: late, never, truncated, or with any status, headers and body."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.sandbox.recording.lines import Payload, Response
from relay.sandbox.recording.placeholders import Scope

Proper = Callable[[], Awaitable[web.StreamResponse]]
"""Carries a call out and returns the sandbox's own response."""


async def reply(
    request: web.Request, recorded: Response, proper: Proper, scope: Scope, closing: asyncio.Event
) -> web.StreamResponse:
    """
    Respond to a call as the recording says.

    `proper` carries the call out and returns the sandbox's own response. A fault of kind `hang` lasts until the client
    disconnects or the sandbox closes.
    """
    # A call takes effect at once even if its response is late.
    own = None if recorded.replaces else await proper()
    await asyncio.sleep(recorded.delay_s)
    if recorded.fault is not None and recorded.after_bytes is None:
        return await _fail(request, recorded, web.Response(status=503), closing)
    response = own if own is not None else _build(recorded, scope)
    for name, value in recorded.headers.items():
        response.headers[name] = str(scope.fill(value))
    if recorded.fault is None or not isinstance(response, web.Response):
        return response
    return await _truncate(request, recorded, response, closing)


def encode_payload(payload: Payload, scope: Scope) -> str | bytes:
    """Return a body to send: text and bytes as they are, other values as JSON with non-ASCII characters escaped."""
    value = scope.fill(payload.value)
    return value if isinstance(value, str | bytes) else json.dumps(value)


def to_bytes(text: str | bytes) -> bytes:
    """Encode text as UTF-8; a lone surrogate becomes three bytes that are invalid in UTF-8."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _build(recorded: Response, scope: Scope) -> web.Response:
    body = b"" if recorded.payload is None else to_bytes(encode_payload(recorded.payload, scope))
    content_type = "text/html" if body.lstrip().startswith(b"<") else "application/json"
    has_type = any(name.lower() == "content-type" for name in recorded.headers)
    headers = {} if has_type else {"Content-Type": content_type}
    return web.Response(status=recorded.status or 200, body=body, headers=headers)


async def _truncate(
    request: web.Request, recorded: Response, whole: web.Response, closing: asyncio.Event
) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    partial = web.StreamResponse(status=whole.status, headers=whole.headers)
    partial.content_length = len(body)
    await partial.prepare(request)
    await partial.write(body[: recorded.after_bytes])
    return await _fail(request, recorded, partial, closing)


async def _fail(
    request: web.Request, recorded: Response, response: web.StreamResponse, closing: asyncio.Event
) -> web.StreamResponse:
    if recorded.fault == "hang":
        await closing.wait()
    if request.transport is not None:
        request.transport.close()
    return response
