"""What a connection has to keep to, whoever has it: how many there may be, how slow one may be, that it speaks HTTP."""

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
from relay.web.http import listener
from relay.web.http.connection_counts import Crowd
from relay.web.http.file_descriptors import Descriptors

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[..., AbstractAsyncContextManager[Line]]

PATIENCE_S = 60.0
"""What is awaited here comes at once, or never."""

IMAGE = "bytedance/text-to-image-seedream-v4"


@asynccontextmanager
async def held(relay: Running) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Have a task that does not end; gives a client with the key, and the task's address."""
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as client:
        body = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
        async with client.post("/v1/tasks", json=body) as answer:
            yield client, f"/v1/tasks/{(await answer.json())['task']['id']}"


async def first_of(socket: aiohttp.ClientWebSocketResponse) -> str | int:
    """Return the type of the first message, or the code of the close that came instead."""
    message = await socket.receive()
    return str(orjson.loads(message.data)["type"]) if message.type is aiohttp.WSMsgType.TEXT else int(message.data)


def problem_in(answer: bytes) -> Message:
    """Return the problem of an answer that was read raw."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    problem: Message = orjson.loads(body)
    assert head.split(b" ")[1] == b"%d" % problem["status"]
    return problem


async def test_an_address_has_so_many_viewers_over_both_wires(make_relay: MakeRelay) -> None:
    """One more is 4004, or a stream that ends cleanly; another address gets in, and so does this one when one left."""
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
            await condition(lambda: relay.context.viewers.size == 0)
            async with client.ws_connect(f"{task}/ws", headers=mine) as again:
                assert await first_of(again) == "snapshot"


async def test_an_address_that_nobody_vouches_for_counts_for_nothing(make_relay: MakeRelay) -> None:
    """Without a trusted proxy the header is the client's invention: a new one each time is still one address."""
    async with make_relay(address_limit=1) as relay, held(relay) as (client, task):
        relay.context.viewers = Counting(10, 10)
        async with client.ws_connect(f"{task}/ws", headers={"X-Forwarded-For": "203.0.113.7"}) as socket:
            assert await first_of(socket) == "snapshot"
        assert relay.context.viewers.asked == [None]  # loopback, as whom it came


class Counting(Crowd):
    """A crowd that remembers who asked."""

    def __init__(self, limit: int, limit_of_one: int) -> None:
        super().__init__(limit, limit_of_one)
        self.asked: list[str | None] = []

    def enter(self, who: str | None) -> bool:
        self.asked.append(who)
        return super().enter(who)


async def test_the_relay_has_so_many_viewers(make_relay: MakeRelay) -> None:
    """Viewers are counted as long as they watch and not as long as they leave."""
    async with make_relay(connection_limit=1) as relay, held(relay) as (client, task):
        async with client.ws_connect(f"{task}/ws") as first:
            assert await first_of(first) == "snapshot"
            for _ in range(5):
                async with client.ws_connect(f"{task}/ws") as socket:
                    assert await first_of(socket) == 4004
        await condition(lambda: relay.context.viewers.size == 0)
        async with client.ws_connect(f"{task}/ws") as socket:
            assert await first_of(socket) == "snapshot"


async def test_connections_beyond_the_limit_are_cut_off_and_those_within_are_served(
    make_relay: MakeRelay, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost nothing but their closing, and when one has left there is room for the next."""
    monkeypatch.setattr(listener, "OTHERS", 3)
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


async def test_an_address_has_so_many_connections(monkeypatch: pytest.MonkeyPatch, make_relay: MakeRelay) -> None:
    """Who is no proxy and no part of this machine may have twice as many connections as viewers."""
    monkeypatch.setattr(listener, "counted_as", lambda address, exempt: f"{address} of {exempt}")
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
    """Return whether the peer closed it, however it did."""
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    except ConnectionResetError:
        return True


async def test_a_limit_that_the_system_does_not_allow_is_lowered(
    make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are for the journal and the upstream, too: what is left of them is for connections."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (64, 400))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))
    async with make_relay() as relay:
        assert asked == [(400, 400)]
        assert listener.room(relay.context.config, Descriptors(400)) == 300
        wanted = relay.context.config.connection_limit + listener.OTHERS
        assert listener.room(relay.context.config, Descriptors(100_000)) == wanted


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /liv",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\n",
    ],
)
async def test_who_does_not_finish_a_request_is_cut_off(make_relay: MakeRelay, dial: Dial, said: bytes) -> None:
    """Silent from the beginning, in the middle of a line, of the head, or of the second request."""
    async with make_relay(idle_s=0.2) as relay, dial(relay, said) as (reader, _):
        await asyncio.wait_for(reader.read(), PATIENCE_S)


async def test_who_sends_a_head_byte_by_byte_is_cut_off(make_relay: MakeRelay, dial: Dial) -> None:
    """Each byte is in time, and the head never ends: what counts is the whole of it."""
    async with make_relay(idle_s=0.3) as relay, dial(relay, b"GET /livez HTTP/1.1\r\nX: ") as (reader, writer):
        over = asyncio.create_task(reader.read())
        async with asyncio.timeout(PATIENCE_S):
            while not over.done():
                writer.write(b"x")
                await asyncio.wait([over], timeout=0.02)
        assert over.exception() is None or isinstance(over.exception(), ConnectionResetError)


@pytest.mark.parametrize("kind", ["json", "form", "file"])
async def test_a_body_that_does_not_go_on_is_a_400(make_relay: MakeRelay, dial: Dial, kind: str) -> None:
    """The answer says so, and no place is kept for the rest."""
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
    """Each byte is in time; the whole would take hours."""
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
async def test_a_body_that_is_framed_wrongly_is_a_400(
    make_relay: MakeRelay, dial: Dial, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the sender's fault and no fault of ours: it is answered, and leaves no traceback in the log."""
    start = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    async with (
        make_relay(body_silence_s=0.1) as relay,
        dial(relay, start + relay.api_key.encode() + b"\r\n" + head) as (reader, _),
    ):
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
        assert problem_in(answer)["code"] == "invalid_request"
    assert caplog.text == ""


async def test_a_small_body_that_unpacks_to_a_large_one_is_a_413(client: aiohttp.ClientSession) -> None:
    """What counts is what we would hold."""
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
async def test_what_is_no_http_is_answered_with_a_problem(relay: Running, dial: Dial, said: bytes) -> None:
    """400 as for everything else that is malformed; the answer repeats nothing of it, and the connection ends."""
    async with dial(relay, said) as (reader, _):
        problem = problem_in(await asyncio.wait_for(reader.read(), PATIENCE_S))
    assert problem["code"] == "invalid_request"
    assert "xxx" not in problem["detail"]


async def test_every_connection_notices_a_peer_that_is_gone(relay: Running) -> None:
    """Half-open, or not reading: the system cuts it off after a minute, for it was told so before it was accepted."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        pytest.skip("this system cannot")
    accepted: list[int] = []

    made = listener.Connection.connection_made

    def connection_made(connection: listener.Connection, transport: asyncio.BaseTransport) -> None:
        sock = transport.get_extra_info("socket")
        accepted.append(sock.getsockopt(socket.IPPROTO_TCP, option))
        made(connection, transport)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener.Connection, "connection_made", connection_made)
        async with aiohttp.ClientSession(relay.url) as client, client.get("/livez") as answer:
            assert answer.status == 200
    assert accepted == [60_000]


async def condition(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0)
