"""
A TCP proxy that makes the loopback interface as slow as a long line.

It simulates the round trip of the handshake, the delay of each direction, and slow start from 10 segments
(https://www.rfc-editor.org/rfc/rfc6928). It loses nothing and has no limit of bandwidth.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SEGMENT_BYTES = 1460
FIRST_WINDOW_BYTES = 10 * SEGMENT_BYTES
CHUNK_BYTES = 4 * SEGMENT_BYTES


class SlowLink:
    """A port that leads to another one with a round-trip time. `received_bytes` counts what reached the clients."""

    def __init__(self, target_port: int, rtt_s: float) -> None:
        self.port = 0
        self.received_bytes = 0
        self._target_port = target_port
        self._rtt_s = rtt_s
        self._busy: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen on a free port during the block."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        opened = asyncio.get_running_loop().time() + self._rtt_s  # the client has sent its request too early by this
        try:
            await asyncio.gather(
                self._carry(reader, there_writer, opened), self._carry(there_reader, writer, opened, counts=True)
            )
        except OSError:
            pass  # either side has disconnected
        finally:
            writer.close()
            there_writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: float, *, counts: bool = False
    ) -> None:
        """Forward one direction; the window doubles with each round trip in which it was used up."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        clock = asyncio.get_running_loop().time

        async def send() -> None:
            while chunk := await reader.read(CHUNK_BYTES):
                under_way.put_nowait((max(clock(), opened), chunk))
            under_way.put_nowait((clock(), b""))

        sending = asyncio.ensure_future(send())
        window, used, round_ends = FIRST_WINDOW_BYTES, 0, 0.0
        try:
            while True:
                sent_at, chunk = await under_way.get()
                if sent_at > round_ends:
                    used, round_ends = 0, sent_at + self._rtt_s
                elif used + len(chunk) > window:
                    sent_at = round_ends
                    window, used, round_ends = 2 * window, 0, round_ends + self._rtt_s
                used += len(chunk)
                await asyncio.sleep(sent_at + self._rtt_s / 2 - clock())
                if not chunk:
                    writer.write_eof()
                    return
                if counts:
                    self.received_bytes += len(chunk)
                writer.write(chunk)
        finally:
            sending.cancel()
