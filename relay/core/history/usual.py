"""
What is usual for a model: its histograms, for a given input.

The runs with the same input class count, if there are enough of them. Otherwise all runs of the model do, each scaled
by how much more or less is made now.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from relay.core.history.distribution import Distribution, scaled
from relay.core.history.histograms import Histograms
from relay.core.history.input_class import InputClass, class_of_key
from relay.core.history.tally import PACES, SPANS, VERDICT, Tally

HALF_LIFE_DAYS: Final = 14.0
"""The weight of a run halves in this time: platforms change."""

ENOUGH: Final = 5
"""How many runs of the same input class are enough to regard no others."""

FEWEST: Final = 3
"""With fewer runs than this, nothing is known."""

SILENCE_FACTOR: Final = 1.5
"""How many times longer a run may be silent than the longest silence of nine in ten runs."""

CLASSES: Final = 50
"""How many input classes of a model are counted apart. Further ones are counted by their numbers only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualCost:
    """What runs cost, in one unit."""

    p50: float
    p90: float
    unit: Literal["usd", "credits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualRun:
    """How long a run takes from the moment at which it is sent, in seconds, and what it costs."""

    p50_s: float
    p90_s: float
    samples: int
    cost: UsualCost | None


def usual_run(get: Callable[[str], Distribution | None]) -> UsualRun | None:
    """Return how long runs take and what they cost, by their histograms; null if that is not known."""
    times = get("queued") or get("task")
    if times is None:
        return None
    p50_s, p90_s = round(times.quantile(0.5), 1), round(times.quantile(0.9), 1)
    return UsualRun(p50_s=p50_s, p90_s=p90_s, samples=round(times.samples), cost=_cost(get))


class Usual:
    """The histograms of a model for one input. Each is made when it is first asked for."""

    def __init__(self, classes: Mapping[str, "_Class"], wanted: InputClass) -> None:
        self._classes = classes
        self._wanted = wanted
        self._made: dict[str, Distribution | None] = {}
        self._growths: dict[str, float] = {}

    def get(self, measure: str) -> Distribution | None:
        """Return the histogram of a measure; null with fewer than FEWEST samples."""
        if measure not in self._made:
            self._made[measure] = _known(self._make(measure))
        return self._made[measure]

    def run(self) -> UsualRun | None:
        """Return how long the run takes, and what it costs; null if that is not known."""
        return usual_run(self.get)

    @cached_property
    def silence_s(self) -> float:
        """How long a run may be silent; 0 if that is not known."""
        found = self.get("silence")
        return 0.0 if found is None else SILENCE_FACTOR * found.quantile(0.9)

    def _growth(self, measure: str) -> float:
        """
        Return the power of the number of units with which a measure grows: 0 if it does not, 1 if it is proportional.

        It is fitted to the input classes with enough runs. Without two such classes, 1 is assumed.
        """
        grows_with = measure if measure in _UNITS else "running"
        if grows_with not in self._growths:
            self._growths[grows_with] = _fitted_power(
                [
                    (each.units, found.quantile(0.5), found.samples)
                    for each in self._classes.values()
                    if (found := _known(each.histograms.get(grows_with))) is not None
                ]
            )
        return self._growths[grows_with]

    def _make(self, measure: str) -> Distribution | None:
        same = self._classes.get(self._wanted.key)
        exact = None if same is None else same.histograms.get(measure)
        if exact is not None and exact.samples >= ENOUGH:
            return exact
        weights: dict[float, float] = {}
        samples = 0.0
        for each in self._classes.values():
            if (found := each.histograms.get(measure)) is None:
                continue
            factor = each.factor(measure, (self._wanted.units / each.units) ** self._growth(measure))
            start = 0.0
            for bucket, below in zip(found.buckets, found.below, strict=True):
                place = scaled(bucket, factor)
                weights[place] = weights.get(place, 0.0) + below - start
                start = below
            samples += found.samples
        return Distribution.of(weights, samples) if samples else None


class ModelHistory:
    """The tallies of one model. `replace` and `add` keep it up to date."""

    def __init__(self, today: int = 0, tallies: Iterable[Tally] = ()) -> None:
        """Take tallies, as they are on the day `today`. It takes half a second for 60 000 runs."""
        self._classes: dict[str, _Class] = {}
        self._whole = Histograms()
        self._usual: dict[str, Usual] = {}
        self._runs = 0.0
        self._added = 0
        for tally in tallies:
            self._count(tally, 0.5 ** (max(0, today - tally.day) / HALF_LIFE_DAYS))

    def replace(self, other: "ModelHistory") -> None:
        """Take what another history has. That one must not be used any more."""
        vars(self).update(vars(other))

    def add(self, tally: Tally) -> None:
        """Add the tally of a task that has just ended. It changes what is usual once such tasks are 2 % of all."""
        self._count(tally, 1.0)
        self._added += 1
        if self._added * 50 >= self._runs:
            self._added = 0
            self._usual = {}

    def usual(self, wanted: InputClass) -> Usual:
        """Return what is usual for an input."""
        if (found := self._usual.get(wanted.key)) is None:
            found = self._usual[wanted.key] = Usual(self._classes, wanted)
        return found

    def run(self) -> UsualRun | None:
        """Return how long runs take and what they cost, with any input; null if that is not known."""
        return usual_run(lambda measure: _known(self._whole.get(measure)))

    def counted_as(self, wanted: InputClass) -> str:
        """Return the key of the class under which a run with this input is counted."""
        has_room = wanted.key in self._classes or len(self._classes) < CLASSES
        return wanted.key if has_room else wanted.coarse

    def _count(self, tally: Tally, weight: float) -> None:
        if (known := self._classes.get(tally.inputs)) is None:
            known = self._classes[tally.inputs] = _Class(class_of_key(tally.inputs).units, Histograms())
        known.histograms.add(tally.counts, weight)
        self._whole.add(tally.counts, weight)
        self._runs += sum(count for key, count in tally.counts.items() if key.startswith(VERDICT))


_UNITS: Final[tuple[Literal["usd", "credits"], ...]] = ("usd", "credits")
_FIXED: Final = frozenset({"queue", "place", "silence", "finishing", *(f"pace{pace:g}" for pace in PACES)})
"""The measures that do not grow with the number of units."""


@dataclass(slots=True)
class _Class:
    """The histograms of one input class."""

    units: float
    histograms: Histograms

    def factor(self, measure: str, more: float) -> float:
        """
        Return how many times longer a run takes, or how many times more it costs, whose work takes `more` times longer.

        Of the time from an earlier state to the end, only the share that the work has grows.
        """
        if measure in _FIXED:
            return 1.0
        if measure not in (*SPANS.values(), "task"):
            return more
        whole, work = self.histograms.get(measure), self.histograms.get("running")
        if whole is None or work is None:
            return more
        return max(0.01, 1 + (more - 1) * min(1.0, work.quantile(0.5) / whole.quantile(0.5)))


def _known(found: Distribution | None) -> Distribution | None:
    """Return a histogram unless it has too few samples."""
    return found if found is not None and found.samples >= FEWEST else None


def _cost(get: Callable[[str], Distribution | None]) -> UsualCost | None:
    """Return what runs cost, in the unit in which most of them are paid."""
    costs = {unit: found for unit in _UNITS if (found := get(unit)) is not None}
    if not costs:
        return None
    unit = max(costs, key=lambda unit: costs[unit].samples)
    return UsualCost(p50=_rounded(costs[unit].quantile(0.5)), p90=_rounded(costs[unit].quantile(0.9)), unit=unit)


def _fitted_power(points: list[tuple[float, float, float]]) -> float:
    """Return the power of a positive `x` with which a positive `y` grows, from points (x, y, weight)."""
    logs = [(math.log(x), math.log(y), weight) for x, y, weight in points]
    total = sum(weight for _, _, weight in logs)
    if len({x for x, _, _ in logs}) < 2:
        return 1.0
    mean_x = sum(x * weight for x, _, weight in logs) / total
    mean_y = sum(y * weight for _, y, weight in logs) / total
    slope = sum((x - mean_x) * (y - mean_y) * weight for x, y, weight in logs)
    return min(1.5, max(0.0, slope / sum((x - mean_x) ** 2 * weight for x, _, weight in logs)))


def _rounded(amount: float) -> float:
    return float(f"{amount:.3g}")
