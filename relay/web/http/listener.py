"""
Listen for connections within the limits on their number.

A connection beyond a limit is closed without a response. A browser's EventSource reconnects after that, whereas a
problem response would make it give up (https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from relay import log
from relay.backoff import Bucket
from relay.config import Config
from relay.web.http.acceptor import Acceptor, bind, prepare
from relay.web.http.connection import Connection
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.connection_gate import LOG_LINES_PER_S, Gate
from relay.web.http.context import Context
from relay.web.http.file_descriptors import Descriptors

API_CONNECTIONS = 1000
"""Connections in addition to those of viewers: for API calls, and for viewers that are disconnecting."""

ADDRESS_FACTOR = 2
"""Connections per client address, as a multiple of its viewers: a page makes API calls in addition to its stream."""

_log = log.get("web")


def connection_limit(config: Config, descriptors: Descriptors) -> int:
    """Return the limit on connections: the configured one, or a lower one if descriptors do not suffice."""
    wanted, possible = config.connection_limit + API_CONNECTIONS, descriptors.for_connections
    if possible < wanted:
        _log.warning("connections.limited", limit=possible, configured=wanted, hint="raise `ulimit -n`")
    return min(wanted, possible)


def make_gate(config: Config) -> Gate:
    """Raise the descriptor limit of the process, and return the gate for its connections."""
    wanted = config.connection_limit + API_CONNECTIONS
    descriptors = Descriptors.raise_limit(wanted)
    counts = ConnectionCounts(connection_limit(config, descriptors), ADDRESS_FACTOR * config.address_limit)
    return Gate(counts, wanted, descriptors, asyncio.get_running_loop().time)


@dataclass(frozen=True, slots=True)
class Listener:
    """Listening sockets whose connections are accepted."""

    host: str
    port: int
    kept: bool
    """Whether another process keeps the sockets open. Clients can then connect while no relay accepts."""
    acceptors: Sequence[Acceptor]

    @property
    def url(self) -> str:
        """Return the URL of the first address."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self) -> None:
        """Accept no more connections. Idempotent."""
        for acceptor in self.acceptors:
            acceptor.close()


@asynccontextmanager
async def listening(
    parts: Context, server: web.Server, inherited: Sequence[socket.socket] = ()
) -> AsyncIterator[Listener]:
    """
    Accept connections for `server` while the block runs.

    Args:
        parts: what the connections need.
        server: aiohttp's server.
        inherited: listening sockets that another process keeps open. Empty: listen on the configured address.

    Raises:
        OSError: the address is not available.
    """
    clock = asyncio.get_running_loop().time
    failures = Bucket(1, LOG_LINES_PER_S, clock())

    def log_error(error: OSError) -> None:
        parts.counts.accepts_failed += 1
        if not failures.take(clock()):
            _log.error("connections.accept_failed", error=str(error))

    make = partial(Connection, server, parts)
    async with AsyncExitStack() as stack:
        config = parts.config
        sockets = inherited or await bind(config.host, config.port)
        address: tuple[str, int] = sockets[0].getsockname()[:2]
        acceptors = []
        for sock in sockets:
            prepare(sock)
            acceptors.append(Acceptor(sock, make, log_error))
            stack.callback(acceptors[-1].close)
        host = address[0] if inherited else config.host
        yield Listener(host=host, port=address[1], kept=bool(inherited), acceptors=acceptors)
