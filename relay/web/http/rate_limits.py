"""How often something may be done over the API. Beyond that the answer says how long to wait."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil

from relay.backoff import Bucket as Bucket
from relay.errors import Code, RequestError

MOST_BUCKETS = 10_000
"""With more, those that are full are dropped: a new one would be the same."""


class Rate:
    """A bucket for each API key, or for each task or tag that viewer tokens name."""

    def __init__(self, per_minute: int, what: str) -> None:
        """
        Args:
            per_minute: how many are allowed a minute, and at once.
            what: what is limited and for whom, in the words of a refusal.
        """
        self._per_minute = per_minute
        self._what = what
        self._buckets: dict[Hashable, Bucket] = {}

    def __repr__(self) -> str:
        return f"<Rate {self._per_minute} {self._what} a minute, buckets={len(self._buckets)}>"

    def spend(self, key: Hashable, now: float) -> None:
        """
        Count one.

        Raises:
            RequestError: that is one too many.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets = {name: each for name, each in self._buckets.items() if not each.is_full(now)}
            bucket = self._buckets[key] = Bucket(self._per_minute, self._per_minute / 60, now)
        if wait_s := bucket.take(now):
            detail = f"Rate limit exceeded: {self._per_minute} {self._what} a minute. Retry in {ceil(wait_s)} s."
            raise RequestError(Code.RATE_LIMITED, detail, retry_after_s=wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often callers may do what."""

    starts: Rate
    """By API key."""
    mints: Rate
    """By API key."""
    cancels: Rate
    """Those of viewers, by the task or the tag of their tokens."""
