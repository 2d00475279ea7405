"""
A connection of aiohttp: admitted by the gate, and answered with a problem if it is not HTTP.

A viewer takes its connection over. aiohttp needs 15 KiB for a request that is being answered, and a viewer stays for
hours.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_websocket import WebSocketReader

from relay import log
from relay.errors import Code
from relay.web.http.connection_counts import counted_address
from relay.web.http.connection_gate import Stream
from relay.web.http.context import Context
from relay.web.http.cors import COMMON_HEADERS
from relay.web.http.problems import problem_response
from relay.web.http.socket_transport import take_socket
from relay.web.http.tcp import tune

_log = log.get("web")


class Released(web.StreamResponse):
    """The result of a handler whose connection was taken over: aiohttp has nothing to send."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing."""


class _Received:
    """Keeps what a WebSocket client has sent before its connection is taken over, in the place of aiohttp's reader."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing: the connection is lost."""


class Connection(web.RequestHandler):
    """A connection of aiohttp that the gate has to admit."""

    __slots__ = ("_admitted", "_parts", "_received", "stays")

    def __init__(self, server: web.Server, parts: Context) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # None disables it, as in aiohttp's own runner
            keepalive_timeout=parts.config.idle_s,
        )
        self._parts = parts
        self._admitted = False
        self._received = _Received()
        self.stays = False
        """Whether a WebSocket stays with aiohttp: its connection is not taken over."""

    @property
    def idle_since(self) -> tuple[bool, float] | None:
        # The same state that aiohttp's keep-alive timer uses (`RequestHandler._process_keepalive`).
        if self._waiter is None or self._waiter.done():
            return None
        return self._request_count > 0, self._next_keepalive_close_time - self._keepalive_timeout

    def dismiss(self) -> None:
        self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peername = transport.get_extra_info("peername")
        address = counted_address(peername[0], self._parts.config.trusted_proxies) if peername else None
        self._admitted = self._parts.gate.enter(self, address)
        if self._admitted:
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._parts.gate.leave(self)
        if self._admitted:
            super().connection_lost(exc)

    def set_parser(self, parser: WebSocketReader, data_received_cb: Callable[[], None] | None = None) -> None:
        """Keep what the client sends after a WebSocket handshake for the viewer. aiohttp would parse it."""
        if self.stays:
            super().set_parser(parser, data_received_cb)
            return
        super().set_parser(cast("WebSocketReader", self._received), data_received_cb)
        if self.transport is not None:
            self.transport.pause_reading()

    def release(self, stream: Stream) -> tuple[asyncio.Transport, bytes]:
        """
        Give the connection to a viewer. For aiohttp it is lost, so that the request is freed with its handler.

        The response must have been sent completely: see `sent`.

        Returns:
            The transport, which does not read yet, and what has been received after a WebSocket handshake.

        Raises:
            ConnectionResetError: the client has disconnected.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has disconnected")
        self._parts.gate.hand_over(self, stream)
        self.transport = None
        self._task_handler = None  # the handler may finish: aiohttp would cancel it with the connection
        super().connection_lost(None)
        tune(transport)
        return take_socket(transport), self._received.data

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed HTTP with a problem. aiohttp would quote the request in the log, including secrets."""
        if not isinstance(exc, HttpProcessingError):
            response = super().handle_error(request, status, exc, message)
            response.headers.update(COMMON_HEADERS)
            return response
        _log.debug("request.malformed", error=type(exc).__name__)
        if request.writer.output_size:
            raise ConnectionError("a response has begun already")
        detail = "The request is malformed, or its headers are too large."
        response = problem_response(Code.INVALID_REQUEST, detail)
        response.headers.update(COMMON_HEADERS)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **values: Any) -> None:
        """Log a malformed body in one line. It has been answered, and a traceback would not help."""
        if isinstance(values.get("exc_info"), web.RequestPayloadError):
            _log.debug("request.malformed", error="RequestPayloadError")
        else:
            super().log_exception(*args, **values)


async def sent(request: web.Request) -> None:
    """
    Wait until everything that was written to the request's connection has been passed to the kernel.

    Raises:
        ConnectionResetError: the client has disconnected.
    """
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.set_write_buffer_limits(high=0)
        await request.writer.drain()


def release(request: web.Request, stream: Stream) -> tuple[asyncio.Transport, bytes]:
    """Give the connection of a request to a viewer, as `Connection.release` does."""
    return cast("Connection", request.protocol).release(stream)


def stay(request: web.Request) -> None:
    """Leave the WebSocket that a request opens to aiohttp."""
    cast("Connection", request.protocol).stays = True
