"""
Durations and amounts in buckets on a logarithmic scale, so that any number of samples takes little space.

A bucket is 2 % wide: the error of a quantile is at most 1 % of its value.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

WIDTH: Final = math.log(1.02)

SMALLEST: Final = 1e-6
"""Everything below is counted as this much, as zero has no logarithm."""


def bucket_of(value: float) -> int:
    """Return the bucket of a value."""
    return round(math.log(max(value, SMALLEST)) / WIDTH)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A weighted histogram. Make it with `of`, which needs a positive weight."""

    buckets: tuple[float, ...]
    """Their numbers, ascending. A histogram that was scaled has fractions between them."""
    below: tuple[float, ...]
    """The weight up to the end of each bucket."""
    samples: float
    """The number of samples, without their weights."""

    @classmethod
    def of(cls, weights: Mapping[float, float], samples: float) -> "Distribution":
        """Return a histogram with the weight of each bucket."""
        buckets = tuple(sorted(bucket for bucket, weight in weights.items() if weight > 0))
        return cls(buckets, tuple(accumulate(weights[bucket] for bucket in buckets)), samples)

    def quantile(self, share: float) -> float:
        """
        Return the value that `share` of the samples do not exceed.

        It is the value that the next sample does not exceed with that probability: few samples rarely contain the
        extremes, so a share above one half is raised.

        Args:
            share: between 0 and 1.
        """
        return self._quantile(share, 0.0)

    def quantile_beyond(self, value: float, share: float) -> float | None:
        """Return a quantile of the samples above a value; null if there are none."""
        skipped = self._weight_to(value) if value > 0 else 0.0
        if self.below[-1] - skipped <= 1e-9 * self.below[-1]:
            return None
        return max(value, self._quantile(share, skipped))

    def _quantile(self, share: float, skipped: float) -> float:
        """Return a quantile of the samples without the lowest ones, which have the weight `skipped`."""
        left = self.below[-1] - skipped
        samples = max(1.0, self.samples * left / self.below[-1])
        wanted = skipped + left * min(1.0, max(0.0, (share * (samples + 1) - 0.5) / samples))
        at = min(bisect_left(self.below, wanted), len(self.below) - 1)
        start = self.below[at - 1] if at else 0.0
        inside = (wanted - start) / (self.below[at] - start)
        return math.exp((self.buckets[at] - 0.5 + inside) * WIDTH)

    def _weight_to(self, value: float) -> float:
        """Return the weight of all samples up to a value."""
        position = math.log(max(value, SMALLEST)) / WIDTH + 0.5
        at = bisect_left(self.buckets, position)  # buckets before `at` begin below the value
        if at == 0:
            return 0.0
        start = self.below[at - 2] if at > 1 else 0.0
        inside = min(1.0, position - self.buckets[at - 1])
        return start + inside * (self.below[at - 1] - start)


def scaled(bucket: float, factor: float) -> float:
    """Return the bucket of a value multiplied by a factor."""
    return bucket + math.log(factor) / WIDTH
