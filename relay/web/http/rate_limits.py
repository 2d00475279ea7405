"""Rate limits of API calls. A rejection states when to retry."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil

from relay.backoff import Bucket as Bucket
from relay.errors import Code, RequestError

MAX_BUCKETS = 10_000
"""Beyond this number, full buckets are dropped: a new bucket would be equal to them."""


class RateLimit:
    """A token bucket for each API key, or for each task or tag of viewer tokens."""

    def __init__(self, per_minute: int, what: str, per: str) -> None:
        """
        Args:
            per_minute: the rate, and the size of a burst.
            what: what is limited, in the plural, for messages.
            per: what each bucket belongs to, in the singular, for messages.
        """
        self._per_minute = per_minute
        self._what = what
        self._per = per
        self._buckets: dict[Hashable, Bucket] = {}

    def __repr__(self) -> str:
        return f"<RateLimit {self._per_minute} {self._what} per minute per {self._per}, buckets={len(self._buckets)}>"

    def spend(self, key: Hashable, now: float) -> None:
        """
        Take a token from the bucket of `key`; `now` is in seconds.

        Raises:
            RequestError: the rate limit is exceeded.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._buckets = {name: each for name, each in self._buckets.items() if not each.is_full(now)}
            bucket = self._buckets[key] = Bucket(self._per_minute, self._per_minute / 60, now)
        if wait_s := bucket.take(now):
            rate = f"{self._per_minute} {self._what} per minute per {self._per}"
            detail = f"Rate limit exceeded: {rate}. Retry in {ceil(wait_s)} s."
            raise RequestError(Code.RATE_LIMITED, detail, retry_after_s=wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The rate limits of the API."""

    starts: RateLimit
    """By API key, or by the tag of start tokens."""
    start_addresses: RateLimit
    """Starts with start tokens, by the address of the client."""
    mints: RateLimit
    """By API key."""
    cancels: RateLimit
    """Cancellations with viewer tokens, by the task or tag of the token."""
