"""Whether the store works, according to its last use. A failure and the recovery from it are each logged once."""

import time
from typing import Literal

from relay import log

_log = log.get("journal")


class Availability:
    """The state of one kind of use. Updated by one thread; `reason` may be read by any."""

    def __init__(self, use: Literal["read", "write"]) -> None:
        self.use: Literal["read", "write"] = use
        self._failed_at_s = 0.0
        self.reason: Exception | None = None
        """Why the last use failed; null if it did not."""

    def failed(self, reason: Exception) -> None:
        """Note that a use failed."""
        if self.reason is None:
            self._failed_at_s = time.monotonic()
            _log.error(f"journal.{self.use}_failed", error=str(reason))
        self.reason = reason

    def succeeded(self) -> None:
        """Note that a use succeeded."""
        if self.reason is not None:
            self.reason = None
            _log.info(f"journal.{self.use}_recovered", duration_s=round(time.monotonic() - self._failed_at_s, 3))


def failing(*uses: Availability) -> frozenset[str]:
    """Return the uses that failed last time."""
    return frozenset(each.use for each in uses if each.reason is not None)
