"""picows, the fastest WebSocket server for asyncio: `python -m bench.peers.picows_send PORT`."""

import asyncio
import sys

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench.peers.lines import read_lines

viewers: set[WSTransport] = set()


class Viewer(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        viewers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        viewers.discard(transport)


def broadcast(line: bytes) -> None:
    for viewer in viewers:
        viewer.send(WSMsgType.TEXT, line)


def welcome(_request: WSUpgradeRequest) -> WSListener:
    return Viewer()


async def main(port: int) -> None:
    await read_lines(port, broadcast)
    server = await ws_create_server(welcome, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
