"""What a client may put on a WebSocket and what it may not: every misuse ends that connection, with its code."""

import asyncio
import struct
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from websockets.frames import Close, Frame, Opcode

from relay.app import Running
from relay.web.live.websocket_viewers import MAX_MESSAGE_BYTES
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
    """Write a frame with any first byte, and a mask that changes nothing."""
    return bytes((first, 0x80 | len(data))) + ZERO_MASK + data


PROTOCOL, NO_TEXT, OURS = 1002, 1007, 4505
"""RFC 6455 section 7.4.1 for who cannot be read; api.md section 5 for who can, and does not speak our protocol."""

TEXT, BINARY, MORE, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING

MISUSES = {
    "binary": (framed(BINARY, SUBSCRIBE), OURS),
    "binary in fragments": (framed(BINARY, b"a", fin=False) + framed(MORE, b"b"), OURS),
    "text that is no JSON": (framed(TEXT, b"hello"), OURS),
    "an empty text": (framed(TEXT, b""), OURS),
    "an opcode that there is not": (bare(0x83), PROTOCOL),
    "a control opcode that there is not": (bare(0x8B), PROTOCOL),
    "a reserved bit": (bare(0xC1, SUBSCRIBE), PROTOCOL),
    "HTTP in place of frames": (b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n", PROTOCOL),
    "bytes without a sense": (b"\xff" * 1000, PROTOCOL),
    "a continuation of nothing": (framed(MORE, b"a"), PROTOCOL),
    "a message within another": (framed(TEXT, b"{", fin=False) + framed(TEXT, b"}"), PROTOCOL),
    "a ping in fragments": (bare(0x09, b"a"), PROTOCOL),
    "a ping that is too long": (b"\x89\xfe\x00\x7e" + ZERO_MASK + b"a" * 126, PROTOCOL),
    "a close of one byte": (framed(Opcode.CLOSE, b"a"), PROTOCOL),
    "a close with a code that there is not": (framed(Opcode.CLOSE, struct.pack(">H", 999)), PROTOCOL),
    "a close whose reason is no text": (framed(Opcode.CLOSE, struct.pack(">H", 1000) + b"\xff"), NO_TEXT),
    "bad UTF-8": (framed(TEXT, b'{"type":"\xff"}'), NO_TEXT),
    "bad UTF-8 in the second fragment": (framed(TEXT, b"{", fin=False) + framed(MORE, b"\xed\xa0\x80"), NO_TEXT),
    "too large": (framed(TEXT, b"a" * (MAX_MESSAGE_BYTES + 1)), OURS),
    "too large in fragments": (
        framed(TEXT, b"a", fin=False) + framed(MORE, b"a" * 1000, fin=False) * (MAX_MESSAGE_BYTES // 1000 + 1),
        OURS,
    ),
    "too large by its head alone": (b"\x81\xff" + (2**62).to_bytes(8, "big") + ZERO_MASK, OURS),
}


@pytest.fixture(params=["one", "many"])
async def path(request: pytest.FixtureRequest, client: aiohttp.ClientSession) -> str:
    """Each of the two WebSockets."""
    if request.param == "many":
        return "/v1/ws"
    async with client.post("/v1/tasks", json=HELD) as answer:
        return f"/v1/tasks/{(await answer.json())['task']['id']}/ws"


@pytest.fixture
async def left(relay: Running) -> AsyncIterator[None]:
    """Whatever was sent: in the end nobody is left in the hub."""
    yield
    async with asyncio.timeout(60):
        while relay.context.hub.viewers:  # noqa: ASYNC110 -- it has no event
            await asyncio.sleep(0)


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize(("sent", "code"), MISUSES.values(), ids=MISUSES)
async def test_a_misuse_is_closed_with_its_code(relay: Running, path: str, sent: bytes, code: int) -> None:
    """On either address, and at once, however much more of it may come."""
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(sent)

        assert await wire.close_code() == code


@pytest.mark.usefixtures("left")
async def test_a_message_in_fragments_is_a_message(relay: Running) -> None:
    """Cut anywhere, within a character too, with pings between its pieces."""
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


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("kind", [TEXT, PING, Opcode.PONG], ids=["messages", "pings", "pongs"])
async def test_a_flood_is_closed_with_4505(relay: Running, path: str, kind: Opcode) -> None:
    """More than a page would ever say, be it only pings."""
    said = b'{"type":"auth","token":"%b"}' % relay.api_key.encode() if kind is TEXT else b"a"
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(framed(kind, said) * 5000)

        assert await wire.close_code() == OURS


@pytest.mark.usefixtures("left")
async def test_who_is_closed_and_goes_on_is_cut_off(relay: Running, path: str) -> None:
    """After the close nothing more of it is read: the connection ends though the client answers nothing."""
    async with connected(relay.url, path, relay.api_key) as wire:
        wire.write(b"\xff" * 100_000)
        codes = [Close.parse(bytes(each.data)).code async for each in wire.frames() if each.opcode is Opcode.CLOSE]

    assert codes == [PROTOCOL]
