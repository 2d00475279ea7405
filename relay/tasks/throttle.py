"""Limits how often a function is called that may be triggered at any rate."""

import asyncio
from collections.abc import Callable

from relay.backoff import Bucket


class Throttle:
    """
    Calls a function now or soon each time it is triggered; one later call serves all triggers before it.

    The function returns whether it did its work; if not, it is called again later.
    """

    def __init__(self, call: Callable[[], bool], *, at_once: int, every_s: float) -> None:
        """
        Args:
            call: the function.
            at_once: how many calls may follow each other directly.
            every_s: how many seconds apart calls are after that.
        """
        self._call = call
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._bucket = Bucket(at_once, 1 / every_s, self._loop.time())
        self._later: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        """Whether a later call is scheduled."""
        return self._later is not None

    def trigger(self) -> None:
        """Call the function now, or later if it was called too often."""
        if self._later is None:
            wait_s = self._bucket.take(self._loop.time())
            if wait_s or not self._call():
                self._later = self._loop.call_later(wait_s or self._every_s, self._call_later)

    def close(self) -> None:
        """Cancel a later call."""
        if self._later is not None:
            self._later.cancel()

    def _call_later(self) -> None:
        self._later = None
        self._bucket.take(self._loop.time())
        if not self._call():
            self._later = self._loop.call_later(self._every_s, self._call_later)
