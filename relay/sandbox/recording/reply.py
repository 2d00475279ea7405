"""How a recorded answer goes over HTTP: late, never, half, or with any status, headers and bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.sandbox.recording.lines import Answer, Payload
from relay.sandbox.recording.placeholders import Scope


async def reply(
    request: web.Request,
    answer: Answer,
    proper: Callable[[], Awaitable[web.StreamResponse]],
    scope: Scope,
    closing: asyncio.Event,
) -> web.StreamResponse:
    """
    Answer a call as a recording has it; `proper` carries it out and returns the sandbox's own answer.

    A hang lasts until the client gives up or the sandbox closes.
    """
    # Carried out at once, answered late: the platform has done its work when its answer is stuck.
    own = None if answer.replaces else await proper()
    await asyncio.sleep(answer.delay_s)
    if answer.fault is not None and answer.after_bytes is None:
        return await _end(request, answer, web.Response(status=503), closing)
    response = own if own is not None else _written(answer, scope)
    for name, value in answer.headers.items():
        response.headers[name] = str(scope.fill(value))
    if answer.fault is None or not isinstance(response, web.Response):
        return response
    return await _cut(request, answer, response, closing)


def encoded(payload: Payload, scope: Scope) -> str | bytes:
    """Return a body as it is sent: JSON with every character beyond ASCII escaped, text as it is, or bytes."""
    value = scope.fill(payload.value)
    return value if isinstance(value, str | bytes) else json.dumps(value)


def to_bytes(text: str | bytes) -> bytes:
    """Return the bytes of a text; half a surrogate pair becomes the three bytes that no UTF-8 has."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _written(answer: Answer, scope: Scope) -> web.Response:
    body = b"" if answer.payload is None else to_bytes(encoded(answer.payload, scope))
    kind = "text/html" if body.lstrip().startswith(b"<") else "application/json"
    headers = {} if any(name.lower() == "content-type" for name in answer.headers) else {"Content-Type": kind}
    return web.Response(status=answer.status or 200, body=body, headers=headers)


async def _cut(request: web.Request, answer: Answer, whole: web.Response, closing: asyncio.Event) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    begun = web.StreamResponse(status=whole.status, headers=whole.headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: answer.after_bytes])
    return await _end(request, answer, begun, closing)


async def _end(
    request: web.Request, answer: Answer, response: web.StreamResponse, closing: asyncio.Event
) -> web.StreamResponse:
    if answer.fault == "hang":
        await closing.wait()
    if request.transport is not None:
        request.transport.close()
    return response
