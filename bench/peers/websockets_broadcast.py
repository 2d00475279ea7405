"""The `websockets` library with its own `broadcast`: `python -m bench.peers.websockets_broadcast PORT`."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.lines import read_lines


async def main(port: int) -> None:
    viewers: set[ServerConnection] = set()

    async def watch(connection: ServerConnection) -> None:
        viewers.add(connection)
        await connection.wait_closed()
        viewers.discard(connection)

    await read_lines(port, lambda line: broadcast(viewers, line.decode()))
    async with serve(watch, "127.0.0.1", port, compression=None, ping_interval=None, backlog=1024):
        await asyncio.get_running_loop().create_future()


asyncio.run(main(int(sys.argv[1])))
