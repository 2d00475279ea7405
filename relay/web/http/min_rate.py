"""
Enforce a minimum rate for request bodies: a limit on each pause, and on the total time for the bytes received.

A client that sends one byte every few seconds never pauses for long, and would hold its connection forever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from relay.errors import Code, RequestError

MIN_BYTES_PER_S = 240
"""As in Kestrel (https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel/options)."""

T = TypeVar("T")


class MinRate:
    """The minimum rate of one body. Only time spent waiting for the client counts."""

    def __init__(self, max_pause_s: float) -> None:
        """
        Args:
            max_pause_s: the longest pause. The total wait may exceed the time at the minimum rate by as much.
        """
        self._max_pause_s = max_pause_s
        self._waited_s = 0.0
        self._received_bytes = 0

    @property
    def timeout_s(self) -> float:
        """How long to wait for the next chunk."""
        total_s = self._max_pause_s + self._received_bytes / MIN_BYTES_PER_S
        return max(0.0, min(self._max_pause_s, total_s - self._waited_s))

    def add_wait(self, seconds: float) -> None:
        """Count time that was spent waiting."""
        self._waited_s += seconds

    def add_received(self, size_bytes: int) -> None:
        """Count bytes that were received."""
        self._received_bytes += size_bytes

    async def wait(self, chunk: Awaitable[T]) -> T:
        """
        Wait for a chunk. Pass its size to `add_received` afterwards.

        Raises:
            RequestError: it does not arrive in time.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await chunk
        except TimeoutError:
            detail = (
                f"The body arrives too slowly: it paused for {self._max_pause_s:g} s, "
                f"or came at less than {MIN_BYTES_PER_S} bytes per second."
            )
            raise RequestError(Code.INVALID_REQUEST, detail) from None
        finally:
            self.add_wait(clock() - began)
