"""The limit on WebSocket frames counts each frame, however its bytes arrive and whatever message it belongs to."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from relay.app import Running
from relay.tasks.requests import Start
from relay.web.http.frame_limit import CLOSING_BYTES, TOO_MANY, FrameLimit
from tests.wire import Wire, connected

PATIENCE_S = 60.0


class Reads(asyncio.ReadTransport):
    """A transport that records whether reading is paused."""

    paused = False

    def pause_reading(self) -> None:
        self.paused = True


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=mask)


def fed(pieces: Iterable[bytes], rate: float) -> tuple[list[str], Reads]:
    """Feed pieces to a limited reader. Return the types of the messages that it reads, and the transport."""

    async def feed() -> tuple[list[str], Reads]:
        reads = Reads()
        queue = WebSocketDataQueue(BaseProtocol(asyncio.get_running_loop()), 2**30, loop=asyncio.get_running_loop())
        reader = WebSocketReader(queue, 2**20, compress=False, decode_text=True)
        limit = FrameLimit(reader, rate, reads)
        for piece in pieces:
            limit.feed_data(piece)
        messages = [message for message, _ in queue._buffer]
        return ["too many" if each.data == TOO_MANY else WSMsgType(each.type).name for each in messages], reads

    return asyncio.run(feed())


FRAMES = st.one_of(
    st.builds(frame, st.just(Opcode.TEXT), st.sampled_from([b"", b"x", b"x" * 125, b"x" * 126, b"x" * 70_000])),
    st.builds(frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125), mask=st.booleans()),
)


@given(st.lists(FRAMES, min_size=1, max_size=12), st.integers(0, 12), st.data())
def test_frames_are_counted_however_their_bytes_arrive(frames: list[bytes], allowed: int, data: st.DataObject) -> None:
    """Frames within the limit are passed on. The first one beyond it is reported once, in its place."""
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    said, _ = fed(pieces, allowed / 10 + 1e-9)
    expected = min(allowed, len(frames))
    assert "too many" not in said[:expected]
    assert len(said) >= expected
    assert said.count("too many") == (len(frames) > allowed)
    if len(frames) > allowed:
        assert said[allowed] == "too many"


def test_beyond_the_limit_only_the_close_frame_is_read() -> None:
    """Reading is paused soon, so that TCP flow control stops the client."""
    said, reads = fed([frame(Opcode.PING)] * 2 + [frame(Opcode.CLOSE, b"\x03\xe8")], 0.1)
    assert (said[-1], reads.paused) == ("CLOSE", False)
    _, reads = fed([frame(Opcode.PING)] * 2 + [b"\x00" * CLOSING_BYTES, b"\x00"], 0.1)
    assert reads.paused


EMPTY = frame(Opcode.CONT, fin=False)


@pytest.mark.parametrize(
    "flood",
    [
        frame(Opcode.TEXT, fin=False) + EMPTY * 5000,
        frame(Opcode.TEXT, b'{"', fin=False) + frame(Opcode.CONT, b" ", fin=False) * 5000,
        frame(Opcode.TEXT, fin=False) + (EMPTY + frame(Opcode.PONG)) * 2500,
    ],
    ids=["empty", "one byte", "pongs between"],
)
@pytest.mark.parametrize("path", ["/v1/ws", "/v1/tasks/{task}/ws"])
async def test_the_frames_of_an_unfinished_message_count(relay: Running, flood: bytes, path: str) -> None:
    """They complete no message, so a limit on messages would not count them."""
    async with begun(relay) as task, connected(relay.url, path.format(task=task), relay.api_key) as wire:
        wire.write(flood)
        assert await code(wire) == 4505


@asynccontextmanager
async def begun(relay: Running) -> AsyncIterator[str]:
    """Start a task that does not end."""
    request = {
        "model": "bytedance/text-to-image-seedream-v4",
        "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"},
    }
    started = await relay.context.tasks.start(Start(**request))  # type: ignore[arg-type] # a literal
    yield started.snapshot.id


async def code(wire: Wire) -> int:
    async with asyncio.timeout(PATIENCE_S):
        return await wire.close_code()
