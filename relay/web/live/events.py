"""
`/v1/events`: several topics over plain HTTP, as an event stream or as a poll.

The messages are those of the WebSocket for several topics. A browser without WebSockets needs one stream for
everything that it shows; where streams are buffered as well, it polls everything with one request.
"""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from relay.access.grants import Grant
from relay.errors import Code, RequestError
from relay.hub.close_codes import ENDED, Close
from relay.hub.framing import JSON_LINES, MULTI_SSE, MULTI_SSE_HTTP_1_0, STREAM_END_ID
from relay.hub.topic import Topic
from relay.web.http.client_address import client_address
from relay.web.http.context import context
from relay.web.http.credentials import credential, granted
from relay.web.http.json_body import read_object
from relay.web.http.queries import read_query
from relay.web.live.messages import SubscriptionRequest
from relay.web.live.requests import SubscriptionsBody, SubscriptionsQuery
from relay.web.live.sse import EventStream, is_chunked, ping, serve, wants_stream
from relay.web.live.subscriptions import MultiViewer, subscribe

POLL_BYTES = 8 * 2**20
"""A poll response that has reached this size gets no further subscription, because it is in memory until it is sent."""


class MultiEventStream(MultiViewer, EventStream):
    """An event stream on several topics. It is over when no subscription is left."""

    __slots__ = ("_subscribed",)

    def __init__(self, request: web.Request) -> None:
        super().__init__(MULTI_SSE if is_chunked(request) else MULTI_SSE_HTTP_1_0, request)
        self._subscribed = False

    def task_ended(self, task: str) -> None:
        self._finish_if_over()

    def task_deleted(self, message: bytes) -> None:
        super().task_deleted(message)
        self._finish_if_over()

    def subscription_expired(self, topic: Topic) -> None:
        super().subscription_expired(topic)
        self._finish_if_over()

    def all_subscribed(self) -> None:
        """Note that every subscription in the request has begun or failed."""
        self._subscribed = True
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        if self._subscribed and not self.gone and not self.subscriptions:
            self.write(self.framing.encode(ping(self.parts.clock()), STREAM_END_ID))
            self.finish(ENDED)


class MemoryTransport(asyncio.WriteTransport):
    """A transport that keeps what is written to it. It is never slow."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Do nothing."""


class PollViewer(MultiViewer):
    """A viewer that leaves as soon as each of its subscriptions has begun."""

    __slots__ = ()

    def __init__(self, transport: MemoryTransport) -> None:
        super().__init__(JSON_LINES, transport)

    def close(self, why: Close) -> None:
        self.gone = True


async def get(request: web.Request) -> web.StreamResponse:
    """Serve `GET /v1/events`: subscriptions in the query, with one credential for all of them."""
    if _is_over(request):
        return web.Response(status=204)
    grant = granted(request)
    return await _respond(request, read_query(request, SubscriptionsQuery).wanted(), grant)


async def post(request: web.Request) -> web.StreamResponse:
    """Serve `POST /v1/events`: subscriptions in the body, each with its own cursor and token if needed."""
    grant = granted(request) if credential(request) is not None else None
    body = SubscriptionsBody.model_validate(await read_object(request))
    return web.Response(status=204) if _is_over(request) else await _respond(request, body.subscriptions, grant)


def _is_over(request: web.Request) -> bool:
    """Return whether the client reconnects after the last event of its stream."""
    return wants_stream(request) and request.headers.get("Last-Event-ID") == STREAM_END_ID


async def _respond(
    request: web.Request, wanted: Sequence[SubscriptionRequest], grant: Grant | None
) -> web.StreamResponse:
    limit = context(request).config.subscription_limit
    if len(wanted) > limit:
        # relay.js reads the limit from "one connection (request) may have N", also in pages that were loaded long ago.
        detail = f"{len(wanted)} are too many: one request may have {limit} subscriptions (RELAY_SUBSCRIPTION_LIMIT)."
        raise RequestError(Code.INVALID_INPUT, detail)
    return await (_stream if wants_stream(request) else _poll)(request, wanted, grant)


async def _stream(
    request: web.Request, wanted: Sequence[SubscriptionRequest], grant: Grant | None
) -> web.StreamResponse:
    parts = context(request)

    async def subscribe_all(viewer: MultiEventStream) -> None:
        for each in wanted:
            if viewer.gone:
                return
            await subscribe(parts, viewer, each, grant, viewer.address)
        viewer.all_subscribed()

    return await serve(request, lambda: MultiEventStream(request), subscribe_all)


async def _poll(request: web.Request, wanted: Sequence[SubscriptionRequest], grant: Grant | None) -> web.Response:
    parts, transport = context(request), MemoryTransport()
    viewer, address = PollViewer(transport), client_address(request, parts.config.trusted_proxies)
    parts.hub.counts.joined[viewer.framing.name,] += 1
    try:
        for each in wanted:
            if len(transport.written) > POLL_BYTES:
                detail = f"The response has reached {POLL_BYTES} bytes. Send another request for this subscription."
                viewer.send_error(each.topic, Code.RATE_LIMITED, detail)
            else:
                await subscribe(parts, viewer, each, grant, address)
                parts.hub.flush(viewer)
    finally:
        parts.hub.leave(viewer)
    messages = bytes(transport.written).removesuffix(b"\n").replace(b"\n", b",")
    return web.Response(body=b'{"messages":[%b]}' % messages, content_type="application/json")
