"""
A task's events as a stream of blocks (WHATWG HTML section 9.2).

A browser's EventSource gives up for good on any answer but 200, so whatever can pass by itself (too many viewers, a
shutdown) is a 200 that ends cleanly with a `retry:`. 204 tells it to stop.
"""

import asyncio
import random
from contextlib import suppress

import orjson
from aiohttp import HttpVersion11, hdrs, web

from relay import log
from relay.core.snapshot import Snapshot
from relay.hub.cursor import Cursor, parse_cursor
from relay.hub.frames import SSE, SSE_HTTP_1_0
from relay.hub.viewer import TOKEN_EXPIRED, TOO_SLOW, Close, Subject, Viewer
from relay.web.access import Grant
from relay.web.context import context
from relay.web.places import place
from relay.web.transport import tune

RETRY_MS = (1_000, 5_000)
"""How long a browser waits before it comes back: random between these, so that they do not come all at once."""

HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx holds a stream back without it
}


_log = log.get("web")


class EventStream(Viewer):
    """One SSE connection. `over` is answered when there is nothing more to come."""

    __slots__ = ("over",)

    def __init__(self, form_of: web.BaseRequest, transport: asyncio.WriteTransport) -> None:
        super().__init__(SSE if form_of.version >= HttpVersion11 else SSE_HTTP_1_0, transport)
        self.over: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    def ended(self, task: str) -> None:
        self._finish(None)

    def expired(self, subject: Subject, name: str) -> None:
        self.send(orjson.dumps({"type": "error", "code": "token_expired", "detail": TOKEN_EXPIRED.reason}))
        self._finish(TOKEN_EXPIRED)

    def close(self, why: Close) -> None:
        self._finish(why)

    def _finish(self, why: Close | None) -> None:
        self.gone = True
        if not self.over.done():
            self.over.set_result(why)


def wants_stream(request: web.Request) -> bool:
    """Say whether the caller asked for a stream."""
    return "text/event-stream" in request.headers.get(hdrs.ACCEPT, "")


async def stream(request: web.Request, snapshot: Snapshot, grant: Grant) -> web.StreamResponse:
    """Serve the stream until the task has ended, the token has expired, or somebody leaves."""
    parts = context(request)
    cursor = parse_cursor(request.headers.get("Last-Event-ID") or request.query.get("cursor"))
    if cursor is not None and _has_it_all(cursor, snapshot):
        return web.Response(status=204)
    response = web.StreamResponse(headers=HEADERS)
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    with suppress(ConnectionResetError):  # who has left already is found out below
        await response.prepare(request)
        # Through aiohttp, because it sends the headers with the first bytes; from here on the hub writes by itself.
        await response.write(b"retry: %d\n\n" % random.randint(*RETRY_MS))  # noqa: S311 -- no secret
        response.headers.clear()  # they are sent: a viewer would keep them for as long as it watches
    with place(request) as refusal:
        transport = request.transport
        if refusal is not None or transport is None:
            return response
        tune(transport)
        viewer = EventStream(request, transport)
        parts.hub.join(viewer)
        try:
            await parts.hub.subscribe(viewer, snapshot.id, cursor, expires_at=grant.expires_at)
            if await viewer.over is TOO_SLOW:
                viewer.abort()  # a clean end would wait behind all that it has not read
        except OSError as error:  # the answer is a 200 already: it ends, and the browser comes back
            _log.error("stream.failed", task=snapshot.id, error=str(error))
        finally:
            parts.hub.leave(viewer)
    return response


def _has_it_all(cursor: Cursor, snapshot: Snapshot) -> bool:
    return snapshot.done is not None and cursor.epoch == snapshot.epoch and cursor.seq == snapshot.seq
