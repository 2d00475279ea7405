"""
Many tasks and tags over plain HTTP: one event stream, or one answer with what that stream would send first.

The messages are those of the WebSocket on many tasks. Where WebSockets are blocked, a browser so needs one connection
for all that it shows; where streams are held back as well, it polls all of it with one call.
"""

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web

from relay.access.grants import Grant
from relay.errors import Code, RequestError
from relay.hub.framing import LAST, LINES, MANY_SSE, MANY_SSE_HTTP_1_0
from relay.hub.viewer import Close, Subject
from relay.web.http.context import context
from relay.web.http.credentials import credential, granted
from relay.web.http.json_body import read_object
from relay.web.http.queries import read_query
from relay.web.live.messages import Wanted
from relay.web.live.requests import SubscriptionsBody, SubscriptionsQuery
from relay.web.live.sse import EventStream, is_chunked, ping, serve, wants_stream
from relay.web.live.subscriptions import Many, subscribe

ANSWER_BYTES = 8 * 2**20
"""An answer that has grown so large takes no further subscription: all of it is in memory until it is sent."""


class ManyStream(Many, EventStream):
    """An event stream on many tasks and tags, over when there is nothing left to follow."""

    __slots__ = ("_begun",)

    def __init__(self, transport: asyncio.WriteTransport, clock: Callable[[], float], *, chunked: bool) -> None:
        super().__init__(MANY_SSE if chunked else MANY_SSE_HTTP_1_0, transport, clock)
        self._begun = False

    def ended(self, task: str) -> None:
        self._end_if_over()

    def expired(self, subject: Subject, name: str | None) -> None:
        super().expired(subject, name)
        self._end_if_over()

    def begun(self) -> None:
        """Take note that all subscriptions that were asked for have begun, or failed."""
        self._begun = True
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._begun and not self.gone and not self.subscriptions and not self.tags:
            self.write(self.form.wrap(ping(self._clock()), LAST))
            self.finish(None)


class Gathering(asyncio.WriteTransport):
    """A connection that only gathers what is written, and is never slow."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        """Do nothing: there is no peer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: it never fills."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Do nothing: nothing is ever received."""


class Poll(Many):
    """A viewer that leaves as soon as it has been shown how each of its subscriptions begins."""

    __slots__ = ()

    def __init__(self, transport: Gathering) -> None:
        super().__init__(LINES, transport)

    def close(self, why: Close) -> None:
        self.gone = True


async def get(request: web.Request) -> web.StreamResponse:
    """`GET /v1/events`: subscriptions by the address, with one credential for all of them."""
    if _has_it_all(request):
        return web.Response(status=204)
    grant = granted(request)
    return await _answer(request, read_query(request, SubscriptionsQuery).wanted(), grant)


async def post(request: web.Request) -> web.StreamResponse:
    """`POST /v1/events`: the same by a body, where each subscription may have a cursor and a token of its own."""
    grant = granted(request) if credential(request) is not None else None
    body = SubscriptionsBody.model_validate(await read_object(request))
    return web.Response(status=204) if _has_it_all(request) else await _answer(request, body.subscriptions, grant)


def _has_it_all(request: web.Request) -> bool:
    return wants_stream(request) and request.headers.get("Last-Event-ID") == LAST


async def _answer(request: web.Request, wanted: Sequence[Wanted], grant: Grant | None) -> web.StreamResponse:
    limit = context(request).config.subscription_limit
    if len(wanted) > limit:
        detail = f"{len(wanted)} subscriptions are too many: one request may have {limit} (RELAY_SUBSCRIPTION_LIMIT)."
        raise RequestError(Code.INVALID_INPUT, detail)
    return await (_stream if wants_stream(request) else _poll)(request, wanted, grant)


async def _stream(request: web.Request, wanted: Sequence[Wanted], grant: Grant | None) -> web.StreamResponse:
    clock = context(request).clock

    def make(transport: asyncio.WriteTransport) -> ManyStream:
        return ManyStream(transport, clock, chunked=is_chunked(request))

    async def begin(viewer: ManyStream) -> None:
        for each in wanted:
            if viewer.gone:
                return
            await subscribe(request, viewer, each, grant)
        viewer.begun()

    return await serve(request, make, begin)


async def _poll(request: web.Request, wanted: Sequence[Wanted], grant: Grant | None) -> web.Response:
    hub, gathering = context(request).hub, Gathering()
    viewer = Poll(gathering)
    try:
        for each in wanted:
            if len(gathering.written) > ANSWER_BYTES:
                detail = f"The answer has reached {ANSWER_BYTES} bytes; ask for this in another request."
                subject, name = each.aim
                viewer.fault(subject, name, Code.RATE_LIMITED, detail)
            else:
                await subscribe(request, viewer, each, grant)
                hub.settle(viewer)
    finally:
        hub.leave(viewer)
    messages = bytes(gathering.written).removesuffix(b"\n").replace(b"\n", b",")
    return web.Response(body=b'{"messages":[%b]}' % messages, content_type="application/json")
