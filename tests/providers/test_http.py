"""What is known of a call that went wrong: whether the upstream can have acted on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.providers.base import Attempt
from relay.providers.http import HttpClient
from relay.providers.request_body import JsonBody

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstream(behave: Behave, *, timeout_s: float = 5.0) -> AsyncIterator[HttpClient]:
    """Listen on loopback and treat every connection as told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**16)
    port = server.sockets[0].getsockname()[1]
    http = HttpClient(
        name="Upstream", setting="URL", api_url=f"http://127.0.0.1:{port}", timeout_s=timeout_s, headers=dict
    )
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


async def test_a_caller_that_is_cancelled_learns_whether_the_request_was_complete() -> None:
    """If it was not, the upstream cannot have acted on it."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await over.wait()

    async with upstream(stand_still) as http:
        for size_bytes, complete in ((2**25, False), (10, True)):
            begun.clear()
            attempt = Attempt()
            sending = asyncio.create_task(http.send("/Run", JsonBody(b"x" * size_bytes), attempt))
            await begun.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert attempt.complete is complete
        over.set()


async def test_a_canceled_attempt_stops_before_the_last_byte() -> None:
    """Nothing was started."""
    attempt = Attempt()

    async def read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        attempt.canceled = True
        await reader.read()

    async with upstream(read) as http:
        with pytest.raises(UpstreamUnavailable, match="canceled before all"):
            await http.send("/Run", JsonBody(b"x" * 2**25), attempt)
    assert not attempt.complete


async def test_a_whole_body_without_an_answer_is_unclear() -> None:
    """It may have been acted on."""

    async def read_and_leave(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2**20)

    async with upstream(read_and_leave) as http:
        with pytest.raises(UpstreamUnclear, match="broke before its answer"):
            await http.send("/Run", JsonBody(b"x" * 2**20))


class TestMoments:
    """An answer says between which two moments it was written, and when it claims to have been."""

    async def test_an_answer_was_written_between_its_two_moments(self) -> None:
        """The request has left, however large it is, and the headers have not arrived."""
        wrote_at: list[float] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await reader.readexactly(2**20)
            wrote_at.append(time.time())
            writer.write(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()

        async with upstream(answer) as http:
            called = await http.call("GET", "/Task")
            sent = await http.send("/Run", JsonBody(b"x" * 2**20))

        for answered, written in zip((called, sent), wrote_at, strict=True):
            assert answered.sent_at is not None
            assert answered.answered_at is not None
            assert answered.sent_at <= written <= answered.answered_at
            assert answered.dated_at == 784_111_777.0

    async def test_a_wait_for_a_connection_is_not_part_of_the_call(self) -> None:
        """A proxy or a full pool may keep a call for seconds: that says nothing about the platform's clock."""
        entered, let_go = asyncio.Event(), asyncio.Event()
        answered_at: list[float] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            entered.set()
            await let_go.wait()
            answered_at.append(time.time())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()

        async with upstream(answer) as http:
            calls = [asyncio.create_task(http.call("GET", "/Task")) for _ in range(101)]  # the pool has 100 places
            await entered.wait()
            let_go.set()
            answers = await asyncio.gather(*calls)

        waited = [each for each in answers if each.sent_at is not None and each.sent_at >= answered_at[0]]
        assert waited, "the call that waited for a place left only when a place was free"

    @pytest.mark.parametrize("date", ["", "Date: soon\r\n", "Date: Sun, 06 Nov 99999 08:49:37 GMT\r\n"])
    async def test_a_date_that_is_none_is_null(self, date: str) -> None:
        """No header, and one that cannot be read."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n{}" % date.encode())
            await writer.drain()

        async with upstream(answer) as http:
            assert (await http.call("GET", "/Task")).dated_at is None

    async def test_a_date_to_come_back_at_is_compared_with_the_date_of_the_answer(self) -> None:
        """Both are the clock of whoever wrote them, which may be years off from ours."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                b"Retry-After: Sun, 06 Nov 1994 08:49:49 GMT\r\nContent-Length: 2\r\n\r\n{}"
            )
            await writer.drain()

        async with upstream(answer) as http:
            assert (await http.call("GET", "/Task")).retry_after_s == 12.0
