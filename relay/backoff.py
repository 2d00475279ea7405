"""How long to wait after failures in a row."""

import random

FIRST_S, LONGEST_S = 0.5, 20.0

ASKED_LIMIT_S = 60.0
"""What is believed of a `Retry-After`: a proxy's hour must not hide a task that ends in a minute."""


def full_jitter(failures: int, *, asked_s: float | None = None) -> float:
    """
    Return a random wait below one that doubles with each failure: a thousand tasks must not come back at once.

    Args:
        failures: how many there were in a row.
        asked_s: how long the other side asked to be left alone; that comes first, up to ASKED_LIMIT_S.
    """
    spread_s: float = random.uniform(0, min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311 -- no secret
    return min(asked_s or 0.0, ASKED_LIMIT_S) + spread_s


class Bucket:
    """A token bucket: holds so many at most, and fills evenly."""

    __slots__ = ("_at", "_capacity", "_level", "_per_s")

    def __init__(self, capacity: float, per_s: float, now: float) -> None:
        """
        Args:
            capacity: how many may be taken at once.
            per_s: how many a second come back.
            now: seconds of any clock; one that goes back gives nothing.
        """
        self._capacity = capacity
        self._per_s = per_s
        self._level = capacity
        self._at = now

    def is_full(self, now: float) -> bool:
        """Say whether nothing has been taken that has not come back."""
        return self._level + max(0.0, now - self._at) * self._per_s >= self._capacity

    def take(self, now: float) -> float:
        """Take one and return 0; or take none, and return in how many seconds there is one."""
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._per_s
