"""The transport of viewers does what asyncio's does, on a real socket."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest

from relay.web.http.socket_transport import SocketTransport, take_socket

PATIENCE_S = 60.0
MUCH = bytes(8_000_000)
"""More than the buffers of both kernels hold."""


class Recording(asyncio.Protocol):
    """A protocol that records its callbacks."""

    def __init__(self) -> None:
        self.received = b""
        self.calls: list[str] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class Ends(NamedTuple):
    """A transport, its protocol and the client's socket."""

    transport: asyncio.Transport
    protocol: Recording
    client: socket.socket


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """Return a connection that asyncio has accepted and that was moved to a transport of the relay."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)
        await loop.sock_connect(client, listener.getsockname())
        accepted, _ = await loop.sock_accept(listener)
        first, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        transport, protocol = take_socket(first), Recording()
        assert isinstance(transport, SocketTransport)
        transport.set_protocol(protocol)
        await asyncio.sleep(0)  # asyncio's transport closes its descriptor
        yield Ends(transport, protocol, client)
        transport.abort()
        await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)


async def read(client: socket.socket, size: int) -> bytes:
    """Read up to this many bytes, or to the end."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(data) < size and (piece := await asyncio.get_running_loop().sock_recv(client, 1 << 20)):
            data += piece
    return data


async def test_both_sides_are_heard(ends: Ends) -> None:
    """What was sent before the transport reads is received, too."""
    transport, protocol, client = ends
    client.send(b"one")
    transport.write(b"two")
    assert await read(client, 3) == b"two"
    assert (protocol.received, transport.is_reading()) == (b"", False)
    transport.resume_reading()
    await until(lambda: protocol.received == b"one")
    transport.pause_reading()
    client.send(b"three")
    await asyncio.sleep(0)
    transport.resume_reading()
    transport.resume_reading()

    await until(lambda: protocol.received == b"onethree")
    assert transport.get_write_buffer_size() == 0


async def test_what_the_kernel_does_not_take_is_sent_later(ends: Ends) -> None:
    """The protocol learns that the buffer is full once, and that it is empty again."""
    transport, protocol, client = ends
    transport.set_write_buffer_limits(high=1000, low=0)
    transport.write(MUCH)
    buffered = transport.get_write_buffer_size()
    assert 1000 < buffered < len(MUCH)
    transport.write(b"end")
    assert transport.get_write_buffer_size() == buffered + 3
    assert protocol.calls == ["pause"]

    assert (await read(client, len(MUCH) + 3)).endswith(b"\0end")
    await until(lambda: transport.get_write_buffer_size() == 0)
    assert protocol.calls == ["pause", "resume"]
    transport.write(b"more")
    assert await read(client, 4) == b"more"


async def test_a_close_waits_for_the_buffer(ends: Ends) -> None:
    """Nothing is lost, and nothing is written or read afterwards."""
    transport, protocol, client = ends
    transport.resume_reading()
    transport.write(MUCH)
    transport.close()
    assert (transport.is_closing(), transport.is_reading()) == (True, False)
    transport.resume_reading()
    assert not transport.is_reading()

    assert len(await read(client, len(MUCH) + 1)) == len(MUCH)
    assert await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S) is None
    transport.write(b"too late")
    transport.close()
    transport.abort()


async def test_a_close_without_a_buffer_is_reported_later(ends: Ends) -> None:
    """The protocol may be the caller."""
    transport, protocol, client = ends
    transport.close()
    transport.write(b"too late")
    assert not protocol.lost.done()

    assert await read(client, 1) == b""
    assert await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S) is None


async def test_the_end_of_one_side_follows_the_buffer(ends: Ends) -> None:
    """The other side is still heard."""
    transport, protocol, client = ends
    transport.resume_reading()
    transport.write(MUCH)
    assert transport.can_write_eof()
    transport.write_eof()
    assert len(await read(client, len(MUCH) + 1)) == len(MUCH)
    client.send(b"heard")

    await until(lambda: protocol.received == b"heard")
    client.close()
    assert await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S) is None


async def test_the_end_of_one_side_without_a_buffer_is_immediate(ends: Ends) -> None:
    """A second one, after the connection is lost, does nothing."""
    transport, _, client = ends
    transport.write_eof()
    assert await read(client, 1) == b""
    transport.abort()
    transport.write_eof()


@pytest.mark.parametrize("buffered", [False, True])
async def test_a_reset_is_reported_as_an_error(ends: Ends, buffered: bool) -> None:
    """Whether it is noticed by a write or when the buffer is sent."""
    transport, protocol, client = ends
    if buffered:
        transport.write(MUCH)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    while not protocol.lost.done():
        transport.write(b"x")
        await asyncio.sleep(0)

    assert isinstance(protocol.lost.result(), OSError)
    assert transport.get_write_buffer_size() == 0


async def test_a_reset_is_noticed_by_a_read(ends: Ends) -> None:
    """Nothing needs to be written for it."""
    transport, protocol, client = ends
    transport.resume_reading()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()

    assert isinstance(await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S), ConnectionResetError)


async def test_an_error_of_the_protocol_cuts_its_connection(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop's handler reports it."""
    transport, protocol, client = ends
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail(_data: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(protocol, "data_received", fail)
    transport.resume_reading()
    client.send(b"x")
    await asyncio.wait_for(asyncio.shield(protocol.lost), PATIENCE_S)

    assert [type(error) for error in reported] == [ZeroDivisionError]


async def test_without_a_free_descriptor_the_transport_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as good, only larger."""
    loop = asyncio.get_running_loop()
    one, other = socket.socketpair()
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, one)

    def fail(_descriptor: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    with other, monkeypatch.context() as patch:
        patch.setattr(os, "dup", fail)
        assert take_socket(transport) is transport
        assert not transport.is_reading()
        transport.abort()
        await asyncio.sleep(0)


async def test_it_describes_itself(ends: Ends) -> None:
    """In debuggers and failing tests."""
    assert repr(ends.transport).startswith("<SocketTransport open fd=")
    assert ends.transport.get_protocol() is ends.protocol
