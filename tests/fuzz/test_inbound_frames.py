"""Frames from clients: an invalid one closes its connection with the documented code."""

import asyncio
import struct
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from websockets.frames import Close, Frame, Opcode

from relay.app import Running
from relay.web.live.client_frames import MAX_MESSAGE_BYTES
from tests.wire import connected

HELD = {
    "model": "bytedance/text-to-image-seedream-v4",
    "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"},
}
SUBSCRIBE = b'{"type":"subscribe","task":"nobody"}'
ZERO_MASK = bytes(4)


def framed(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def bare(first: int, data: bytes = b"") -> bytes:
    """Return a frame with any first byte, masked with zeros."""
    return bytes((first, 0x80 | len(data))) + ZERO_MASK + data


PROTOCOL, NOT_UTF8, INVALID_MESSAGE = 1002, 1007, 4505
"""1002 and 1007: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1; 4505: close codes in docs/protocol.md."""

TEXT, BINARY, MORE, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING

MISUSES = {
    "binary": (framed(BINARY, SUBSCRIBE), INVALID_MESSAGE),
    "binary in fragments": (framed(BINARY, b"a", fin=False) + framed(MORE, b"b"), INVALID_MESSAGE),
    "text that is not JSON": (framed(TEXT, b"hello"), INVALID_MESSAGE),
    "an empty text": (framed(TEXT, b""), INVALID_MESSAGE),
    "a reserved opcode": (bare(0x83), PROTOCOL),
    "a reserved control opcode": (bare(0x8B), PROTOCOL),
    "a reserved bit": (bare(0xC1, SUBSCRIBE), PROTOCOL),
    "HTTP instead of frames": (b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n", PROTOCOL),
    "random bytes": (b"\xff" * 1000, PROTOCOL),
    "a continuation without a start": (framed(MORE, b"a"), PROTOCOL),
    "a message within another": (framed(TEXT, b"{", fin=False) + framed(TEXT, b"}"), PROTOCOL),
    "a ping in fragments": (bare(0x09, b"a"), PROTOCOL),
    "a ping that is too long": (b"\x89\xfe\x00\x7e" + ZERO_MASK + b"a" * 126, PROTOCOL),
    "a close of one byte": (framed(Opcode.CLOSE, b"a"), PROTOCOL),
    "a close with an invalid code": (framed(Opcode.CLOSE, struct.pack(">H", 999)), PROTOCOL),
    "a close with a reason that is not UTF-8": (framed(Opcode.CLOSE, struct.pack(">H", 1000) + b"\xff"), NOT_UTF8),
    "bad UTF-8": (framed(TEXT, b'{"type":"\xff"}'), NOT_UTF8),
    "bad UTF-8 in the second fragment": (framed(TEXT, b"{", fin=False) + framed(MORE, b"\xed\xa0\x80"), NOT_UTF8),
    "too large": (framed(TEXT, b"a" * (MAX_MESSAGE_BYTES + 1)), INVALID_MESSAGE),
    "too large in fragments": (
        framed(TEXT, b"a", fin=False) + framed(MORE, b"a" * 1000, fin=False) * (MAX_MESSAGE_BYTES // 1000 + 1),
        INVALID_MESSAGE,
    ),
    "too large according to its header": (b"\x81\xff" + (2**62).to_bytes(8, "big") + ZERO_MASK, INVALID_MESSAGE),
}


@pytest.fixture(params=["one", "many"])
async def path(request: pytest.FixtureRequest, client: aiohttp.ClientSession) -> str:
    """Return the path of each kind of WebSocket: one task, many tasks."""
    if request.param == "many":
        return "/v1/ws"
    async with client.post("/v1/tasks", json=HELD) as answer:
        return f"/v1/tasks/{(await answer.json())['task']['id']}/ws"


@pytest.fixture
async def no_viewers_left(relay: Running) -> AsyncIterator[None]:
    """Wait at the end until the hub has no viewer left."""
    yield
    async with asyncio.timeout(60):
        while relay.context.hub.viewers:  # noqa: ASYNC110 -- it has no event
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("no_viewers_left")
@pytest.mark.parametrize(("sent", "code"), MISUSES.values(), ids=MISUSES)
async def test_an_invalid_frame_closes_the_connection_with_its_code(
    relay: Running, path: str, sent: bytes, code: int
) -> None:
    """On either kind of WebSocket, without waiting for the rest of the message."""
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(sent)

        assert await wire.close_code() == code


@pytest.mark.usefixtures("no_viewers_left")
async def test_a_fragmented_message_is_accepted(relay: Running) -> None:
    """Split within characters, with pings between the fragments."""
    message = '{"type":"subscribe","task":"né"}'.encode()
    async with connected(relay.url, "/v1/ws", relay.api_key) as wire:
        wire.send(TEXT, message[:1], fin=False)
        for at in range(1, len(message)):
            wire.send(PING, b"%d" % at)
            wire.send(MORE, message[at : at + 1], fin=at + 1 == len(message))

        pongs = [await wire.frame(Opcode.PONG) for _ in range(1, len(message))]
        assert pongs == [b"%d" % at for at in range(1, len(message))]
        answer = orjson.loads(await wire.frame(TEXT))
        assert (answer["task"], answer["code"]) == ("né", "not_found")


@pytest.mark.usefixtures("no_viewers_left")
@pytest.mark.parametrize("kind", [TEXT, PING, Opcode.PONG], ids=["messages", "pings", "pongs"])
async def test_a_flood_is_closed_with_4505(relay: Running, path: str, kind: Opcode) -> None:
    """Messages, pings or pongs above the rate limit."""
    data = b'{"type":"auth","token":"%b"}' % relay.api_key.encode() if kind is TEXT else b"a"
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(framed(kind, data) * 5000)

        assert await wire.close_code() == INVALID_MESSAGE


@pytest.mark.usefixtures("no_viewers_left")
async def test_a_client_that_ignores_the_close_is_disconnected(relay: Running, path: str) -> None:
    """The relay reads nothing more, and ends the connection without an answer to its close."""
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(b"\xff" * 100_000)
        codes = [Close.parse(bytes(each.data)).code async for each in wire.frames() if each.opcode is Opcode.CLOSE]

    assert codes == [PROTOCOL]
