"""
How the relay tells the time on a machine whose clock may be wrong, or be set at any moment.

`time.time` dates what happens and is compared with the clocks of others: tokens, signatures, times of the platform.
Nothing else may depend on it. A duration is measured with `steady_from`, and an age after which something is removed or
forgotten for good with `CautiousClock`. docs/decisions/0014-a-clock-loses-nothing.md says why there are three.
"""

import time
from collections.abc import Callable
from typing import Final

CATCH_UP_RATE: Final = 10.0
"""A cautious clock that is behind goes this many times as fast: after a weekend off it is right within five hours."""


def steady_from(start: float, ticks: Callable[[], float] = time.monotonic) -> Callable[[], float]:
    """Return a clock that shows `start` (unix seconds) now, and from here on only counts the seconds that pass."""
    offset_s = start - ticks()
    return lambda: offset_s + ticks()


class CautiousClock:
    """
    The unix time that has certainly come.

    It follows the machine's clock back at once, which makes everything younger, and forward only at CATCH_UP_RATE: a
    clock that jumps ahead by 40 days makes nothing 40 days older.
    """

    def __init__(
        self, wall: Callable[[], float], since: float | None, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            wall: the machine's clock, in unix seconds.
            since: what an earlier cautious clock showed last; null where there was none.
            ticks: counts the seconds that pass.
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
