"""
A transport that owns its socket, for connections that stay open for hours.

asyncio's transport takes more memory than everything else that a viewer needs, and its `write` more time. This one has
no buffer while the kernel takes everything, and writes to the socket at once.
"""

import asyncio
import os
import socket
from typing import Protocol, cast

READ_BYTES = 16 * 1024

HIGH_WATER_BYTES = 64 * 1024
"""The default of asyncio."""


class _Socket(Protocol):
    def send(self, data: bytes | bytearray | memoryview, /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...


class _Nowhere:
    """Stands for the socket after the connection has been lost, so that `write` need not check."""

    def send(self, data: bytes | bytearray | memoryview, /) -> int:
        return len(data)

    def shutdown(self, how: int, /) -> None:
        """Do nothing."""


_NOWHERE = _Nowhere()


class SocketTransport(asyncio.Transport):
    """Reads and writes a connected TCP socket. It does not read until `resume_reading` is called."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_eof",
        "_fd",
        "_high_water",
        "_loop",
        "_paused",
        "_protocol",
        "_reading",
        "_sock",
    )

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """
        Args:
            sock: connected and non-blocking. The transport closes it.
            loop: the running event loop.
        """
        # The base class would add a dictionary for `get_extra_info`, which this transport does not offer.
        self._sock: _Socket = sock
        self._fd = sock.fileno()
        self._protocol: asyncio.Protocol | None = None
        self._loop = loop
        self._buffer: bytearray | None = None
        """What the kernel has not taken yet."""
        self._high_water = HIGH_WATER_BYTES
        self._reading = self._paused = self._closing = self._eof = False

    def __repr__(self) -> str:
        state = "closing" if self._closing else "open"
        return f"<SocketTransport {state} fd={self._fd} buffered={self.get_write_buffer_size()}>"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, or buffer what the kernel does not take. After the connection is lost, do nothing."""
        buffer = self._buffer
        if buffer is None:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            buffer = self._buffer = bytearray(memoryview(data)[sent:])
            self._loop.add_writer(self._fd, self._write_more)
        else:
            buffer += data
        if len(buffer) > self._high_water and not self._paused and self._protocol is not None:
            self._paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return 0 if self._buffer is None else len(self._buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water mark. The low one is always 0: the protocol resumes when the buffer is empty."""
        self._high_water = HIGH_WATER_BYTES if high is None else high

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """End our side of the connection after what is in the buffer. Data is still received."""
        self._eof = True
        if self._buffer is None:
            self._shut_down()

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._fd, self._read)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Close the connection when everything in the buffer has been sent. Nothing is read any more."""
        self.pause_reading()
        self._closing = True
        if self._buffer is None:
            self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def _read(self) -> None:
        sock, protocol = cast("socket.socket", self._sock), self._protocol
        try:
            data = sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if protocol is None:
            return
        if not data:
            self.close()
            return
        try:
            protocol.data_received(data)
        except BaseException:
            self.abort()
            raise

    def _write_more(self) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        try:
            del buffer[: self._sock.send(buffer)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if buffer:
            return
        self._buffer = None
        self._loop.remove_writer(self._fd)
        if self._closing:
            self._lose(None)
        elif self._eof:
            self._shut_down()
        elif self._paused and self._protocol is not None:
            self._paused = False
            self._protocol.resume_writing()

    def _shut_down(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError | None) -> None:
        """Close the socket. The protocol learns it later, because it may be the caller."""
        if self._sock is _NOWHERE:
            return
        sock, self._sock = cast("socket.socket", self._sock), _NOWHERE
        self.pause_reading()
        self._closing = True
        if self._buffer is not None:
            self._buffer = None
            self._loop.remove_writer(self._fd)
        sock.close()
        self._loop.call_soon(self._report_loss, error)

    def _report_loss(self, error: OSError | None) -> None:
        protocol, self._protocol = self._protocol, None  # breaks the cycle of transport and protocol
        if protocol is not None:
            protocol.connection_lost(error)


def take_socket(transport: asyncio.Transport) -> asyncio.Transport:
    """
    Move a connection from asyncio's transport to one that owns the socket. Nothing may be left in its write buffer.

    Returns:
        The new transport, without a protocol; or the same one, with reading paused, if the connection is encrypted or
        no file descriptor is free.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("sslcontext") is not None:
        transport.pause_reading()
        return transport
    try:
        descriptor = os.dup(sock.fileno())
    except OSError:
        transport.pause_reading()
        return transport
    own = socket.socket(sock.family, sock.type, sock.proto, fileno=descriptor)
    own.setblocking(False)
    transport.set_protocol(asyncio.Protocol())  # ignores the loss
    transport.abort()  # closes its descriptor; the connection stays open with ours
    return SocketTransport(own, asyncio.get_running_loop())
