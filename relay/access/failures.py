"""
Counts failed authentications, so that a client that causes many of them fills neither the log nor the store.

In each window, the first failure of each of a few addresses is reported at once. At its end, the further ones are
reported as counts: one for each of these addresses, and one for all others.
"""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_S = 60.0

ADDRESSES = 10
"""How many addresses are reported by themselves in a window."""


class Repeated(NamedTuple):
    """Failures that have not been reported."""

    address: str | None
    """Null: of several addresses."""
    times: int


class Failures:
    """The failed authentications of the current window."""

    def __init__(self) -> None:
        self._counts: dict[str | None, int] = {}
        self._others = 0
        self._ends_at = 0.0

    def __bool__(self) -> bool:
        """Return whether a window has begun and is not over."""
        return bool(self._counts)

    def note(self, address: str | None, now: float) -> bool:
        """Count a failure at a time of any clock, in seconds. Return whether to report it at once."""
        if not self._counts:
            self._ends_at = now + WINDOW_S
        if address not in self._counts and len(self._counts) >= ADDRESSES:
            self._others += 1
            return False
        self._counts[address] = self._counts.get(address, 0) + 1
        return self._counts[address] == 1

    def due(self, now: float) -> Sequence[Repeated]:
        """Return the further failures if the window is over, and end it."""
        return self.end() if self._counts and now >= self._ends_at else ()

    def end(self) -> Sequence[Repeated]:
        """End the window, and return the further failures."""
        counts, others, self._counts, self._others = self._counts, self._others, {}, 0
        repeated = [Repeated(address, count - 1) for address, count in counts.items() if count > 1]
        return [*repeated, Repeated(None, others)] if others else repeated
