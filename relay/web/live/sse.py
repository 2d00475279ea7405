"""
The event stream of one task, and what all event streams share.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html. A browser's EventSource gives up
after any status but 200. So refusals that are temporary (too many viewers, a shutdown) are a 200 with a `retry:`, a
`ping` and a clean end. 204 makes an EventSource stop.
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
from relay.hub.close_codes import FAILED, TOKEN_EXPIRED, TOO_SLOW, Close
from relay.hub.cursor import Cursor, parse_cursor
from relay.hub.framing import SSE, SSE_HTTP_1_0, Framing, sse_event
from relay.hub.topic import Topic
from relay.hub.viewer import Viewer
from relay.web.http.context import context
from relay.web.http.problems import logged_path
from relay.web.http.tcp import tune
from relay.web.live.slots import viewer_slot

RETRY_MS = (1_000, 5_000)
"""The range of the delay before a browser reconnects. Each stream gets a random one, so that they spread out."""

HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would buffer the stream
}


_log = log.get("web")


class EventStream(Viewer):
    """An event stream. `over` is resolved when nothing more will be written."""

    __slots__ = ("_clock", "over")

    def __init__(self, framing: Framing, transport: asyncio.WriteTransport, clock: Callable[[], float]) -> None:
        super().__init__(framing, transport)
        self._clock = clock
        self.over: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    def task_ended(self, task: str) -> None:
        self.finish(None)

    def task_deleted(self, message: bytes) -> None:
        self.send(message)
        self.finish(None)

    def subscription_expired(self, topic: Topic) -> None:
        self.send(orjson.dumps({"type": "error", "code": "token_expired", "detail": TOKEN_EXPIRED.reason}))
        self.finish(TOKEN_EXPIRED)

    def close(self, why: Close) -> None:
        if not self.over.done() and why is not TOO_SLOW:
            self.send(ping(self._clock()))  # completes the first event if no message has done so yet
        self.finish(why)

    def finish(self, why: Close | None) -> None:
        """Let the handler end the response. Idempotent."""
        self.gone = True
        if not self.over.done():
            self.over.set_result(why)


Stream = TypeVar("Stream", bound=EventStream)


def ping(now: float) -> bytes:
    """Return a ping message; `now` is in unix seconds."""
    return orjson.dumps({"type": "ping", "at": now})


def wants_stream(request: web.Request) -> bool:
    """Return whether the client accepts an event stream."""
    return "text/event-stream" in request.headers.get(hdrs.ACCEPT, "").lower()


def is_chunked(request: web.BaseRequest) -> bool:
    """Return whether the response is sent in chunks, which HTTP/1.0 does not have."""
    return request.version >= HttpVersion11


async def stream(request: web.Request, snapshot: Snapshot, grant: Grant) -> web.StreamResponse:
    """Serve the event stream of a task until the task has ended, the grant has expired, or the client leaves."""
    parts = context(request)
    cursor = parse_cursor(request.headers.get("Last-Event-ID") or request.query.get("cursor"))
    if cursor is not None and _is_complete(cursor, snapshot):
        return web.Response(status=204)

    def make(transport: asyncio.WriteTransport) -> EventStream:
        return EventStream(SSE if is_chunked(request) else SSE_HTTP_1_0, transport, parts.clock)

    async def subscribe(viewer: EventStream) -> None:
        await parts.hub.subscribe(viewer, ("task", snapshot.id), cursor, expires_at=grant.expires_at)

    return await serve(request, make, subscribe)


async def serve(
    request: web.Request,
    make: Callable[[asyncio.WriteTransport], Stream],
    subscribe: Callable[[Stream], Awaitable[None]],
) -> web.StreamResponse:
    """
    Respond with an event stream until it is over or the client leaves.

    Args:
        request: the client's request.
        make: creates the viewer for the connection.
        subscribe: subscribes it.
    """
    parts = context(request)
    response = web.StreamResponse(headers=HEADERS)
    if is_chunked(request):
        response.enable_chunked_encoding()
    with suppress(ConnectionResetError):  # a client that has left already is noticed below
        await response.prepare(request)
        # Written through aiohttp, which sends the headers with the first bytes. From here on the hub writes directly.
        # It is a line of the first event and not a separate event: some clients dispatch events without data.
        await response.write(b"retry: %d\n" % random.randint(*RETRY_MS))  # noqa: S311 -- not a secret
        response.headers.clear()  # they have been sent, and would take memory as long as the stream lives
    with viewer_slot(request) as refusal:
        transport = request.transport
        if refusal is not None or transport is None:
            with suppress(ConnectionResetError):
                await response.write(sse_event(ping(parts.clock())))
            return response
        tune(transport)
        viewer = make(transport)
        parts.hub.join(viewer)
        try:
            await subscribe(viewer)
            if await viewer.over is TOO_SLOW:
                viewer.abort()  # a clean end would wait behind everything that the client has not read
        except OSError as error:  # the status is 200 already: end the stream, and the browser reconnects
            if not isinstance(error, StoreError):  # a StoreError is logged by the journal
                _log.error("stream.failed", path=logged_path(request), error=str(error))
            viewer.close(FAILED)
        finally:
            parts.hub.leave(viewer)
    return response


def _is_complete(cursor: Cursor, snapshot: Snapshot) -> bool:
    """Return whether the task has ended and the client has seen its last event."""
    return snapshot.done is not None and cursor.epoch == snapshot.epoch and cursor.seq == snapshot.seq
