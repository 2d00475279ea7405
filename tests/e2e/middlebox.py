"""A proxy that stands between a page and its relay, and lets through what it likes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL

from relay.app import Running


class Middlebox:
    """A proxy in front of a relay that has its own mind about what may pass. Every connection carries one request."""

    def __init__(self, relay: Running) -> None:
        self.relay = URL(relay.url)
        self.url = ""
        self.refused: set[str] = set()
        """The wires whose requests are cut off: `ws`, `sse`, `poll`."""
        self.swallowed: set[str] = set()
        """The wires whose answers are held back: the connection stands, and nothing comes."""
        self.collected: set[str] = set()
        """The wires whose answers are passed on when they are complete, and not before."""
        self.prefix = b""
        """A path in front of all others, which is taken away before a request is passed on."""
        self.answer = b""
        """An answer that is given in the place of the relay's to each request for a stream."""
        self.requests: Counter[str] = Counter()
        """How many requests came for each wire."""
        self.open_streams = 0
        self._busy: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._pass(reader, writer)
        finally:
            self._busy.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        head = head.replace(b" " + self.prefix + b"/", b" /", 1)
        wire = wire_of(head)
        self.requests[wire] += 1
        if wire in self.refused:
            return
        if wire == "sse" and self.answer:
            writer.write(self.answer)
            return
        if wire in self.swallowed:
            await reader.read()
            return
        if wire != "ws":
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
        self.open_streams += wire == "sse"
        theirs, ours = await asyncio.open_connection(self.relay.host, self.relay.port)
        ours.write(head)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(pump(reader, ours))
                # Who asks and leaves again has hung up there, too.
                up.add_done_callback(lambda _: ours.close())
                if wire in self.collected:
                    writer.write(await theirs.read())
                else:
                    await pump(theirs, writer)
                up.cancel()
        finally:
            self.open_streams -= wire == "sse"
            ours.close()


def wire_of(head: bytes) -> str:
    """Return which wire a request is for; empty for any other request."""
    said = head.lower()
    if b"\r\nupgrade: websocket" in said:
        return "ws"
    if b"\r\naccept: text/event-stream" in said:
        return "sse"
    return "poll" if b" /v1/events" in said.partition(b"\r\n")[0] else ""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until nothing does."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
