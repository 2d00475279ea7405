"""Thousands of viewers in one process: each follows the cursors of one task's event stream, and folds nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

from yarl import URL

from tests.cluster.watching import until
from tests.conftest import API_KEY

AT_ONCE = 50
"""How many of them connect at the same time."""

CHUNK_BYTES = 64 * 1024


@dataclass(slots=True, kw_only=True)
class LightViewer:
    """A viewer that reconnects with its cursor until it has received the end of its task."""

    base: URL
    task: str
    connecting: asyncio.Semaphore
    seq: int = 0
    """The last event or snapshot received."""
    cursor: str = ""
    snapshots: int = 0
    losses: int = 0
    ended: bool = False

    async def watch(self) -> None:
        """Watch until the task has ended; raise AssertionError on a gap."""
        random = Random(id(self))
        while not self.ended:
            with suppress(OSError, EOFError):
                await self._watch_once()
            if not self.ended:
                self.losses += 1
                await asyncio.sleep(random.uniform(0.05, 0.5))

    async def _watch_once(self) -> None:
        """Read one event stream to its end. HTTP/1.0 has no chunks, so the body is the stream itself."""
        async with self.connecting:
            reader, writer = await asyncio.open_connection(self.base.host, self.base.port, limit=2**20)
            try:
                resume = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
                head = f"Host: relay\r\nAuthorization: Bearer {API_KEY}\r\nAccept: text/event-stream\r\n{resume}"
                writer.write(f"GET /v1/tasks/{self.task}/events HTTP/1.0\r\n{head}\r\n".encode())
                status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            except BaseException:
                writer.transport.abort()
                raise
        try:
            if status == b"503":
                return
            assert status == b"200", f"task {self.task} was answered {status!r}"
            while not self.ended:
                self._receive(await reader.readuntil(b"\n\n"))
        finally:
            writer.transport.abort()

    def _receive(self, message: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in message.splitlines() if b": " in line)
        if b"id" not in fields:
            return
        cursor, data = fields[b"id"].decode(), fields[b"data"]
        seq = int(cursor.rpartition(":")[2])
        if data.startswith(b'{"type":"snapshot"'):
            self.snapshots += 1
        else:
            assert seq == self.seq + 1, f"task {self.task}: seq {seq} came after {self.seq}"
        self.seq, self.cursor = seq, cursor
        self.ended = data.startswith(b'{"type":"done"')


@asynccontextmanager
async def light_viewers(url: str, tasks: Sequence[str], count: int) -> AsyncIterator[list[LightViewer]]:
    """Let viewers watch some tasks in turns during the block, which begins when all have a state."""
    connecting = asyncio.Semaphore(AT_ONCE)
    base = URL(url)
    viewers = [
        LightViewer(base=base, task=tasks[number % len(tasks)], connecting=connecting) for number in range(count)
    ]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(viewer.watch()) for viewer in viewers]
        await until(lambda: all(viewer.seq for viewer in viewers))
        yield viewers
        for each in running:
            each.cancel()
