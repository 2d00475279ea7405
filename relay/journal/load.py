"""How busy a journal is: what its writer counts, and what waits for it."""

import time
from dataclasses import dataclass

from relay.counting import Histogram, RecentMaximum


class Commits:
    """The commits of a writer. `began` and `ended` are called by the writer only."""

    def __init__(self) -> None:
        self.durations = Histogram()
        """In seconds, of every commit, also of those that failed."""
        self.longest = RecentMaximum()
        self._since: float | None = None

    def began(self) -> None:
        """Note that a commit begins."""
        self._since = time.monotonic()

    def ended(self) -> None:
        """Note that the commit has ended."""
        if self._since is not None:
            duration_s = time.monotonic() - self._since
            self._since = None
            self.durations.observe(duration_s)
            self.longest.observe(duration_s)

    @property
    def running_s(self) -> float:
        """For how long the current commit has been running; 0 if there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy a journal is now."""

    queued: int = 0
    """How many writes wait for the next commit."""
    lag_s: float = 0.0
    """How far its listeners are behind the commits of other nodes."""
    failing: frozenset[str] = frozenset()
    """Which of `read` and `write` failed the last time."""
