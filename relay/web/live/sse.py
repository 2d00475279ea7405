"""
A task's events as a stream of blocks (WHATWG HTML section 9.2).

A browser's EventSource gives up for good on any answer but 200, so whatever can pass by itself (too many viewers, a
shutdown) is a 200 that ends cleanly with a `retry:` and a `ping`. 204 tells it to stop.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import orjson
from aiohttp import HttpVersion11, hdrs, web

from relay import log
from relay.access.grants import Grant
from relay.core.snapshot import Snapshot
from relay.errors import StoreError
from relay.hub.cursor import Cursor, parse_cursor
from relay.hub.framing import SSE, SSE_HTTP_1_0, Form, sse_block
from relay.hub.viewer import FAILED, TOKEN_EXPIRED, TOO_SLOW, Close, Subject, Viewer
from relay.web.http.context import context
from relay.web.http.problems import logged_path
from relay.web.http.tcp import tune
from relay.web.live.slots import place

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

    __slots__ = ("_clock", "over")

    def __init__(self, form: Form, transport: asyncio.WriteTransport, clock: Callable[[], float]) -> None:
        super().__init__(form, transport)
        self._clock = clock
        self.over: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    def ended(self, task: str) -> None:
        self.finish(None)

    def expired(self, subject: Subject, name: str | None) -> None:
        self.send(orjson.dumps({"type": "error", "code": "token_expired", "detail": TOKEN_EXPIRED.reason}))
        self.finish(TOKEN_EXPIRED)

    def close(self, why: Close) -> None:
        if not self.over.done() and why is not TOO_SLOW:
            self.send(ping(self._clock()))  # nothing may have completed the first block yet
        self.finish(why)

    def finish(self, why: Close | None) -> None:
        """Let the handler end the stream. Idempotent."""
        self.gone = True
        if not self.over.done():
            self.over.set_result(why)


Stream = TypeVar("Stream", bound=EventStream)


def ping(now: float) -> bytes:
    """Write a ping."""
    return orjson.dumps({"type": "ping", "at": now})


def wants_stream(request: web.Request) -> bool:
    """Say whether the caller asked for a stream."""
    return "text/event-stream" in request.headers.get(hdrs.ACCEPT, "").lower()


def is_chunked(request: web.BaseRequest) -> bool:
    """Say whether the answer to a request comes in chunks: HTTP/1.0 knows none."""
    return request.version >= HttpVersion11


async def stream(request: web.Request, snapshot: Snapshot, grant: Grant) -> web.StreamResponse:
    """Serve a task's stream until the task has ended, the token has expired, or somebody leaves."""
    parts = context(request)
    cursor = parse_cursor(request.headers.get("Last-Event-ID") or request.query.get("cursor"))
    if cursor is not None and _has_it_all(cursor, snapshot):
        return web.Response(status=204)

    def make(transport: asyncio.WriteTransport) -> EventStream:
        return EventStream(SSE if is_chunked(request) else SSE_HTTP_1_0, transport, parts.clock)

    async def begin(viewer: EventStream) -> None:
        await parts.hub.subscribe(viewer, snapshot.id, cursor, expires_at=grant.expires_at)

    return await serve(request, make, begin)


async def serve(
    request: web.Request,
    make: Callable[[asyncio.WriteTransport], Stream],
    begin: Callable[[Stream], Awaitable[None]],
) -> web.StreamResponse:
    """
    Answer with a stream until there is nothing more to come, or somebody leaves.

    Args:
        request: who asks.
        make: makes the viewer of the connection.
        begin: subscribes it.
    """
    parts = context(request)
    response = web.StreamResponse(headers=HEADERS)
    if is_chunked(request):
        response.enable_chunked_encoding()
    with suppress(ConnectionResetError):  # a client that has left already is found out below
        await response.prepare(request)
        # Through aiohttp, because it sends the headers with the first bytes; from here on the hub writes by itself.
        # A line and not a block: the first message completes it. Some clients dispatch a block that has no data.
        await response.write(b"retry: %d\n" % random.randint(*RETRY_MS))  # noqa: S311 -- no secret
        response.headers.clear()  # they are sent: a viewer would keep them for as long as it watches
    with place(request) as refusal:
        transport = request.transport
        if refusal is not None or transport is None:
            with suppress(ConnectionResetError):
                await response.write(sse_block(ping(parts.clock())))
            return response
        tune(transport)
        viewer = make(transport)
        parts.hub.join(viewer)
        try:
            await begin(viewer)
            if await viewer.over is TOO_SLOW:
                viewer.abort()  # a clean end would wait behind all that it has not read
        except OSError as error:  # the answer is a 200 already: it ends, and the browser comes back
            if not isinstance(error, StoreError):  # that the journal has logged
                _log.error("stream.failed", path=logged_path(request), error=str(error))
            viewer.close(FAILED)
        finally:
            parts.hub.leave(viewer)
    return response


def _has_it_all(cursor: Cursor, snapshot: Snapshot) -> bool:
    return snapshot.done is not None and cursor.epoch == snapshot.epoch and cursor.seq == snapshot.seq
