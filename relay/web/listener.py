"""
The listening socket, and what a connection has to keep to before anything is known of it: how many there may be, how
long one may be silent, and that it speaks HTTP.

Whoever is one too many is cut off without an answer: to a browser's EventSource that means to come back, and a problem
would mean never to.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay import log
from relay.config import Config
from relay.errors import Code
from relay.web.crowd import Crowd, counted_as
from relay.web.origins import ALWAYS
from relay.web.problems import Problem, answer
from relay.web.transport import PEER_GONE_MS

OTHERS = 1000
"""How many connections there may be besides the viewers': calls, and viewers on their way out."""

OTHERS_OF_ONE = 2
"""How many times as many connections as viewers one address may have: a page has calls beside its stream."""

RESERVED_SHARE = 4
RESERVED = 1000
"""Of the files that the process may open, so many at most, or one in four, are for the journal and the upstream."""

BACKLOG = 1024
"""How many may wait to be accepted: after a restart all viewers come at once, and who is dropped waits a second."""

_log = log.get("web")


class Connection(web.RequestHandler):
    """One connection: aiohttp's, if there is room for it."""

    __slots__ = ("_crowd", "_entered", "_exempt", "_who")

    def __init__(self, server: web.Server, crowd: Crowd, exempt: tuple[str, ...], idle_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # as in aiohttp's own runner: null is none
            keepalive_timeout=idle_s,
        )
        self._crowd = crowd
        self._exempt = exempt
        self._who: str | None = None
        self._entered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._who = counted_as(peer[0], self._exempt) if peer else None
        self._entered = self._crowd.enter(self._who)
        if self._entered:
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._entered:
            self._crowd.leave(self._who)
            super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP with a problem, too. aiohttp would quote it in the log, with the secrets in it."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        _log.debug("request.malformed", error=type(exc).__name__)
        if request.writer.output_size:
            raise ConnectionError("an answer is under way: a second one would be read as more of it")
        detail = "The request cannot be read: it is no HTTP, or its head is too large."
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


def room(config: Config) -> int:
    """Return how many connections there may be, as far as the process may open files; it is let open more if it can."""
    wanted = config.connection_limit + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted + RESERVED:
        soft = min(wanted + RESERVED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    possible = soft - min(RESERVED, soft // RESERVED_SHARE)
    if possible < wanted:
        _log.warning("connections.limited", possible=possible, wanted=wanted, reason="the process may open few files")
    return min(wanted, possible)


@asynccontextmanager
async def listening(config: Config, server: web.Server) -> AsyncIterator[int]:
    """
    Listen, and have `server` answer; gives the port. On leaving nobody is let in any longer.

    Raises:
        OSError: the address cannot be had.
    """
    crowd = Crowd(room(config), OTHERS_OF_ONE * config.address_limit)

    def connection() -> Connection:
        return Connection(server, crowd, config.trusted_proxies, config.idle_s)

    listener = await asyncio.get_running_loop().create_server(
        connection, config.host, config.port, reuse_address=True, backlog=BACKLOG
    )
    try:
        for sock in listener.sockets:
            if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
                # Every connection has it from here: a peer that has vanished, or takes nothing, is cut off.
                sock.setsockopt(socket.IPPROTO_TCP, option, PEER_GONE_MS)
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
