"""Backoff after consecutive failures, and token buckets for rate limits."""

import random

FIRST_S, LONGEST_S = 0.5, 20.0

ASKED_LIMIT_S = 60.0
"""The longest `Retry-After` that is honored. A proxy may ask for an hour while a task ends within a minute."""


def full_jitter(failures: int, *, asked_s: float | None = None) -> float:
    """
    Return a random delay in seconds (full jitter), whose upper bound doubles with each failure.

    The randomness spreads the retries of many tasks. See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    Args:
        failures: the number of consecutive failures.
        asked_s: the delay that the server requested; it is added, up to ASKED_LIMIT_S.
    """
    spread_s: float = random.uniform(0, min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16)))  # noqa: S311 -- no secret
    return min(asked_s or 0.0, ASKED_LIMIT_S) + spread_s


class Bucket:
    """A token bucket."""

    __slots__ = ("_at", "_capacity", "_level", "_per_s")

    def __init__(self, capacity: float, per_s: float, now: float) -> None:
        """
        Args:
            capacity: the size of the bucket, which is the largest burst.
            per_s: tokens added per second.
            now: seconds of any clock. A clock that moves backwards adds no tokens.
        """
        self._capacity = capacity
        self._per_s = per_s
        self._level = capacity
        self._at = now

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is full at `now`."""
        return self._level + max(0.0, now - self._at) * self._per_s >= self._capacity

    def take(self, now: float) -> float:
        """Take a token and return 0; if there is none, return the seconds until the next one."""
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._per_s
