"""The servers under test: the relay and its peers. Each receives lines and sends them to viewers."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bench import Bench, free_port, line
from bench.process import Process
from bench.relay_server import ROOT, relay_server
from bench.upstream import Upstream, text_frame
from bench.viewers import websocket

HERE = Path(__file__).parent
PEERS = HERE / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A server that runs."""

    process: Process
    port: int
    request: bytes
    """What a viewer asks for."""
    say: Callable[[int], object]
    """Send this number of lines to all viewers, passed to the server at once."""
    tells_state: bool = False
    """Whether a viewer is given the state before anything else."""


Contest = Callable[[Bench], AbstractAsyncContextManager[Contestant]]


@asynccontextmanager
async def relay(bench: Bench) -> AsyncIterator[Contestant]:
    """The whole way: a frame of the task's socket, the lifecycle, the journal on the disk, the hub."""
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as server:
        watched = await server.attach("token-1")
        await upstream.subscribed("token-1")
        yield Contestant(
            process=server.process,
            port=server.port,
            request=websocket(watched.socket, watched.token),
            say=lambda count: upstream.say("token-1", *[line() for _ in range(count)]),
            tells_state=True,
        )


def peer(*command: str | Path) -> Contest:
    """Return a peer that takes lines on the port after its viewers'."""

    @asynccontextmanager
    async def running(bench: Bench) -> AsyncIterator[Contestant]:
        port, folder = free_port(), bench.room("peer")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = Process(
            [*command, str(port)], core=bench.server_core, port=port, folder=folder, environment=environment
        )
        async with process, _feed(port + 1) as feed:
            events = _Events()
            yield Contestant(
                process=process,
                port=port,
                request=websocket("/"),
                say=lambda count: feed.write(b"".join([event + b"\n" for event in events.take(count)])),
            )

    return running


@asynccontextmanager
async def nchan(bench: Bench) -> AsyncIterator[Contestant]:
    """nginx with nchan, fed by its own publisher over one WebSocket."""
    port, folder = free_port(), bench.room("nchan")
    text = (PEERS / "nchan.conf").read_text(encoding="utf-8")
    for word, value in (("FOLDER", str(folder)), ("PORT", str(port)), ("FEED", str(port + 1))):
        text = text.replace(word, value)
    config = folder / "nginx.conf"
    config.write_text(text, encoding="utf-8")
    command: list[str | Path] = ["nginx", "-c", config, "-e", folder / "error.log"]
    folder.chmod(0o755)
    async with Process(command, core=bench.server_core, port=port, folder=folder) as process, _feed(port + 1) as feed:
        feed.write(websocket("/"))
        await asyncio.sleep(0.2)  # for its answer, which is drained with all that follows
        events = _Events()
        yield Contestant(
            process=process,
            port=port,
            request=websocket("/"),
            say=lambda count: feed.write(b"".join([text_frame(event, masked=True) for event in events.take(count)])),
        )


class _Events:
    """What the peers are given to send: byte for byte of the kind that the relay makes out of a line."""

    def __init__(self) -> None:
        self._seq = 0

    def take(self, count: int) -> Sequence[bytes]:
        events = []
        for _ in range(count):
            self._seq += 1
            events.append(
                b'{"type":"output","task":"t123456789012345678901","seq":%d,"state":"running","at":1734513809.123,'
                b'"source":"live","data":{"log":{"stream":"stdout","text":"%b"}}}' % (self._seq, line().encode())
            )
        return events


@asynccontextmanager
async def _feed(port: int) -> AsyncIterator[asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drain() -> None:
        while await reader.read(65_536):
            pass

    draining = asyncio.create_task(drain())
    yield writer
    draining.cancel()
    writer.close()


CONTESTANTS: dict[str, Contest] = {
    "bare C send loop": peer(HERE / "build" / "send_loop"),
    "relay": relay,
    "nginx + nchan": nchan,
    "picows": peer(sys.executable, "-m", "bench.peers.picows_send"),
    "node ws": peer("node", PEERS / "node_ws.js"),
    "websockets.broadcast": peer(sys.executable, "-m", "bench.peers.websockets_broadcast"),
    "Starlette on uvicorn": peer(sys.executable, "-m", "bench.peers.starlette_uvicorn"),
}
