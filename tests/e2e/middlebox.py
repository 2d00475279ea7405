"""A proxy between a page and its relay that can block, delay or buffer each transport."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL

from relay.app import Running


class Middlebox:
    """Forward requests to a relay, one per connection, except where a test says otherwise."""

    def __init__(self, relay: Running) -> None:
        self.relay = URL(relay.url)
        self.url = ""
        self.refused: set[str] = set()
        """The transports whose requests are closed without an answer: `ws`, `sse`, `poll`."""
        self.swallowed: set[str] = set()
        """The transports whose requests are never answered while the connection stays open."""
        self.collected: set[str] = set()
        """The transports whose answers are buffered and forwarded when complete."""
        self.prefix = b""
        """A base path that is removed from each request before it is forwarded."""
        self.answer = b""
        """An answer to every event stream request instead of the relay's; empty forwards."""
        self.requests: Counter[str] = Counter()
        """The number of requests per transport."""
        self.open_streams = 0
        self._busy: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen on a free port of the loopback interface; `url` is its address."""
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
                await self._forward(reader, writer)
        finally:
            self._busy.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
                # A page that disconnects is disconnected from the relay, too.
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
    """Return the transport that a request is for, or an empty string for any other request."""
    lowered = head.lower()
    if b"\r\nupgrade: websocket" in lowered:
        return "ws"
    if b"\r\naccept: text/event-stream" in lowered:
        return "sse"
    return "poll" if b" /v1/events" in lowered.partition(b"\r\n")[0] else ""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward data until the end of the stream."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
