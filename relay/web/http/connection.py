"""A connection of aiohttp: admitted by the gate, limited in frames, and answered with problems if it is not HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_websocket import WebSocketReader

from relay import log
from relay.errors import Code
from relay.web.http.connection_counts import counted_address
from relay.web.http.context import Context
from relay.web.http.cors import COMMON_HEADERS
from relay.web.http.frame_limit import FrameLimit
from relay.web.http.problems import problem_response

_log = log.get("web")


class Connection(web.RequestHandler):
    """A connection of aiohttp that the gate has to admit."""

    __slots__ = ("_admitted", "_parts")

    def __init__(self, server: web.Server, parts: Context) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # None disables it, as in aiohttp's own runner
            keepalive_timeout=parts.config.idle_s,
        )
        self._parts = parts
        self._admitted = False

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
        descriptor = transport.get_extra_info("socket").fileno()
        address = counted_address(peername[0], self._parts.config.trusted_proxies) if peername else None
        self._admitted = self._parts.gate.enter(self, address, descriptor)
        if self._admitted:
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._parts.gate.leave(self)
        if self._admitted:
            super().connection_lost(exc)

    def set_parser(self, parser: WebSocketReader, data_received_cb: Callable[[], None] | None = None) -> None:
        """Put the frame limit in front of aiohttp's WebSocket reader."""
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
