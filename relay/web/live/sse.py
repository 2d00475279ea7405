"""
The event stream of one task, and what all event streams share.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html. A browser's EventSource gives up
after any status but 200. So refusals that are temporary (too many viewers, a shutdown) are a 200 with a `retry:`, a
`ping` and a clean end. 204 makes an EventSource stop.
"""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson
from aiohttp import HttpVersion11, hdrs, web

from relay import log
from relay.access.grants import Grant
from relay.core.snapshot import Snapshot
from relay.errors import StoreError
from relay.hub.close_codes import DELETED, ENDED, FAILED, TOKEN_EXPIRED, TOO_SLOW, Close
from relay.hub.cursor import Cursor, parse_cursor
from relay.hub.framing import SSE, SSE_HTTP_1_0
from relay.hub.topic import Topic
from relay.web.http.connection import Released, sent
from relay.web.http.context import context
from relay.web.http.problems import logged_path
from relay.web.live.live_viewer import LiveViewer

RETRY_MS = (1_000, 5_000)
"""The range of the delay before a browser reconnects. Each stream gets a random one, so that they spread out."""

HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would buffer the stream
}


_log = log.get("web")


class EventStream(LiveViewer):
    """An event stream."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        self.discard(data)  # the response says that the connection is closed after it

    def task_ended(self, task: str) -> None:
        self.finish(ENDED)

    def task_deleted(self, message: bytes) -> None:
        self.send(message)
        self.finish(DELETED)

    def subscription_expired(self, topic: Topic) -> None:
        self.send(orjson.dumps({"type": "error", "code": "token_expired", "detail": TOKEN_EXPIRED.reason}))
        self.finish(TOKEN_EXPIRED)

    def close(self, why: Close) -> None:
        if why is TOO_SLOW:
            self.begin_close(why.code)
            self.abort()  # a clean end would wait behind everything that the client has not read
        elif not self.closing:
            self.send(ping(self.parts.clock()))  # completes the first event if no message has done so yet
            self.finish(why)

    def finish(self, why: Close) -> None:
        """End the stream after everything that was written. Idempotent."""
        if self.begin_close(why.code):
            self.write(self.framing.end)
            self.end()


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

    def make() -> EventStream:
        return EventStream(SSE if is_chunked(request) else SSE_HTTP_1_0, request)

    async def subscribe(viewer: EventStream) -> None:
        await parts.hub.subscribe(
            viewer,
            ("task", snapshot.id),
            cursor,
            expires_at=grant.expires_at,
            token=grant.token,
            status_only=grant.status_only,
        )

    return await serve(request, make, subscribe)


async def serve(
    request: web.Request, make: Callable[[], Stream], subscribe: Callable[[Stream], Awaitable[None]]
) -> web.StreamResponse:
    """
    Begin an event stream, which lives until it is over or the client leaves.

    Args:
        request: the client's request.
        make: creates the viewer, which takes over the connection.
        subscribe: subscribes it.
    """
    response = web.StreamResponse(headers=HEADERS)
    response.force_close()
    if is_chunked(request):
        response.enable_chunked_encoding()
    await response.prepare(request)
    # Written through aiohttp, which sends the headers with the first bytes. From here on the hub writes directly.
    # It is a line of the first event and not a separate event: some clients dispatch events without data.
    await response.write(b"retry: %d\n" % random.randint(*RETRY_MS))  # noqa: S311 -- not a secret
    await sent(request)
    viewer = make()
    async with viewer.opening():
        if viewer.admit(request):
            try:
                await subscribe(viewer)
            except OSError as error:  # the status is 200 already: end the stream, and the browser reconnects
                if not isinstance(error, StoreError):  # a StoreError is logged by the journal
                    _log.error("stream.failed", path=logged_path(request), error=str(error))
                viewer.disconnect(FAILED)
    return Released(status=response.status)


def _is_complete(cursor: Cursor, snapshot: Snapshot) -> bool:
    """Return whether the task has ended and the client has seen its last event."""
    return snapshot.done is not None and cursor.epoch == snapshot.epoch and cursor.seq == snapshot.seq
