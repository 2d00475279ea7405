"""
Limits on connections: their number, slow requests, malformed HTTP, and clients that vanish.

`acceptor`, `connection_gate`, `json_body`, `listener` and `tcp` are tested here too.
"""

import asyncio
import gzip
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.web.http import connection, listener
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.file_descriptors import Descriptors

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[..., AbstractAsyncContextManager[Line]]

PATIENCE_S = 60.0
"""A generous timeout: what is awaited arrives at once or never."""

IMAGE = "bytedance/text-to-image-seedream-v4"


@asynccontextmanager
async def held(relay: Running) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Start a task that does not end. Yields a client with the API key, and the task's path."""
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as client:
        body = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
        async with client.post("/v1/tasks", json=body) as answer:
            yield client, f"/v1/tasks/{(await answer.json())['task']['id']}"


async def first_of(socket: aiohttp.ClientWebSocketResponse) -> str | int:
    """Return the type of the first message, or the close code if there is none."""
    message = await socket.receive()
    return str(orjson.loads(message.data)["type"]) if message.type is aiohttp.WSMsgType.TEXT else int(message.data)


def problem_in(answer: bytes) -> Message:
    """Parse the problem in the bytes of a response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    problem: Message = orjson.loads(body)
    assert head.split(b" ")[1] == b"%d" % problem["status"]
    return problem


async def test_viewers_of_an_address_are_limited_over_both_transports(make_relay: MakeRelay) -> None:
    """A viewer beyond the limit is closed with 4004, or its stream ends. Other addresses are not affected."""
    async with make_relay(address_limit=2, trusted_proxies=("127.0.0.1",)) as relay, held(relay) as (client, task):
        mine, other = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
        stream = {"Accept": "text/event-stream"}
        async with client.ws_connect(f"{task}/ws", headers=mine) as first:
            assert await first_of(first) == "snapshot"
            async with client.get(f"{task}/events", headers=mine | stream) as second:
                await second.content.readuntil(b'"snapshot"')
                for path in (f"{task}/ws", "/v1/ws"):
                    async with client.ws_connect(path, headers=mine) as third:
                        assert await first_of(third) == 4004
                async with client.get(f"{task}/events", headers=mine | stream) as third_stream:
                    assert (third_stream.status, b"snapshot" in await third_stream.read()) == (200, False)
                async with client.ws_connect(f"{task}/ws", headers=other) as others:
                    assert await first_of(others) == "snapshot"
            await first.close()
            await condition(lambda: relay.context.viewers.total == 0)
            async with client.ws_connect(f"{task}/ws", headers=mine) as again:
                assert await first_of(again) == "snapshot"


async def test_a_forwarded_address_without_a_trusted_proxy_is_ignored(make_relay: MakeRelay) -> None:
    """A client could otherwise forge a new address for each connection."""
    async with make_relay(address_limit=1) as relay, held(relay) as (client, task):
        relay.context.viewers = Counting(10, 10)
        async with client.ws_connect(f"{task}/ws", headers={"X-Forwarded-For": "203.0.113.7"}) as socket:
            assert await first_of(socket) == "snapshot"
        assert relay.context.viewers.added == [None]  # the connection comes from loopback


class Counting(ConnectionCounts):
    """Counts that record the addresses added."""

    def __init__(self, limit: int, address_limit: int) -> None:
        super().__init__(limit, address_limit)
        self.added: list[str | None] = []

    def add(self, address: str | None) -> bool:
        self.added.append(address)
        return super().add(address)


async def test_viewers_are_limited_in_total(make_relay: MakeRelay) -> None:
    """A viewer that was closed makes room at once."""
    async with make_relay(connection_limit=1) as relay, held(relay) as (client, task):
        async with client.ws_connect(f"{task}/ws") as first:
            assert await first_of(first) == "snapshot"
            for _ in range(5):
                async with client.ws_connect(f"{task}/ws") as socket:
                    assert await first_of(socket) == 4004
        await condition(lambda: relay.context.viewers.total == 0)
        async with client.ws_connect(f"{task}/ws") as socket:
            assert await first_of(socket) == "snapshot"


async def test_connections_beyond_the_limit_are_closed(
    make_relay: MakeRelay, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those within the limit are served, and each that closes makes room for another."""
    monkeypatch.setattr(listener, "API_CONNECTIONS", 3)
    async with make_relay(connection_limit=1) as relay, AsyncExitStack() as open_lines:
        lines = [await open_lines.enter_async_context(dial(relay)) for _ in range(4)]
        for _ in range(20):
            async with dial(relay, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _):
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
        reader, writer = lines[0]
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), PATIENCE_S)).startswith(b"HTTP/1.1 200 ")
        async with aiohttp.ClientSession(relay.url) as client, client.get("/livez") as answer:
            assert answer.status == 200


async def test_connections_of_an_address_are_limited(monkeypatch: pytest.MonkeyPatch, make_relay: MakeRelay) -> None:
    """An address that is not a proxy or loopback may have twice as many connections as viewers."""
    monkeypatch.setattr(connection, "counted_address", lambda address, exempt: f"{address} of {exempt}")
    async with make_relay(address_limit=1, trusted_proxies=("10.0.0.1",)) as relay, AsyncExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(3)]
        loop, address = asyncio.get_running_loop(), urlsplit(relay.url)
        for each in sockets:
            each.setblocking(False)
            await loop.sock_connect(each, (address.hostname, address.port))
        async with asyncio.timeout(PATIENCE_S):
            assert await cut(sockets[2])
        await loop.sock_sendall(sockets[0], b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(loop.sock_recv(sockets[0], 12), PATIENCE_S)) == b"HTTP/1.1 200"


async def cut(sock: socket.socket) -> bool:
    """Return whether the relay closed the connection."""
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    except ConnectionResetError:
        return True


async def test_the_limit_is_lowered_to_what_the_system_allows(
    make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of the descriptors stays reserved for the journal and the platforms."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (64, 400))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))
    async with make_relay() as relay:
        assert asked == [(400, 400)]
        assert listener.connection_limit(relay.context.config, Descriptors(400)) == 300
        wanted = relay.context.config.connection_limit + listener.API_CONNECTIONS
        assert listener.connection_limit(relay.context.config, Descriptors(100_000)) == wanted


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /liv",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\n",
    ],
)
async def test_an_unfinished_request_times_out(make_relay: MakeRelay, dial: Dial, said: bytes) -> None:
    """The client stops at the beginning, in a line, in the headers, or in a second request."""
    async with make_relay(idle_s=0.2) as relay, dial(relay, said) as (reader, _):
        await asyncio.wait_for(reader.read(), PATIENCE_S)


async def test_headers_that_trickle_time_out(make_relay: MakeRelay, dial: Dial) -> None:
    """The timeout is for the headers as a whole, not for each byte."""
    async with make_relay(idle_s=0.3) as relay, dial(relay, b"GET /livez HTTP/1.1\r\nX: ") as (reader, writer):
        over = asyncio.create_task(reader.read())
        async with asyncio.timeout(PATIENCE_S):
            while not over.done():
                writer.write(b"x")
                await asyncio.wait([over], timeout=0.02)
        assert over.exception() is None or isinstance(over.exception(), ConnectionResetError)


@pytest.mark.parametrize("kind", ["json", "form", "file"])
async def test_a_body_that_pauses_is_a_400(make_relay: MakeRelay, dial: Dial, kind: str) -> None:
    """The message says that it was too slow, and the spool is empty."""
    path, content_type, body = {
        "json": ("/v1/tasks", "application/json", b'{"model":'),
        "form": ("/v1/tasks", "multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="task"'),
        "file": (
            "/v1/files",
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nxxx',
        ),
    }[kind]
    async with make_relay(body_silence_s=0.1) as relay:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {relay.api_key}\r\nConnection: close\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: 1000\r\n\r\n"
        )
        async with dial(relay, head.encode() + body) as (reader, _):
            answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
        problem = problem_in(answer)
        assert (problem["code"], "too slowly" in problem["detail"]) == ("invalid_request", True)


async def test_a_body_that_trickles_is_a_400(make_relay: MakeRelay, dial: Dial) -> None:
    """Each byte arrives in time, but the rate is below the minimum."""
    async with make_relay(body_silence_s=0.3) as relay:
        head = (
            f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {relay.api_key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
        )
        async with dial(relay, head.encode()) as (reader, writer):
            answer = asyncio.create_task(reader.readuntil(b"}"))
            async with asyncio.timeout(PATIENCE_S):
                while not answer.done():
                    writer.write(b" ")
                    await asyncio.wait([answer], timeout=0.02)
            assert problem_in(await answer)["code"] == "invalid_request"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"Content-Encoding: deflate\r\nContent-Length: 3\r\n\r\nxyz",
    ],
)
async def test_a_malformed_body_is_a_400(
    make_relay: MakeRelay, dial: Dial, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered and logged without a traceback."""
    start = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    async with (
        make_relay(body_silence_s=0.1) as relay,
        dial(relay, start + relay.api_key.encode() + b"\r\n" + head) as (reader, _),
    ):
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
        assert problem_in(answer)["code"] == "invalid_request"
    assert caplog.text == ""


async def test_a_compressed_body_is_limited_by_its_decompressed_size(client: aiohttp.ClientSession) -> None:
    """The limit is for what the relay holds in memory."""
    body = gzip.compress(b'{"model":"' + b" " * 10_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.post("/v1/tasks", data=body, headers=headers) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n",
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 9000),
        b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 9000),
        b"GET / HTTP/1.1\r\n%s\r\n" % (b"X: y\r\n" * 200),
    ],
    ids=["TLS", "a word", "a version", "a header", "a null", "a long path", "a long header", "many headers"],
)
async def test_malformed_http_is_answered_with_a_problem(relay: Running, dial: Dial, said: bytes) -> None:
    """It is a 400 that quotes nothing of the request, and the connection is closed."""
    async with dial(relay, said) as (reader, _):
        problem = problem_in(await asyncio.wait_for(reader.read(), PATIENCE_S))
    assert problem["code"] == "invalid_request"
    assert "xxx" not in problem["detail"]


async def test_every_connection_has_a_timeout_for_unacknowledged_data(relay: Running) -> None:
    """The kernel closes half-open connections after a minute. They inherit the option when they are accepted."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        pytest.skip("this system cannot")
    accepted: list[int] = []

    made = connection.Connection.connection_made

    def connection_made(made_for: connection.Connection, transport: asyncio.BaseTransport) -> None:
        sock = transport.get_extra_info("socket")
        accepted.append(sock.getsockopt(socket.IPPROTO_TCP, option))
        made(made_for, transport)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.Connection, "connection_made", connection_made)
        async with aiohttp.ClientSession(relay.url) as client, client.get("/livez") as answer:
            assert answer.status == 200
    assert accepted == [60_000]


async def condition(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0)
