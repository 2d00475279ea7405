"""A proxy in front of PostgreSQL that loses answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from relay.clock import uptime_s


class Proxy:
    """Forwards connections. What it does to an answer is decided when the answer arrives, after the commit."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self.asked = asyncio.Event()
        """Set when a client sends something."""
        self.connections = 0
        """How many connections there were. A request to cancel a statement is one."""
        self.lost: list[float] = []
        """When answers were lost, as `uptime_s` counts."""
        self.cuts = 0
        """How many answers to lose with their connection."""
        self.swallows = 0
        """How many answers to lose on connections that stay open."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until an end closes it."""
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        forward = asyncio.create_task(self._copy(reader, far_writer))
        try:
            await self._answer(far_reader, writer)
        finally:
            forward.cancel()
            for each in (writer, far_writer):
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            self.asked.set()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        swallowing = False
        while data := await reader.read(65536):
            if self.cuts:
                self.cuts -= 1
                self.lost.append(uptime_s())
                return
            if self.swallows:
                self.swallows -= 1
                self.lost.append(uptime_s())
                swallowing = True
            if not swallowing:
                writer.write(data)


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy in front of a database during the block; yield it and the address to use."""
    parts = urlsplit(dsn)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield proxy, parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
