"""
Limit the rate of WebSocket frames that a client sends.

Frames are counted before they are parsed into messages, because an empty continuation frame completes no message but
costs as much CPU as one. Payload sizes are not counted here: the size of a message is limited already.
"""

import asyncio
import secrets

from aiohttp import WSMsgType
from aiohttp.http_websocket import WebSocketReader

from relay.backoff import Bucket

BURST_S = 10.0
"""A burst may be as large as this many seconds' worth: a client sends all its subscriptions when it connects."""

CLOSING_BYTES = 64 * 1024
"""How much is still read after the limit was exceeded, to receive the client's close frame."""

TOO_MANY = secrets.token_bytes(16)
"""Payload of the pong that marks where the limit was exceeded. Random, so that clients cannot forge it."""

_NOTICE = bytes([0x80 | WSMsgType.PONG, len(TOO_MANY)]) + TOO_MANY
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameLimit:
    """Wraps aiohttp's reader and feeds it a pong with `TOO_MANY` in front of the first frame beyond the limit."""

    __slots__ = ("_allowance", "_head", "_over_bytes", "_payload_left", "_reader", "_transport")

    def __init__(self, reader: WebSocketReader, rate: float, transport: asyncio.ReadTransport) -> None:
        """
        Args:
            reader: aiohttp's reader of the connection.
            rate: frames per second.
            transport: of the connection.
        """
        self._reader = reader
        self._transport = transport
        self._allowance = Bucket(rate * BURST_S, rate, asyncio.get_running_loop().time())
        self._payload_left = 0
        self._head = b""
        self._over_bytes: int | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Feed received bytes, as `WebSocketReader.feed_data` does."""
        if self._over_bytes is None:
            data = self._head + data
            passed, over = self._count(data)
            if not over:
                self._head = data[
                    passed:
                ]  # an incomplete frame header waits, so that a pong can be put before its frame
                return self._feed(data[:passed])
            self._feed(data[:passed] + _NOTICE)
            data = data[passed:]
            self._over_bytes = 0
        self._over_bytes += len(data)
        if self._over_bytes > CLOSING_BYTES:
            self._transport.pause_reading()  # TCP flow control stops the client until the connection is closed
            return False, b""
        return self._feed(data)

    def feed_eof(self) -> None:
        """Signal the end of the stream, as `WebSocketReader.feed_eof` does."""
        self._reader.feed_eof()

    def _feed(self, data: bytes) -> tuple[bool, bytes]:
        eof, rest = self._reader.feed_data(data)
        return bool(eof), bytes(rest)

    def _count(self, data: bytes) -> tuple[int, bool]:
        """Count the frames that begin in `data`. Return how many bytes to pass on, and whether a limit is hit."""
        now = asyncio.get_running_loop().time()
        at = self._payload_left
        while at < len(data):
            size = _frame_size(data, at)
            if size is None:
                break
            if self._allowance.take(now):
                return at, True
            at += size
        self._payload_left = max(0, at - len(data))
        return min(at, len(data)), False


def _frame_size(data: bytes, at: int) -> int | None:
    """
    Return the size of the frame that begins at `at`, or None if its header is incomplete.

    The layout is in https://www.rfc-editor.org/rfc/rfc6455#section-5.2.
    """
    if len(data) < at + 2:
        return None
    short = data[at + 1] & 0x7F
    more = _LENGTH_BYTES.get(short, 0)
    if len(data) < at + 2 + more:
        return None
    length = int.from_bytes(data[at + 2 : at + 2 + more], "big") if more else short
    return 2 + more + (_MASK_BYTES if data[at + 1] & 0x80 else 0) + length
