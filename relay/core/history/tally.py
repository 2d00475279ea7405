"""
Tallies: what is kept of the tasks of a model that ended on one day, after the tasks themselves are gone.

A tally is a map of counters and two short lists, so a store and several nodes can add tallies in any order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from relay.core.events import State
from relay.core.history.distribution import bucket_of

DAY_S: Final = 86_400.0

NOTABLE: Final = 5
"""How many of the slowest and of the failed tasks of a day are named."""

Measure = Literal["task", "queue", "queued", "preparing", "running", "finishing", "place", "silence", "usd", "credits"]
"""
What the histograms contain, of tasks that succeeded.

`task`: from `submit` to `done`. `queue`: until the task left the queue, of all tasks that did. `queued`, `preparing`,
`running` and `finishing`: from the beginning of that state to `done`. `place`: seconds per place in the relay's queue.
`silence`: the longest time without news. `usd` and `credits`: the cost. Times are in seconds.
"""

SPANS: Final[Mapping[State, Measure]] = {
    State.QUEUED: "queued",
    State.PREPARING: "preparing",
    State.RUNNING: "running",
    State.FINISHING: "finishing",
}
"""The measures of the time from the beginning of a state to the end of the task."""

PACES: Final = (10.0, 30.0, 50.0, 70.0, 90.0)
"""
The percentages at which the error of the percentage is recorded.

`pace10`: how long the work took in all, divided by how long it takes if the percentage grows as before 10 %.
"""


VERDICT: Final = "verdict:"
"""What the key of a number of tasks begins with."""

SUM: Final = "sum:"
"""What the key of a total cost begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """
    Tasks of one model and one input class that ended on one day.

    A key of `counts` is `MEASURE:BUCKET` for a histogram, `verdict:VERDICT` for a number of tasks, or `sum:UNIT` for
    the total cost.
    """

    provider: str
    model: str
    """In lower case."""
    inputs: str
    """The key of the input class."""
    day: int
    """Days since 1970-01-01, in UTC."""
    counts: Mapping[str, float]
    slowest: tuple[tuple[float, str], ...] = ()
    """The tasks that ran longest, with the time in seconds, longest first."""
    failed: tuple[tuple[float, str], ...] = ()
    """The tasks that failed or were lost, with the unix time of their end, newest first."""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What a store has one row for."""
        return self.provider, self.model, self.inputs, self.day


@dataclass(slots=True)
class Counter:
    """Collects the counts of one task."""

    counts: dict[str, float] = field(default_factory=dict)

    def add(self, measure: str, value: float | None) -> None:
        """Add a sample to a histogram. Null is no sample."""
        if value is not None and value >= 0:
            self.increase(f"{measure}:{bucket_of(value)}", 1)

    def increase(self, key: str, by: float) -> None:
        """Increase a counter."""
        self.counts[key] = self.counts.get(key, 0) + by


def merged(first: Tally, second: Tally) -> Tally:
    """Return the sum of two tallies with the same key."""
    return Tally(
        provider=first.provider,
        model=first.model,
        inputs=first.inputs,
        day=first.day,
        counts=total((first.counts, second.counts)),
        slowest=most_notable((*first.slowest, *second.slowest)),
        failed=most_notable((*first.failed, *second.failed)),
    )


def total(maps: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of maps of counters."""
    found: dict[str, float] = {}
    for counts in maps:
        for key, count in counts.items():
            found[key] = found.get(key, 0) + count
    return found


def most_notable(tasks: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Return the tasks with the highest numbers, each once, at most NOTABLE."""
    return tuple(sorted(set(tasks), reverse=True)[:NOTABLE])
