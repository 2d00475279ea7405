"""One task with many viewers on all kinds of connections, and what happens when they leave."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.core.codec import decode_snapshot
from relay.core.snapshot import Snapshot
from relay.hub.close_codes import TOO_SLOW
from relay.journal.entries import Appended
from relay.sandbox import Sandbox
from relay.web.live import websocket_viewer

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Tell = Callable[..., Snapshot]
Blocks = Callable[[aiohttp.ClientResponse], AsyncIterator[tuple[str | None, bytes]]]

WIRES = ("ws", "sse", "many")
STREAM = {"Accept": "text/event-stream"}


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, or until the test's own timeout."""
    while not condition():  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.001)


class Log:
    """How far each task's log is committed."""

    def __init__(self, relay: Running) -> None:
        self.bodies: list[bytes] = []
        self._changed = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()
        relay.journal.listen(self._hear)

    async def reached(self, seq: int) -> None:
        """Wait until the log has `seq` or has ended."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self.bodies) >= seq or b'"done"' in b"".join(body[:14] for body in self.bodies[-1:])
            )

    def _hear(self, appended: Sequence[Appended]) -> None:
        self.bodies += [entry.body for each in appended for entry in each.entries]
        waking = asyncio.create_task(self._wake())
        self._waking.add(waking)
        waking.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@pytest.fixture
def log(relay: Running) -> Log:
    return Log(relay)


async def messages(
    client: aiohttp.ClientSession, blocks: Blocks, wire: str, task: str, cursor: str | None
) -> AsyncGenerator[bytes, None]:
    """Yield the messages about a task on one kind of connection until the relay ends it."""
    params = {"cursor": cursor} if cursor else {}
    if wire == "sse":
        async with client.get(f"/v1/tasks/{task}/events", params=params, headers=STREAM) as answer:
            assert answer.status in (200, 204)
            async for _, data in blocks(answer):
                yield data
        return
    path = "/v1/ws" if wire == "many" else f"/v1/tasks/{task}/ws"
    async with client.ws_connect(path, params={} if wire == "many" else params, max_msg_size=0) as connection:
        if wire == "many":
            await connection.send_json({"type": "subscribe", "task": task} | params)
        while (message := await connection.receive()).type is aiohttp.WSMsgType.TEXT:
            yield message.data.encode()
            if wire == "many" and _is_last(orjson.loads(message.data)):
                return
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1000)


def _is_last(message: Message) -> bool:
    return message["type"] == "done" or (message["type"] == "snapshot" and message["task"]["done"] is not None)


@pytest.mark.parametrize("seed", range(3))
async def test_fifty_viewers_have_the_same_state_in_the_end(
    sandbox: Sandbox,
    relay: Running,
    client: aiohttp.ClientSession,
    start: Start,
    tell: Tell,
    blocks: Blocks,
    log: Log,
    seed: int,
) -> None:
    """They join at different times, some with an old cursor, and have no gap and no duplicate."""
    random = Random(seed)
    made = await start("await_subscriber, stderr_lines=6, hold_at=task_end")
    task = made["task"]["id"]

    async def watch(wire: str, joins_at: int, leaves_after: int | None) -> Snapshot:
        await log.reached(joins_at)
        state: Snapshot | None = None
        received: list[Message] = []
        if leaves_after is not None:
            async with aclosing(messages(client, blocks, wire, task, None)) as first:
                async for raw in first:
                    received.append(orjson.loads(raw))
                    if len(received) == leaves_after:
                        break
            state, received = tell(received), []
            await log.reached(state.seq + random.randint(0, 20))
            if state.done is not None and wire == "many":
                return state  # the WebSocket for several topics stays open
        cursor = f"{state.epoch}:{state.seq}" if state else None
        async with aclosing(messages(client, blocks, wire, task, cursor)) as second:
            received += [orjson.loads(raw) async for raw in second]
        return tell(received, state) if received or state is None else state

    watching = [
        asyncio.create_task(watch(WIRES[number % 3], random.randint(1, 30), random.choice([None, None, 1, 5, 12])))
        for number in range(48)
    ]
    watching += [asyncio.create_task(watch(wire, 10_000, None)) for wire in ("ws", "sse")]  # after the end
    upstream_id = made["task"]["upstream_id"]
    await sandbox.until(upstream_id, lambda upstream: upstream.holding_at)
    sandbox.release(upstream_id)
    states = await asyncio.gather(*watching)

    async with client.get(f"/v1/tasks/{task}") as answer:
        final = decode_snapshot(await answer.read())
    assert final.done is not None
    assert final.seq > 25
    assert {state == final for state in states} == {True}
    await until(lambda: relay.context.hub.viewers == 0)
    assert relay.context.hub.channels == 0


async def test_all_connections_carry_the_same_bytes_in_the_same_order(
    sandbox: Sandbox, client: aiohttp.ClientSession, start: Start, blocks: Blocks, log: Log
) -> None:
    """They are those of the journal, for an event is encoded once."""
    made = await start("hold_at=task_queue")
    task, upstream_id = made["task"]["id"], made["task"]["upstream_id"]
    opened = asyncio.Semaphore(0)

    async def watch(wire: str) -> list[bytes]:
        received = []
        async with aclosing(messages(client, blocks, wire, task, None)) as stream:
            async for raw in stream:
                received.append(raw)
                if len(received) == 1:
                    opened.release()
        return [raw for raw in received[1:] if not raw.startswith(b'{"type":"ping"')]

    watching = [asyncio.create_task(watch(wire)) for wire in WIRES]
    for _ in WIRES:
        await opened.acquire()
    seen = len(log.bodies)
    sandbox.release(upstream_id)
    first, *others = await asyncio.gather(*watching)

    assert first[-1].startswith(b'{"type":"done"')
    assert others == [first] * len(others)
    assert first[-len(log.bodies[seen:]) :] == log.bodies[seen:]


async def connect(relay: Running, made: Message, wire: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection by hand, so that only the test reads from it."""
    task, address = made["task"]["id"], urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    path, headers = ("ws", upgrade + key) if wire == "ws" else ("events", "Accept: text/event-stream\r\n")
    head = f"GET /v1/tasks/{task}/{path} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}"
    writer.write(f"{head}Authorization: Bearer {made['token']}\r\n\r\n".encode())
    return reader, writer


@pytest.mark.parametrize("abort", [False, True], ids=["closed", "aborted"])
@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_a_viewer_leaves_when_its_tab_is_closed(relay: Running, start: Start, wire: str, abort: bool) -> None:
    """This holds for a clean close and for a cut connection; its channel is removed, too."""
    reader, writer = await connect(relay, await start("hold_at=task_queue"), wire)
    await reader.readuntil(b'"type":"snapshot"')
    assert (relay.context.hub.viewers, relay.context.hub.channels) == (1, 1)

    if abort:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        if wire == "ws":
            writer.write(bytes((0x88, 0x82, 0, 0, 0, 0)) + (1001).to_bytes(2, "big"))
        writer.close()
        await writer.wait_closed()

    await until(lambda: relay.context.hub.viewers == 0)
    assert relay.context.hub.channels == 0


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_a_viewer_that_does_not_read_is_cut_off(
    relay: Running, start: Start, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a moment to answer the close, which waits behind the data that it has not read."""
    monkeypatch.setattr(websocket_viewer, "CLOSE_TIMEOUT_S", 0.05)
    reader, writer = await connect(relay, await start("hold_at=task_queue"), wire)
    await reader.readuntil(b'"type":"snapshot"')
    (viewer,) = relay.context.hub._viewers
    viewer.write(bytes(16_000_000))
    assert viewer.buffered() > 0
    relay.context.hub.disconnect(viewer, TOO_SLOW)

    await until(lambda: viewer.buffered() == 0)
    assert (relay.context.hub.viewers, relay.context.hub.channels) == (0, 0)
    writer.close()
    with suppress(ConnectionResetError):
        await writer.wait_closed()


async def test_a_start_whose_caller_leaves_is_carried_out(
    sandbox: Sandbox, relay: Running, start: Start, log: Log
) -> None:
    """The task is followed to its end even if the caller leaves before the platform answers."""
    address = urlsplit(relay.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    body = orjson.dumps({"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat"}})
    writer.write(
        f"POST /v1/tasks HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {relay.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await log.reached(1)
    writer.transport.abort()
    await log.reached(10_000)

    assert len(sandbox.runs) == 1
    assert orjson.loads(log.bodies[-1])["data"]["verdict"] == "succeeded"
