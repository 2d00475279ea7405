"""What is reported of the usage: how many tasks, how they ended, how long they ran, and what they cost. Pure."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.history.tally import DAY_S, VERDICT, total
from relay.core.spending import COST, Unit, Use

By = Literal["day", "tag", "model", "key"]

_UNITS: Final[tuple[Unit, ...]] = ("usd", "credits")
_FAILURES: Final = ("failed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What tasks cost in one unit."""

    unit: Unit
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSummary:
    """What is reported of the tasks of a day, tag, model or API key that ended in a period."""

    name: str
    """The day as `2026-11-26`, the tag, the model in lower case, or the name of the key, which may be empty."""
    provider: str | None
    """Of a model; otherwise null."""
    count: int
    failures: int
    """How many of them failed or were lost."""
    cost: tuple[Amount, ...]
    unknown_costs: int
    """How many of them the platform has named no cost for. They are not in `cost`."""
    run_s: float
    """How long all of them ran, from `start` to the end, in seconds."""


def summarize(uses: Iterable[Use], by: By) -> tuple[UsageSummary, ...]:
    """Sum up uses, those by tag for `tag` and those of all tasks otherwise. Days are newest first, the rest by name."""
    sums: dict[tuple[str, str | None], Mapping[str, float]] = {}
    for use in uses:
        place = _PLACES[by](use)
        sums[place] = total([sums.get(place, {}), use.counts])
    ordered = sorted(sums, key=lambda place: (place[0], place[1] or ""), reverse=by == "day")
    return tuple(_summary(*place, sums[place]) for place in ordered)


_PLACES: Final[Mapping[By, Callable[[Use], tuple[str, str | None]]]] = {
    "day": lambda use: (day_of(use.day), None),
    "tag": lambda use: (use.tag, None),
    "model": lambda use: (use.model, use.provider),
    "key": lambda use: (use.key, None),
}


def day_of(day: int) -> str:
    """Return a day, which counts from 1970-01-01, as `2026-11-26`."""
    return datetime.datetime.fromtimestamp(day * DAY_S, datetime.UTC).date().isoformat()


def _summary(name: str, provider: str | None, counts: Mapping[str, float]) -> UsageSummary:
    return UsageSummary(
        name=name,
        provider=provider,
        count=round(counts.get("count", 0)),
        failures=round(sum(counts.get(VERDICT + verdict, 0) for verdict in _FAILURES)),
        cost=tuple(Amount(unit=unit, total=round(counts[COST + unit], 6)) for unit in _UNITS if COST + unit in counts),
        unknown_costs=round(counts.get("unknown_cost", 0)),
        run_s=round(counts.get("run_s", 0.0), 3),
    )
