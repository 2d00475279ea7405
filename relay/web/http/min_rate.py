"""
How slowly a body may come: it may pause for so long, and has to bring so much on the whole.

A sender of one byte every now and then never pauses for long, and would keep its connection for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from relay.errors import Code, RequestError

FLOOR_BYTES_S = 240
"""What Kestrel asks for, too: a telephone line of the last century brings more."""

T = TypeVar("T")


class Pace:
    """The patience with one body. Only the time counts in which we wait for its sender, and not what we do with it."""

    def __init__(self, silence_s: float) -> None:
        """
        Args:
            silence_s: how long it may pause; also how much longer than at the least speed it may take in all.
        """
        self._silence_s = silence_s
        self._waited_s = 0.0
        self._came_bytes = 0

    @property
    def patience_s(self) -> float:
        """How long to wait for the next piece."""
        in_all_s = self._silence_s + self._came_bytes / FLOOR_BYTES_S
        return max(0.0, min(self._silence_s, in_all_s - self._waited_s))

    def waited(self, seconds: float) -> None:
        """Take note of so long a wait."""
        self._waited_s += seconds

    def came(self, size_bytes: int) -> None:
        """Take note that so much came."""
        self._came_bytes += size_bytes

    async def wait(self, piece: Awaitable[T]) -> T:
        """
        Wait for a piece, whose size `came` is told.

        Raises:
            RequestError: it does not come in time.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.patience_s):
                return await piece
        except TimeoutError:
            detail = f"The body comes too slowly: it paused for {self._silence_s:g} s, or brings next to nothing."
            raise RequestError(Code.INVALID_REQUEST, detail) from None
        finally:
            self.waited(clock() - began)
