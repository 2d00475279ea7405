"""
Clocks for a machine whose own clock may be wrong or may be set at any moment.

`time.time` dates events and is compared with the clocks of other machines: in tokens, signatures and platform times.
Nothing else may depend on it. `steady_from` measures durations; `CautiousClock` measures the ages after which data is
deleted. docs/decisions/0014-a-clock-loses-nothing.md explains why there are three.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

CATCH_UP_RATE: Final = 10.0
"""How many times faster than real time a cautious clock catches up: within five hours after a weekend off."""


def uptime_s() -> float:
    """Return seconds that never jump, and that pass while the machine is suspended if the system has such a clock."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def steady_from(start: float, ticks: Callable[[], float] = time.monotonic) -> Callable[[], float]:
    """Return a clock that starts at `start` (unix seconds) and ignores changes of the system clock."""
    offset_s = start - ticks()
    return lambda: offset_s + ticks()


class CautiousClock:
    """
    A lower bound of the unix time.

    It follows the machine's clock back at once, and forward no faster than CATCH_UP_RATE. When that clock jumps 40 days
    ahead, no data becomes 40 days older.
    """

    def __init__(
        self, wall: Callable[[], float], since: float | None, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            wall: the machine's clock, in unix seconds.
            since: the last value of an earlier cautious clock, or None.
            ticks: a monotonic clock, in seconds.
        """
        self._wall = wall
        self._ticks = ticks
        self._ticked_s = ticks()
        self._at = wall() if since is None else since

    def __call__(self) -> float:
        ticked_s = self._ticks()
        self._at = min(self._wall(), self._at + CATCH_UP_RATE * (ticked_s - self._ticked_s))
        self._ticked_s = ticked_s
        return self._at
