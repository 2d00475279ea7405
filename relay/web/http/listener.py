"""
The listening socket, and what a connection has to keep to before anything is known of it: how many there may be, how
long one may be silent, how many frames it may send, and that it speaks HTTP.

Whoever is one too many is cut off without an answer: to a browser's EventSource that means to come back, and a problem
would mean never to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_websocket import WebSocketReader

from relay import log
from relay.backoff import Bucket
from relay.config import Config
from relay.errors import Code
from relay.web.http.acceptor import Acceptor, bound
from relay.web.http.connection_counts import Crowd, counted_as
from relay.web.http.connection_gate import LINES_PER_S, Gate
from relay.web.http.context import Context
from relay.web.http.cors import ALWAYS
from relay.web.http.file_descriptors import Descriptors
from relay.web.http.frame_limit import FrameLimit
from relay.web.http.problems import Problem, answer

OTHERS = 1000
"""How many connections there may be besides the viewers': calls, and viewers on their way out."""

OTHERS_OF_ONE = 2
"""How many times as many connections as viewers one address may have: a page has calls beside its stream."""

_log = log.get("web")


class Connection(web.RequestHandler):
    """One connection: aiohttp's, if there is room for it."""

    __slots__ = ("_entered", "_parts")

    def __init__(self, server: web.Server, parts: Context) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # as in aiohttp's own runner: null is none
            keepalive_timeout=parts.config.idle_s,
        )
        self._parts = parts
        self._entered = False

    @property
    def idle_since(self) -> tuple[bool, float] | None:
        # As aiohttp's own timer for idle connections sees it (`RequestHandler._process_keepalive`).
        if self._waiter is None or self._waiter.done():
            return None
        return self._request_count > 0, self._next_keepalive_close_time - self._keepalive_timeout

    def dismiss(self) -> None:
        self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        number = transport.get_extra_info("socket").fileno()
        who = counted_as(peer[0], self._parts.config.trusted_proxies) if peer else None
        self._entered = self._parts.gate.enter(self, who, number)
        if self._entered:
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._parts.gate.leave(self)
        if self._entered:
            super().connection_lost(exc)

    def set_parser(self, parser: WebSocketReader, data_received_cb: Callable[[], None] | None = None) -> None:
        """Count the frames of a WebSocket before aiohttp reads them."""
        if self.transport is not None:
            parser = cast("WebSocketReader", FrameLimit(parser, self._parts.config.message_rate, self.transport))
        super().set_parser(parser, data_received_cb)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP with a problem, too. aiohttp would quote it in the log, with the secrets in it."""
        if not isinstance(exc, HttpProcessingError):
            failed = super().handle_error(request, status, exc, message)
            failed.headers.update(ALWAYS)
            return failed
        _log.debug("request.malformed", error=type(exc).__name__)
        if request.writer.output_size:
            raise ConnectionError("an answer is under way: a second one would be read as more of it")
        detail = "The request is malformed, or its headers are too large."
        response = answer(Problem(code=Code.INVALID_REQUEST, detail=detail))
        response.headers.update(ALWAYS)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **values: Any) -> None:
        """Be brief about a body that is malformed: it was answered, and is no fault of ours with a traceback."""
        if isinstance(values.get("exc_info"), web.RequestPayloadError):
            _log.debug("request.malformed", error="RequestPayloadError")
        else:
            super().log_exception(*args, **values)


def room(config: Config, descriptors: Descriptors) -> int:
    """Return how many connections there may be: as many as are configured, or as the process may have."""
    wanted, possible = config.connection_limit + OTHERS, descriptors.for_connections
    if possible < wanted:
        _log.warning("connections.limited", possible=possible, wanted=wanted, reason="the process may open few files")
    return min(wanted, possible)


def make_gate(config: Config) -> Gate:
    """Return a gate for as many connections as are configured, or as the process may have."""
    descriptors = Descriptors.raised(config.connection_limit + OTHERS)
    crowd = Crowd(room(config, descriptors), OTHERS_OF_ONE * config.address_limit)
    return Gate(crowd, descriptors, asyncio.get_running_loop().time)


@asynccontextmanager
async def listening(parts: Context, server: web.Server) -> AsyncIterator[int]:
    """
    Listen, and have `server` answer; gives the port. On leaving nobody is let in any longer.

    Raises:
        OSError: the address cannot be had.
    """
    clock = asyncio.get_running_loop().time
    failures = Bucket(1, LINES_PER_S, clock())

    def failed(error: OSError) -> None:
        if not failures.take(clock()):
            _log.error("connections.accept_failed", error=str(error))

    make = partial(Connection, server, parts)
    async with AsyncExitStack() as stack:
        sockets = await bound(parts.config.host, parts.config.port)
        for sock in sockets:
            stack.callback(Acceptor(sock, make, failed).close)
        yield int(sockets[0].getsockname()[1])
