"""Frames of clients, however their bytes arrive: whole messages, the limit on frames, and invalid frames."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from relay.app import Running
from relay.hub.close_codes import Close
from relay.tasks.requests import Start
from relay.web.live.client_frames import BURST_S, MAX_MESSAGE_BYTES, ClientFrames, FrameError
from tests.wire import Wire, connected

PATIENCE_S = 60.0

Said = list[tuple[int, bytes]]


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=mask)


def fed(pieces: Iterable[bytes], rate: float = 1e6) -> tuple[Said, Close | None]:
    """Feed pieces to a reader. Return the messages, and why it stopped."""
    frames, said = ClientFrames(rate), Said()
    try:
        for piece in pieces:
            said += frames.feed(piece, 0.0)
    except FrameError as error:
        return said, error.close
    return said, None


def cut(stream: bytes, data: st.DataObject) -> list[bytes]:
    """Cut bytes into pieces."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


PAYLOADS = st.sampled_from([b"", b"x", b"x" * 125, b"x" * 126, bytes(range(256)) * 64])
CONTROL = st.lists(st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)), max_size=2)


@given(st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), PAYLOADS, CONTROL), max_size=6), st.data())
def test_messages_are_assembled_however_their_bytes_arrive(
    messages: list[tuple[Opcode, bytes, list[tuple[Opcode, bytes]]]], data: st.DataObject
) -> None:
    """In any pieces, in any fragments, and with control frames between the fragments."""
    stream, expected = b"", Said()
    for opcode, payload, between in messages:
        at = data.draw(st.integers(0, len(payload)))
        stream += frame(opcode, payload[:at], fin=False)
        stream += b"".join([frame(kind, said) for kind, said in between])
        stream += frame(Opcode.CONT, payload[at:])
        expected += [*between, (opcode, payload)]

    assert fed(cut(stream, data)) == (expected, None)


@given(st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.PING]), st.just(b"x")), max_size=12), st.data())
def test_each_frame_counts_once(frames: list[tuple[Opcode, bytes]], data: st.DataObject) -> None:
    """Frames within the limit are passed on, and the first one beyond it is an error."""
    allowed = data.draw(st.integers(0, 12))
    stream = b"".join([frame(opcode, payload) for opcode, payload in frames])
    said, close = fed(cut(stream, data), allowed / BURST_S + 1e-9)

    assert len(said) <= allowed
    if len(frames) <= allowed:
        assert (said, close) == (frames, None)
    else:
        assert close is not None
        assert (close.code, "messages per second" in close.reason) == (4505, True)


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_are_messages_or_an_error(pieces: list[bytes]) -> None:
    """The code is that of a violation of RFC 6455, of invalid UTF-8, or of this protocol."""
    _, close = fed(pieces)

    assert close is None or close.code in (1002, 1007, 4505)


def test_a_message_of_the_largest_size_is_accepted() -> None:
    """One byte more is too large, as soon as the header says so."""
    largest = b"x" * MAX_MESSAGE_BYTES
    assert fed([frame(Opcode.TEXT, largest)]) == ([(Opcode.TEXT, largest)], None)

    _, close = fed([frame(Opcode.TEXT, largest + b"x")[:10]])
    assert close is not None
    assert (close.code, str(MAX_MESSAGE_BYTES) in close.reason) == (4505, True)


def test_a_frame_must_be_masked() -> None:
    """https://www.rfc-editor.org/rfc/rfc6455#section-5.1"""
    _, close = fed([frame(Opcode.TEXT, b"x", mask=False)])

    assert close is not None
    assert close.code == 1002


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        *((code, True) for code in (1000, 1003, 1007, 1014, 3000, 4999)),
        *((code, False) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)),
    ],
)
def test_a_close_has_a_code_that_may_be_sent(code: int, valid: bool) -> None:
    """As Autobahn's cases 7.7 and 7.9 require."""
    payload = code.to_bytes(2, "big")
    said, close = fed([frame(Opcode.CLOSE, payload)])

    assert said == ([(Opcode.CLOSE, payload)] if valid else [])
    assert (close is None) == valid


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
