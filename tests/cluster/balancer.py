"""A small load balancer on TCP: each new connection goes to the next node that is ready."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Self

import aiohttp
from yarl import URL

CHECK_S = 0.5
CHUNK_BYTES = 64 * 1024


class Balancer:
    """Listen on a loopback port during the `async with` block."""

    def __init__(self, port: int, nodes: Sequence[str]) -> None:
        """
        Args:
            port: the port to listen on; 0 picks a free one.
            nodes: the URLs of the nodes, `http://127.0.0.1:PORT`.
        """
        self._port = port
        self._nodes = [URL(node) for node in nodes]
        self._ready: set[int] = set()
        self._turns = count()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        await self._check()
        self._checks = asyncio.create_task(self._check_repeatedly())
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in (self._checks, *self._connections):
            task.cancel()
        await asyncio.gather(self._checks, *self._connections, return_exceptions=True)
        await self._session.close()

    async def _check_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            await self._check()

    async def _check(self) -> None:
        answers = await asyncio.gather(*map(self._is_ready, self._nodes))
        self._ready = {number for number, is_ready in enumerate(answers) if is_ready}

    async def _is_ready(self, node: URL) -> bool:
        try:
            async with self._session.get(node / "readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams = await self._connect()
        if streams is None:
            writer.transport.abort()
            return
        node_reader, node_writer = streams
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, node_writer))
                group.create_task(_copy(node_reader, writer))
        except* OSError:
            pass  # one end is closed, and the other is closed below
        finally:
            writer.transport.abort()
            node_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next ready node that accepts; return None if none does."""
        turn = next(self._turns)
        for number in (*range(turn, turn + len(self._nodes)),):
            node = number % len(self._nodes)
            if node in self._ready:
                with suppress(OSError):
                    return await asyncio.open_connection("127.0.0.1", self._nodes[node].port)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until the end of one direction, and end the other side's then."""
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
