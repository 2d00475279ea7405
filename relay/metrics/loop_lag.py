"""How late the event loop runs scheduled callbacks: everything that the relay does is delayed by that time."""

import asyncio
from typing import Final, Self

from relay.counting import Histogram, RecentMaximum

EVERY_S: Final = 0.5


class LoopLag:
    """Measures the lag of the running loop. Use it as an async context manager."""

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.longest = RecentMaximum()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._schedule()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + EVERY_S
        self._timer = loop.call_at(due_s, self._measure, due_s)

    def _measure(self, due_s: float) -> None:
        lag_s = max(0.0, asyncio.get_running_loop().time() - due_s)
        self.seconds.observe(lag_s)
        self.longest.observe(lag_s)
        self._schedule()
