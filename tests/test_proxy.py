"""The proxy that fails on request: forwarding, and its failures."""

import asyncio
import gc
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.proxy import CHUNK_BYTES, Proxy

CERTIFICATES = Path(__file__).parent / "certificates"


@asynccontextmanager
async def echoing() -> AsyncIterator[Proxy]:
    """Start a proxy in front of an echo server."""

    handlers = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        with suppress(OSError):
            while data := await reader.read(1000):
                writer.write(data)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        async with Proxy(0, server.sockets[0].getsockname()[1]) as proxy:
            yield proxy
        await asyncio.gather(*filter(None, handlers))


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def echoed_elsewhere() -> bytes:
    """Wait as long as an echo takes, by sending a message through another proxy."""
    async with echoing() as other, connected(other) as (reader, writer):
        writer.write(b"b")
        return await reader.read(1)


async def test_data_and_the_end_of_a_stream_are_forwarded() -> None:
    """Data and the end of the stream arrive in both directions."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello"


async def test_the_end_of_a_stream_closes_a_connection_with_tls() -> None:
    """asyncio cannot end one direction of TLS only, and reports the attempt as an error of the task."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context["message"]))

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATES / "platform.pem")
    trust = ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")
    async with (
        await asyncio.start_server(greet, "127.0.0.1", 0) as server,
        Proxy(0, server.sockets[0].getsockname()[1], tls) as proxy,
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", proxy.port, ssl=trust, server_hostname="api.wiro.test"
        )
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
    gc.collect()
    assert errors == []


async def test_a_cut_resets_every_connection_but_not_later_ones() -> None:
    """The client's connection is reset, and it can connect again."""
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


async def test_a_hanging_proxy_forwards_afterwards() -> None:
    """Data sent meanwhile is delivered afterwards."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        with proxy.hanging():
            writer.write(b"late")
            answer = asyncio.create_task(reader.readexactly(4))
            assert await echoed_elsewhere() == b"b"
            assert not answer.done()
        assert await answer == b"late"


async def test_stranded_connections_stay_open_and_forward_nothing() -> None:
    """New ones work."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        writer.write(b"a")
        assert await reader.read(1) == b"a"
        proxy.strand()
        writer.write(b"lost")
        answer = asyncio.create_task(reader.read(4))
        async with connected(proxy) as (other_reader, other_writer):
            other_writer.write(b"b")
            assert await other_reader.read(1) == b"b"
        assert not answer.done()
        proxy.cut()
        with suppress(ConnectionResetError):
            assert await answer == b""


async def test_a_refusing_proxy_closes_new_connections() -> None:
    """New connections are closed at once."""
    async with echoing() as proxy:
        with proxy.refusing():
            async with connected(proxy) as (reader, _):
                with suppress(ConnectionResetError):
                    assert await reader.read(1) == b""


async def test_delayed_data_arrives_in_order_and_not_before_its_time() -> None:
    """Data in each direction is on its way for the delay, however much follows it."""
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        proxy.delay_s = 0.05
        sent = random.Random(1).randbytes(10 * CHUNK_BYTES)
        started = asyncio.get_running_loop().time()
        writer.write(sent)
        writer.write_eof()
        received = await reader.readexactly(1)
        assert asyncio.get_running_loop().time() - started >= 2 * proxy.delay_s
        assert received + await reader.read() == sent
