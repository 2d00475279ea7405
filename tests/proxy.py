"""A reverse proxy on TCP that can delay data, cut or strand its connections, stop forwarding, and refuse new ones."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

CHUNK_BYTES = 64 * 1024
CHUNKS_IN_FLIGHT = 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0."""


class Proxy:
    """
    Forward bytes between its own port and another one during the `async with` block.

    Args:
        port: the loopback port to listen on; 0 selects a free one.
        target_port: the loopback port to connect to.
        tls: how the proxy speaks HTTPS; without it, it speaks HTTP.
    """

    def __init__(self, port: int, target_port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._tls = tls
        self.delay_s = 0.0
        """How long data is on its way, in each direction."""
        self._target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._connections: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def origin(self) -> str:
        """The URL for its clients."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection on both sides with an RST."""
        for writer in self._open:
            if writer.is_closing():  # its socket may already be closed
                continue
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Accept and keep connections, but forward nothing, during the block."""
        flowing = self._flowing
        flowing.clear()
        try:
            yield
        finally:
            flowing.set()

    def strand(self) -> None:
        """Keep the open connections, but forward nothing on them any more. New ones are forwarded."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Abort all connections, and new ones as soon as they are accepted, during the block."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            if self._refusing:
                return
            self._open.add(writer)
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(target_writer)
            self._open.add(target_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, target_writer))
                group.create_task(self._pump(target_reader, writer))
        except* OSError:
            pass  # one end is closed, and the other is closed below
        finally:
            for each in writers:
                self._open.discard(each)
                each.transport.abort()
            for each in writers:  # may be cancelled: all are aborted before
                with suppress(OSError):
                    await each.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction until the end of its stream, and end the other side's stream."""
        in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receive(reader, in_flight))
            group.create_task(self._deliver(in_flight, writer, self._flowing))

    async def _receive(self, reader: asyncio.StreamReader, in_flight: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Note when each piece of data is due; the last one is empty."""
        data = b" "
        while data:
            data = await reader.read(CHUNK_BYTES)
            await in_flight.put((asyncio.get_running_loop().time() + self.delay_s, data))

    async def _deliver(
        self, in_flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        while True:
            due, data = await in_flight.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await flowing.wait()
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
        else:  # asyncio cannot end one direction of TLS
            writer.close()
