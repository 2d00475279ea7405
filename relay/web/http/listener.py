"""
Listen for connections within the limits on their number.

A connection beyond a limit is closed without a response. A browser's EventSource reconnects after that, whereas a
problem response would make it give up (https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import web

from relay import log
from relay.backoff import Bucket
from relay.config import Config
from relay.web.http.acceptor import Acceptor, bind
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
    descriptors = Descriptors.raise_limit(config.connection_limit + API_CONNECTIONS)
    counts = ConnectionCounts(connection_limit(config, descriptors), ADDRESS_FACTOR * config.address_limit)
    return Gate(counts, descriptors, asyncio.get_running_loop().time)


@asynccontextmanager
async def listening(parts: Context, server: web.Server) -> AsyncIterator[int]:
    """
    Accept connections for `server` while the block runs. Yields the port.

    Raises:
        OSError: the address is not available.
    """
    clock = asyncio.get_running_loop().time
    failures = Bucket(1, LOG_LINES_PER_S, clock())

    def log_error(error: OSError) -> None:
        if not failures.take(clock()):
            _log.error("connections.accept_failed", error=str(error))

    make = partial(Connection, server, parts)
    async with AsyncExitStack() as stack:
        sockets = await bind(parts.config.host, parts.config.port)
        for sock in sockets:
            stack.callback(Acceptor(sock, make, log_error).close)
        yield int(sockets[0].getsockname()[1])
