"""
Read the frames of a WebSocket client: https://www.rfc-editor.org/rfc/rfc6455#section-5.

A client sends few and small messages, so plain Python is fast enough. Between two messages, a reader holds no buffer.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from relay.backoff import Bucket
from relay.errors import RelayError
from relay.hub.close_codes import Close, protocol_error

MAX_MESSAGE_BYTES = 16 * 1024
"""The largest message that a client may send. A token and a cursor take a few hundred bytes."""

BURST_S = 10.0
"""A burst may be as large as this many seconds' worth: a client sends all its subscriptions when it connects."""


class Opcode(IntEnum):
    """The kinds of frames."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Message(NamedTuple):
    """A whole text or binary message, or a control frame."""

    opcode: Opcode
    payload: bytes


class FrameError(RelayError):
    """A client violates RFC 6455 or a limit. What it sends afterwards cannot be read."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


_OPCODES = {int(opcode): opcode for opcode in Opcode}
_CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
"""The defined ones that a client may send (https://www.rfc-editor.org/rfc/rfc6455#section-7.4), and private ones."""

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_EXTENDED_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4
_MAX_CONTROL_BYTES = 125


class ClientFrames:
    """The frames of one client, assembled to messages, and limited in rate."""

    __slots__ = ("_allowance", "_fragments", "_opcode", "_rate", "_rest")

    def __init__(self, rate: float) -> None:
        """
        Args:
            rate: how many frames a client may send per second. Each frame counts, however little it contains.
        """
        self._rate = rate
        self._allowance: Bucket | None = None
        self._rest = b""
        """The beginning of a frame that has not arrived completely."""
        self._opcode: Opcode | None = None
        """The kind of the message that has not arrived completely."""
        self._fragments = b""

    def feed(self, data: bytes, now: float) -> Iterator[Message]:
        """
        Yield the messages that are complete with `data`, received at `now` in seconds of any clock.

        Iterate to the end before the next call.

        Raises:
            FrameError: the client violates the protocol or a limit. The error ends the use of this reader.
        """
        data = self._rest + data
        at = 0
        while len(data) >= at + 2:
            fin, opcode = _check(data[at], data[at + 1], self._opcode)
            length = data[at + 1] & _LENGTH
            start = at + 2 + _EXTENDED_BYTES.get(length, 0)
            if len(data) < start:
                break
            size = length if start == at + 2 else int.from_bytes(data[at + 2 : start], "big")
            if size + len(self._fragments) > MAX_MESSAGE_BYTES and opcode <= Opcode.BINARY:
                raise FrameError(protocol_error(f"a message may have {MAX_MESSAGE_BYTES} bytes at most"))
            mask, payload = data[start : start + _MASK_BYTES], data[start + _MASK_BYTES : start + _MASK_BYTES + size]
            if len(mask) < _MASK_BYTES or len(payload) < size:
                break
            self._count(now)
            at = start + _MASK_BYTES + size
            if (message := self._assemble(opcode, _unmasked(payload, mask), fin=fin)) is not None:
                yield message
        self._rest = data[at:]

    def _count(self, now: float) -> None:
        if self._allowance is None:  # most viewers never send a frame
            self._allowance = Bucket(self._rate * BURST_S, self._rate, now)
        if self._allowance.take(now):
            raise FrameError(protocol_error(f"more than {self._rate:g} messages per second"))

    def _assemble(self, opcode: Opcode, payload: bytes, *, fin: bool) -> Message | None:
        """Return the message that a frame completes."""
        if opcode > Opcode.BINARY:
            if opcode is Opcode.CLOSE:
                _check_close(payload)
            return Message(opcode, payload)
        started = opcode if self._opcode is None else self._opcode
        payload = self._fragments + payload
        self._opcode, self._fragments = (None, b"") if fin else (started, payload)
        return Message(started, payload) if fin else None


def _check(first: int, second: int, unfinished: Opcode | None) -> tuple[bool, Opcode]:
    """Return whether a frame is the last of its message, and its kind, given the first two bytes of its header."""
    fin, opcode = bool(first & _FIN), _OPCODES.get(first & _OPCODE)
    if first & _RESERVED:
        raise _violation("a reserved bit is set")
    if opcode is None:
        raise _violation("the opcode is unknown")
    if not second & _MASKED:
        raise _violation("the frame is not masked")
    if opcode > Opcode.BINARY:
        if not fin or second & _LENGTH > _MAX_CONTROL_BYTES:
            raise _violation(f"a control frame is fragmented or has more than {_MAX_CONTROL_BYTES} bytes")
    elif (opcode is Opcode.CONTINUATION) != (unfinished is not None):
        raise _violation("a fragment is out of order")
    return fin, opcode


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    if len(payload) == 1 or int.from_bytes(payload[:2], "big") not in _CLOSE_CODES:
        raise _violation("the close code is invalid")
    decode(payload[2:])


def decode(payload: bytes) -> str:
    """
    Return a payload as text.

    Raises:
        FrameError: it is not valid UTF-8.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(Close(code=1007, reason="the text is not valid UTF-8")) from None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Apply the mask (https://www.rfc-editor.org/rfc/rfc6455#section-5.3) to all bytes at once."""
    size = len(payload)
    repeated = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def _violation(reason: str) -> FrameError:
    return FrameError(Close(code=1002, reason=f"the client violates RFC 6455: {reason}"))
