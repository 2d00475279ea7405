"""How often something may be done: token buckets, which know no clock. Over the limit they say how long to wait."""

from dataclasses import dataclass

from relay.errors import Code, RequestError


class Bucket:
    """Holds so many at most, and fills evenly."""

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

    def take(self, now: float) -> float:
        """Take one and return 0; or take none, and return in how many seconds there is one."""
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._per_s


class Rate:
    """A bucket for each key. There are as many as the operator has made keys."""

    def __init__(self, per_minute: int, what: str) -> None:
        """
        Args:
            per_minute: how many one key has a minute, and at once.
            what: what is limited, in the words of a refusal.
        """
        self._per_minute = per_minute
        self._what = what
        self._buckets: dict[int, Bucket] = {}

    def __repr__(self) -> str:
        return f"<Rate {self._per_minute} {self._what} a minute, keys={len(self._buckets)}>"

    def spend(self, key: int, now: float) -> None:
        """
        Count one.

        Raises:
            RequestError: that is one too many.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._per_minute, self._per_minute / 60, now)
        if wait_s := bucket.take(now):
            detail = f"One key has {self._per_minute} {self._what} a minute; wait a moment."
            raise RequestError(Code.RATE_LIMITED, detail, retry_after_s=wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the keys may do how often."""

    starts: Rate
    mints: Rate
