"""
Plain counters for hot paths. They know nothing of metrics: `relay.metrics` reads them when it is scraped.

One thread writes each of them. Others may read at any time, and may see a histogram whose sum is one observation ahead.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets for what a computer does: from a write to memory to a call that times out."""

WINDOW_S: Final = 60.0


class Histogram:
    """How often values fell between bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        """
        Args:
            bounds: the upper bounds of the buckets, inclusive and in ascending order.
        """
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """How many values each bucket has. The last one has those above all bounds."""
        self.total = 0.0
        """The sum of all values."""

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class RecentMaximum:
    """The largest of the values of the last one to two minutes."""

    __slots__ = ("_before", "_clock", "_now", "_since")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: returns monotonic seconds.
        """
        self._clock = clock
        self._since = clock()
        self._now = self._before = 0.0

    def observe(self, value: float) -> None:
        """Note a value."""
        self._turn()
        self._now = max(self._now, value)

    @property
    def value(self) -> float:
        """The largest value; 0 without any."""
        age_s = self._clock() - self._since
        if age_s < WINDOW_S:
            return max(self._now, self._before)
        return self._now if age_s < 2 * WINDOW_S else 0.0

    def _turn(self) -> None:
        now = self._clock()
        if now - self._since >= WINDOW_S:
            self._before = self._now if now - self._since < 2 * WINDOW_S else 0.0
            self._now, self._since = 0.0, now


class LabeledCounter(dict[tuple[str, ...], float]):
    """Counts by labels. Labels that were not counted have 0."""

    def __missing__(self, _labels: tuple[str, ...]) -> float:
        return 0
