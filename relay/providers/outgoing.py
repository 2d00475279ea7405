"""
Track a request while it is sent: when it was sent, and whether its last byte was.

The last byte decides whether the call may be billed: a platform that lacks it cannot have acted on the request.
"""

import time
from collections.abc import AsyncIterator, Callable

from relay.clock import uptime_s
from relay.errors import UpstreamUnavailable
from relay.providers.base import Attempt
from relay.providers.request_body import Body

_BUFFERED_BYTES = 8 * 2**20
"""How much of a body may still be in socket buffers after the last piece was written."""
_SLOWEST_BYTES_S = 256 * 1024
"""The minimum transfer rate, in bytes per second, at which these buffers are expected to empty."""


class SendTime:
    """The time at which a request was sent. The last mark counts: the end of a body is sent after the headers."""

    def __init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        """Record that a part of the request is being sent now."""
        self._at, self._ticks_s = time.time(), time.monotonic()

    def interval(self) -> tuple[float, float]:
        """Return when the request was sent and the current time, both in unix seconds."""
        return self._at, self._at + (time.monotonic() - self._ticks_s)


class OutgoingBody:
    """
    A body that is being sent.

    Args:
        body: the body to send.
        extend: called before each piece with the seconds to allow beyond the usual time limit.
        attempt: completed with the last piece; canceling it stops the sending. If it is late, no piece is sent.
        send_time: marked before each piece.
    """

    def __init__(self, body: Body, extend: Callable[[float], None], attempt: Attempt, send_time: SendTime) -> None:
        self._body = body
        self._send_time = send_time
        self._extend = extend
        self.attempt = attempt
        self.failure: UpstreamUnavailable | None = None
        """Why the body could not be read to its end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces():
                yield piece
        except UpstreamUnavailable as error:
            self.failure = error
            raise

    async def _pieces(self) -> AsyncIterator[bytes]:
        left = self._body.size_bytes
        flush_s = min(left, _BUFFERED_BYTES) / _SLOWEST_BYTES_S
        begun = False
        async for piece in self._body.pieces():
            if self.attempt.canceled:
                raise UpstreamUnavailable("The request was canceled before all of it was sent.")
            if not begun and uptime_s() >= self.attempt.send_until_s:  # checked last: connecting may take seconds
                self.attempt.late = True
                raise UpstreamUnavailable("The run was not sent: connecting to the platform took too long.")
            begun = True
            left -= len(piece)
            self.attempt.complete = left <= 0
            self._send_time.mark()
            self._extend(flush_s if self.attempt.complete else 0.0)
            yield piece
