"""Tests for the HTTP client: whether the platform can have acted on a failed call.

The modules `outgoing` and `response`, which only the client uses, are tested here too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from relay.clock import uptime_s
from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.net.proxy import Proxy
from relay.providers.base import Attempt
from relay.providers.http import HttpClient
from relay.providers.request_body import JsonBody
from tests.egress import egress
from tests.providers.conftest import Leap

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def platform(behave: Behave, *, timeout_s: float = 5.0) -> AsyncIterator[HttpClient]:
    """Serve every connection with `behave`, and yield a client for the server."""

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


async def test_a_partly_sent_body_is_unavailable() -> None:
    """The connection breaks in the middle of a body of 16 MiB."""

    async def break_off(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with platform(break_off) as http:
        with pytest.raises(UpstreamUnavailable, match="before all was sent"):
            await http.send("/Run", JsonBody(b"x" * 2**24))


async def test_a_body_that_is_not_read_is_unavailable(leap: Leap) -> None:
    """The platform stops reading until the time limit expires. What its buffers still take extends the limit."""
    over = asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while not over.is_set():
            leap(5.0)
            await asyncio.sleep(0)

    async with platform(stand_still) as http:
        with pytest.raises(UpstreamUnavailable, match=r"did not take the request in 5 s"):
            await http.send("/Run", JsonBody(b"x" * 2**24))
        over.set()


@pytest.mark.parametrize("status", [408, 502, 503])
async def test_an_error_status_before_the_end_of_the_body_is_unavailable(status: int) -> None:
    """A proxy answered, and the platform behind it has not received the last byte."""
    over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" % status)
        await over.wait()

    async with platform(refuse) as http:
        with pytest.raises(UpstreamUnavailable, match=f"answered HTTP {status} before all was sent") as caught:
            await http.send("/Run", JsonBody(b"x" * 2**25))
        over.set()
    assert caught.value.retry_after_s == 7.0


async def test_a_refusal_before_the_end_of_the_body_is_an_answer() -> None:
    """The platform has refused the headers and does not need the rest."""
    over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
        await over.wait()

    async with platform(refuse) as http:
        assert (await http.send("/Run", JsonBody(b"x" * 2**25))).status == 413
        over.set()


async def test_a_proxy_that_refuses_to_connect_is_named_with_its_status() -> None:
    """The platform was not reached, so nothing was sent to it."""
    async with egress(refusal=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        http = HttpClient(
            name="Upstream",
            setting="URL",
            api_url="https://platform.test",
            timeout_s=5.0,
            headers=dict,
            proxy=Proxy(url=proxy.url),
        )
        for call in (http.send("/Run", JsonBody(b"{}")), http.call("POST", "/Detail", body=JsonBody(b"{}"))):
            with pytest.raises(UpstreamUnavailable, match="the proxy answered HTTP 403 to CONNECT"):
                await call
        await http.close()
    assert proxy.asked == ["CONNECT platform.test:443"] * 2


async def test_a_cancelled_caller_learns_whether_the_request_was_complete() -> None:
    """If it was not, the platform cannot have acted on it."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await over.wait()

    async with platform(stand_still) as http:
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
    """The platform cannot have started anything."""
    attempt = Attempt()

    async def read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        attempt.canceled = True
        await reader.read()

    async with platform(read) as http:
        with pytest.raises(UpstreamUnavailable, match="canceled before all"):
            await http.send("/Run", JsonBody(b"x" * 2**25), attempt)
    assert not attempt.complete


async def test_a_late_attempt_sends_nothing() -> None:
    """The time is compared once there is a connection, so a platform that is slow to accept one cannot delay a run."""
    attempt = Attempt(send_until_s=uptime_s())
    received = bytearray()

    async def read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    async with platform(read) as http:
        with pytest.raises(UpstreamUnavailable, match="too long"):
            await http.send("/Run", JsonBody(b"the run"), attempt)
    assert attempt.late
    assert not attempt.complete
    assert b"the run" not in received


async def test_an_attempt_that_has_begun_in_time_is_finished() -> None:
    """A large upload may take longer than the time within which it must begin."""
    attempt = Attempt(send_until_s=uptime_s() + 600.0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        attempt.send_until_s = uptime_s()
        await reader.readexactly(2**25)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with platform(answer) as http:
        assert (await http.send("/Run", JsonBody(b"x" * 2**25), attempt)).status == 200
    assert attempt.complete
    assert not attempt.late


async def test_a_complete_body_without_a_response_is_unclear() -> None:
    """The platform may have acted on it."""

    async def read_and_leave(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2**20)

    async with platform(read_and_leave) as http:
        with pytest.raises(UpstreamUnclear, match="broke before its answer"):
            await http.send("/Run", JsonBody(b"x" * 2**20))


class TestTimes:
    """Tests for the times of a response: when it was requested, received and dated."""

    async def test_a_response_is_written_between_its_two_times(self) -> None:
        """This holds for a body of any size: the last piece counts, and the response headers."""
        wrote_at: list[float] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await reader.readexactly(2**20)
            wrote_at.append(time.time())
            writer.write(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()

        async with platform(answer) as http:
            called = await http.call("GET", "/Task")
            sent = await http.send("/Run", JsonBody(b"x" * 2**20))

        for answered, written in zip((called, sent), wrote_at, strict=True):
            assert answered.sent_at is not None
            assert answered.answered_at is not None
            assert answered.sent_at <= written <= answered.answered_at
            assert answered.dated_at == 784_111_777.0

    async def test_a_wait_for_a_connection_is_not_part_of_the_call(self) -> None:
        """A proxy or a full pool may delay a call by seconds, which does not affect the platform's clock."""
        entered, let_go = asyncio.Event(), asyncio.Event()
        answered_at: list[float] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            entered.set()
            await let_go.wait()
            answered_at.append(time.time())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()

        async with platform(answer) as http:
            calls = [asyncio.create_task(http.call("GET", "/Task")) for _ in range(101)]  # the pool has 100 connections
            await entered.wait()
            let_go.set()
            answers = await asyncio.gather(*calls)

        waited = [each for each in answers if each.sent_at is not None and each.sent_at >= answered_at[0]]
        assert waited, "the waiting call was sent only when a connection was free"

    @pytest.mark.parametrize("date", ["", "Date: soon\r\n", "Date: Sun, 06 Nov 99999 08:49:37 GMT\r\n"])
    async def test_a_missing_or_malformed_date_is_null(self, date: str) -> None:
        """There is no header, or it cannot be parsed."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n{}" % date.encode())
            await writer.drain()

        async with platform(answer) as http:
            assert (await http.call("GET", "/Task")).dated_at is None

    async def test_a_retry_date_is_compared_with_the_date_of_the_response(self) -> None:
        """The same clock wrote both headers, and it may differ from the local clock by years."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                b"Retry-After: Sun, 06 Nov 1994 08:49:49 GMT\r\nContent-Length: 2\r\n\r\n{}"
            )
            await writer.drain()

        async with platform(answer) as http:
            assert (await http.call("GET", "/Task")).retry_after_s == 12.0
