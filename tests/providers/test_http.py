"""What is known of a call that went wrong: whether the upstream can have acted on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.providers.base import Unsent
from relay.providers.body import JsonBody
from relay.providers.http import Http

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstream(behave: Behave, *, timeout_s: float = 5.0) -> AsyncIterator[Http]:
    """Listen on loopback and treat every connection as told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**16)
    port = server.sockets[0].getsockname()[1]
    http = Http(name="Upstream", setting="URL", api_url=f"http://127.0.0.1:{port}", timeout_s=timeout_s, headers=dict)
    async with server:
        yield http
        await http.close()


async def test_a_body_whose_end_was_not_sent_was_surely_not_acted_on() -> None:
    """The connection breaks in the middle of sixteen megabytes."""

    async def break_off(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with upstream(break_off) as http:
        with pytest.raises(UpstreamUnavailable, match="before all was sent"):
            await http.send("/Run", JsonBody(b"x" * 2**24))


async def test_a_request_that_nobody_takes_was_surely_not_acted_on() -> None:
    """The upstream does not read on, until the time is over."""
    over = asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await over.wait()

    async with upstream(stand_still, timeout_s=0.5) as http:
        with pytest.raises(UpstreamUnavailable, match="did not take the request"):
            await http.send("/Run", JsonBody(b"x" * 2**24))
        over.set()


@pytest.mark.parametrize("status", [408, 502, 503])
async def test_a_refusal_in_the_middle_of_a_body_says_that_nothing_was_acted_on(status: int) -> None:
    """A proxy lost its patience: whoever stands behind it lacks the end."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        await reader.readexactly(2**16)

    async with upstream(refuse) as http:
        with pytest.raises(UpstreamUnavailable, match=f"answered HTTP {status} before all was sent|before all was"):
            await http.send("/Run", JsonBody(b"x" * 2**25))


async def test_a_caller_who_is_cancelled_in_the_middle_of_a_body_learns_that_it_was_not_acted_on() -> None:
    """Only before its end: afterwards a cancellation says nothing."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await over.wait()

    async with upstream(stand_still) as http:
        for size_bytes, unsent in ((2**25, True), (10, False)):
            begun.clear()
            sending = asyncio.create_task(http.send("/Run", JsonBody(b"x" * size_bytes)))
            await begun.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await sending
            assert isinstance(caught.value, Unsent) is unsent
        over.set()


async def test_a_body_that_is_not_wanted_any_more_is_broken_off() -> None:
    """Before its end; the end itself is never withheld once it is on its way."""
    wanted = iter([True, True, False])

    async def read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream(read) as http:
        with pytest.raises(UpstreamUnavailable, match="broken off before all"):
            await http.send("/Run", JsonBody(b"x" * 2**20), wanted=lambda: next(wanted))


async def test_a_whole_body_without_an_answer_is_unclear() -> None:
    """It may have been acted on."""

    async def read_and_leave(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2**20)

    async with upstream(read_and_leave) as http:
        with pytest.raises(UpstreamUnclear, match="broke before its answer"):
            await http.send("/Run", JsonBody(b"x" * 2**20))
