"""
How many frames a client's WebSocket may send.

They are counted on the wire: a continuation frame without a byte is no message yet, and costs as much as one. Their
payloads need no count of their own, since a message has a largest size and a frame belongs to one.
"""

import asyncio
import secrets

from aiohttp import WSMsgType
from aiohttp.http_websocket import WebSocketReader

from relay.backoff import Bucket

BURST_S = 10.0
"""What a client may send in so many seconds, it may also send at once: it begins with all its subscriptions."""

CLOSING_BYTES = 64 * 1024
"""Beyond the limit so much is read still, for the client's answer to our close; then nothing is."""

TOO_MANY = secrets.token_bytes(16)
"""What a pong carries that stands for the first frame too many. No client can know it."""

_NOTICE = bytes([0x80 | WSMsgType.PONG, len(TOO_MANY)]) + TOO_MANY
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameLimit:
    """Stands before aiohttp's reader, and puts a pong with `TOO_MANY` before the first frame too many."""

    __slots__ = ("_allowance", "_head", "_over_bytes", "_payload_left", "_reader", "_transport")

    def __init__(self, reader: WebSocketReader, rate: float, transport: asyncio.ReadTransport) -> None:
        """
        Args:
            reader: aiohttp's, of one connection.
            rate: how many frames a second the client may send.
            transport: the connection's.
        """
        self._reader = reader
        self._transport = transport
        self._allowance = Bucket(rate * BURST_S, rate, asyncio.get_running_loop().time())
        self._payload_left = 0
        self._head = b""
        self._over_bytes: int | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what has come, as `WebSocketReader.feed_data` does."""
        if self._over_bytes is None:
            data = self._head + data
            passed, over = self._count(data)
            if not over:
                self._head = data[passed:]  # held back, so that what the reader has ends between two frames or in one
                return self._feed(data[:passed])
            self._feed(data[:passed] + _NOTICE)
            data = data[passed:]
            self._over_bytes = 0
        self._over_bytes += len(data)
        if self._over_bytes > CLOSING_BYTES:
            self._transport.pause_reading()  # TCP holds the client back until the connection is closed
            return False, b""
        return self._feed(data)

    def feed_eof(self) -> None:
        """Take note that the client has gone, as `WebSocketReader.feed_eof` does."""
        self._reader.feed_eof()

    def _feed(self, data: bytes) -> tuple[bool, bytes]:
        eof, rest = self._reader.feed_data(data)
        return bool(eof), bytes(rest)

    def _count(self, data: bytes) -> tuple[int, bool]:
        """Count the frames that begin in `data`; return how much of it may be passed on, and if a frame is too many."""
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
    """Return how long the frame is whose head begins there (RFC 6455 section 5.2); null while that is not known."""
    if len(data) < at + 2:
        return None
    short = data[at + 1] & 0x7F
    more = _LENGTH_BYTES.get(short, 0)
    if len(data) < at + 2 + more:
        return None
    length = int.from_bytes(data[at + 2 : at + 2 + more], "big") if more else short
    return 2 + more + (_MASK_BYTES if data[at + 1] & 0x80 else 0) + length
