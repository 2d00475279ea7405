"""Whether the store works, as its last use showed. The log has one line when that ends and one when it is back."""

import time
from typing import Literal

from relay import log

_log = log.get("journal")


class Outage:
    """What is wrong with one kind of use. Used by one thread; any thread may look at `reason`."""

    def __init__(self, use: Literal["read", "write"]) -> None:
        self._use = use
        self._began_s = 0.0
        self.reason: Exception | None = None
        """Why it fails; null while it works."""

    def failed(self, reason: Exception) -> None:
        """Take note that it has failed."""
        if self.reason is None:
            self._began_s = time.monotonic()
            _log.error(f"journal.{self._use}_failed", error=str(reason))
        self.reason = reason

    def over(self) -> None:
        """Take note that it has worked."""
        if self.reason is not None:
            self.reason = None
            _log.info(f"journal.{self._use}_recovered", after_s=round(time.monotonic() - self._began_s, 3))
