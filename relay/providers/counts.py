"""What is counted of the calls to one platform."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Literal

from relay.counting import Histogram, LabeledCounter

Outcome = Literal[
    "ok", "refused", "unauthorized", "rate_limited", "server_error", "unavailable", "unclear", "interrupted"
]

FAILURES: Final[frozenset[Outcome]] = frozenset({"server_error", "unavailable", "unclear"})
"""The outcomes that mean that the platform does not work, and not that it refuses this call."""


class UpstreamCounts:
    """The calls to one platform since the start of the process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            clock: returns unix seconds.
        """
        self._clock = clock
        self.calls = LabeledCounter()
        """By endpoint and outcome."""
        self.durations: defaultdict[str, Histogram] = defaultdict(Histogram)
        """In seconds, by endpoint."""
        self.succeeded_at = clock()
        """When a call was answered last, in unix seconds. Before the first one, when this process started."""
        self.failed_at: float | None = None
        """When a call failed last, in unix seconds."""

    def called(self, endpoint: str, outcome: Outcome, duration_s: float) -> None:
        """Count a call."""
        self.calls[endpoint, outcome] += 1
        self.durations[endpoint].observe(duration_s)
        if outcome in FAILURES:
            self.failed_at = self._clock()
        elif outcome != "interrupted":
            self.succeeded_at = self._clock()


def outcome_of(status: int) -> Outcome:
    """Return the outcome of a call that was answered with this HTTP status."""
    if status in (401, 403):
        return "unauthorized"
    if status == 429:
        return "rate_limited"
    if status >= 500:
        return "server_error"
    return "refused" if status >= 400 else "ok"
