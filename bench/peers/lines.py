"""What the peers in Python share: lines come in on the port after the viewers'."""

import asyncio
from collections.abc import Callable


async def read_lines(port: int, broadcast: Callable[[bytes], object]) -> asyncio.Server:
    """Listen for the process that sends lines, and broadcast each of them."""

    async def feed(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            answer = broadcast(line[:-1])
            if asyncio.iscoroutine(answer):
                await answer

    return await asyncio.start_server(feed, "127.0.0.1", port + 1)
