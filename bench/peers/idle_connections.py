"""Accepts connections, answers a handshake, and keeps them: `python -m bench.peers.idle_connections LOOP PORT`."""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Idle(asyncio.Protocol):
    """A connection that does nothing after the handshake."""

    __slots__ = ("_transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Idle, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


(asyncio if sys.argv[1] == "asyncio" else uvloop).run(main(int(sys.argv[2])))
