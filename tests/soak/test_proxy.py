"""The proxy of the soak: it forwards, and it fails in the ways that it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.soak.proxy import Proxy


@asynccontextmanager
async def echoing() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(0, server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def echoed_elsewhere() -> bytes:
    """Have a message echoed by way of another proxy: so long would any echo have taken."""
    async with echoing() as other, connected(other) as (reader, writer):
        writer.write(b"b")
        return await reader.read(1)


async def test_bytes_and_the_end_of_a_stream_go_both_ways() -> None:
    """Who sends a message and ends the stream gets the message and the end back."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello"


async def test_a_cut_aborts_every_connection_and_the_next_is_served() -> None:
    """The client sees its connection reset, and may come back."""
    async with echoing() as proxy:
        async with connected(proxy) as (reader, writer):
            writer.write(b"a")
            assert await reader.read(1) == b"a"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        async with connected(proxy) as (reader, writer):
            writer.write(b"b")
            assert await reader.read(1) == b"b"


async def test_while_it_hangs_nothing_comes_and_then_everything() -> None:
    """What was sent meanwhile is not lost."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with proxy.hanging():
            writer.write(b"late")
            answer = asyncio.create_task(reader.readexactly(4))
            assert await echoed_elsewhere() == b"b"
            assert not answer.done()
        assert await answer == b"late"


async def test_while_it_refuses_a_connection_ends_at_once() -> None:
    """As if nobody listened."""
    async with echoing() as proxy:
        with proxy.refusing():
            async with connected(proxy) as (reader, _):
                with suppress(ConnectionResetError):
                    assert await reader.read(1) == b""
