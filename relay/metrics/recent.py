"""
What happened within the last ten minutes, from counters that only know the time since the start.

Prometheus computes this from many scrapes; `relay check --diagnose` has only one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Self

EVERY_S: Final = 10.0
WINDOW_S: Final = 600.0


class RecentEvents:
    """The growth of counters within the last ten minutes. Use it as an async context manager."""

    def __init__(self, read: Callable[[], Mapping[str, float]], clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            read: returns the counters, which never decrease, by name.
            clock: returns monotonic seconds.
        """
        self._read = read
        self._clock = clock
        self._notes = deque([(clock(), read())])
        """The counters every few seconds. The first note is as old as the window, or the oldest there is."""
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._schedule()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def note(self) -> None:
        """Note the counters as they are now."""
        now = self._clock()
        self._notes.append((now, self._read()))
        while self._notes[1][0] <= now - WINDOW_S:
            self._notes.popleft()

    @property
    def counts(self) -> Mapping[str, float]:
        """How much each counter has grown, by name."""
        before = self._notes[0][1]
        return {name: count - before[name] for name, count in self._read().items()}

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._note_again)

    def _note_again(self) -> None:
        self.note()
        self._schedule()
