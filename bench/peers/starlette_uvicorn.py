"""Starlette on uvicorn, as its documentation has it: `python -m bench.peers.starlette_uvicorn PORT`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from bench.peers.lines import read_lines

PORT = int(sys.argv[1])
viewers: set[WebSocket] = set()


async def watch(viewer: WebSocket) -> None:
    await viewer.accept()
    viewers.add(viewer)
    async for _ in viewer.iter_text():
        pass
    viewers.discard(viewer)


async def broadcast(line: bytes) -> None:
    text = line.decode()
    for viewer in list(viewers):
        await viewer.send_text(text)


@asynccontextmanager
async def fed(_app: Starlette) -> AsyncIterator[None]:
    async with await read_lines(PORT, broadcast):
        yield


app = Starlette(routes=[WebSocketRoute("/", watch)], lifespan=fed)
server = uvicorn.Server(
    uvicorn.Config(
        app, port=PORT, log_level="error", loop="uvloop", http="httptools",
        ws_ping_interval=None, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
    )
)  # fmt: skip
with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
    runner.run(server.serve())
