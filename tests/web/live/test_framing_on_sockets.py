"""Frames of the hub between aiohttp's own control frames on a real connection, read by an independent parser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from websockets.frames import Close, Opcode

from relay.app import Running
from relay.hub.viewer import Viewer
from tests.wire import Wire, connected

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536)
"""The sizes at which a frame's header changes its form (RFC 6455 section 5.2), and their neighbours."""

ROUNDS = 10
HELD = {
    "model": "bytedance/text-to-image-seedream-v4",
    "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"},
}


@asynccontextmanager
async def watching(relay: Running, task: str) -> AsyncIterator[tuple[Wire, Viewer]]:
    """Connect to a task; yield both ends of the connection after the snapshot has been read."""
    known = set(relay.context.hub._viewers)
    async with connected(relay.url, f"/v1/tasks/{task}/ws", relay.api_key) as wire:
        await wire.frame(Opcode.TEXT)
        (viewer,) = set(relay.context.hub._viewers) - known
        yield wire, viewer


@pytest.fixture
async def task(client: aiohttp.ClientSession) -> str:
    """Return a task that stays queued, so that no events are sent."""
    async with client.post("/v1/tasks", json=HELD) as answer:
        made = str((await answer.json())["task"]["id"])
    async with client.ws_connect(f"/v1/tasks/{made}/ws") as socket:
        while '"type":"queue"' not in await socket.receive_str():
            pass
    return made


async def left(relay: Running, viewer: Viewer) -> None:
    """Wait until a viewer has left."""
    async with asyncio.timeout(30):
        while viewer in relay.context.hub._viewers:  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)


async def test_frames_between_pings_stay_whole(relay: Running, task: str) -> None:
    """Every ping gets its pong, and every message arrives in order and unchanged, whatever its size."""
    async with watching(relay, task) as (wire, viewer):
        messages, pings = [], []
        for turn in range(ROUNDS):
            for size in SIZES:
                pings.append(b"%d %d" % (turn, size))
                messages.append(b"%d" % turn * size)
                wire.send(Opcode.PING, pings[-1])
                viewer.send(messages[-1])
                await asyncio.sleep(0)
        texts: list[bytes] = []
        pongs: list[bytes] = []
        async for frame in wire.frames():
            assert frame.fin
            {Opcode.TEXT: texts, Opcode.PONG: pongs}[frame.opcode].append(bytes(frame.data))
            if len(texts) == len(messages) and len(pongs) == len(pings):
                break

    assert texts == messages
    assert pongs == pings


async def test_a_close_by_the_client_is_answered_after_whole_frames(relay: Running, task: str) -> None:
    """The answer has the same code, and no message follows it."""
    async with watching(relay, task) as (wire, viewer):
        wire.send(Opcode.CLOSE, Close(1000, "enough").serialize())
        while not viewer.gone:
            for size in SIZES:
                viewer.send(b"x" * size)
            await asyncio.sleep(0)
        frames = [frame async for frame in wire.frames()]

    assert {len(frame.data) for frame in frames[:-1]} <= {*SIZES}
    assert frames[-1].opcode is Opcode.CLOSE
    assert Close.parse(bytes(frames[-1].data)).code == 1000
    await left(relay, viewer)


async def test_a_close_by_the_relay_is_the_last_frame(relay: Running, task: str) -> None:
    """It comes after whole frames, and the client answers it."""
    async with watching(relay, task) as (wire, viewer):
        for size in SIZES:
            viewer.send(b"x" * size)
        draining = asyncio.create_task(relay.context.hub.drain(0))
        sizes, code = [], 0
        async for frame in wire.frames():
            if frame.opcode is Opcode.CLOSE:
                code = Close.parse(bytes(frame.data)).code
                wire.send(Opcode.CLOSE, bytes(frame.data))
            else:
                assert code == 0
                sizes.append(len(frame.data))
        await draining

    assert (sizes, code) == ([*SIZES], 4001)
    await left(relay, viewer)


async def test_a_reset_connection_does_not_affect_others(
    relay: Running, task: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its viewer leaves the hub, even if a frame was only partly sent."""
    async with watching(relay, task) as (other, stays), watching(relay, task) as (wire, goes):
        while goes.buffered() == 0:  # until the kernel takes no more
            goes.send(b"x" * SIZES[-1])
        wire.abort()
        await left(relay, goes)
        goes.send(b"too late")
        stays.send(b"still here")

        assert await other.frame(Opcode.TEXT) == b"still here"
    assert [line for line in caplog.records if line.levelname in ("WARNING", "ERROR")] == []
