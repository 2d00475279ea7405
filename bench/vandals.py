"""
Clients that send garbage, again and again: `python -m bench.vandals PORT PATH TOKEN`, until it is killed.

Bounded in what it does a second, so that it is the relay's answer to it that is measured and not this machine's limit.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle

from bench.viewers import websocket

AT_ONCE = 100
PATIENCE_S = 0.5
VISITS_PER_S = 200


def garbage(path: str, token: str) -> Iterator[bytes]:
    """Yield what is sent on one connection after another, for ever."""
    handshake = websocket(path, token)
    frames = (
        os.urandom(4096),
        b"\x81\x05hello" * 100,  # not masked
        b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 65_535,  # longer than we take
        b"\x82\x85\0\0\0\0bytes",
        b"\x81\x82\0\0\0\0\xff\xfe",  # no UTF-8
        b"\x81\x8b\0\0\0\0" + b'{"type":[]}',
        b"\x89\x80\0\0\0\0" * 500,  # pings
        b"\x01\x81\0\0\0\0{" + b"\0\x81\0\0\0\0{" * 500,  # fragments without end
    )
    for frame in cycle((None, *frames)):
        yield os.urandom(2048) + b"\r\n\r\n" if frame is None else handshake + frame


async def visit(room: asyncio.Semaphore, port: int, sent: bytes) -> None:
    """Send it, read what is answered, and go."""
    async with room:
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(sent)
                async with asyncio.timeout(PATIENCE_S):
                    while await reader.read(65_536):
                        pass
            finally:
                writer.transport.abort()


async def main(port: int, path: str, token: str) -> None:
    room = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as visits:
        for sent in garbage(path, token):
            visits.create_task(visit(room, port, sent))
            await asyncio.sleep(random.uniform(0, 2 / VISITS_PER_S))  # noqa: S311 -- no secret


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
