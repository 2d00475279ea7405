"""What is reported of the tasks of each model: how many, how they ended, how long they took, and what they cost."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, Final, Literal

from relay.core.history.histograms import Histograms
from relay.core.history.tally import DAY_S, SUM, VERDICT, Tally, most_notable, total

_VERDICTS: Final = ("succeeded", "failed", "canceled", "lost")
_UNITS: Final[tuple[Literal["usd", "credits"], ...]] = ("usd", "credits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How many tasks ended in each way."""

    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Half of the tasks took at most `p50_s` seconds, nine of ten at most `p90_s`."""

    p50_s: float
    p90_s: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What tasks cost in one unit."""

    unit: Literal["usd", "credits"]
    total: float
    p50: float | None
    """Of the tasks that succeeded and were not free."""
    p90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is reported of some tasks of a model."""

    count: int
    verdicts: Verdicts
    success_rate: float | None
    """The share of tasks that succeeded of those that were not canceled, from 0 to 1. Null without any."""
    queue: Quantiles | None
    """How long they waited, in the relay's queue and in the platform's."""
    run: Quantiles | None
    """From the start of the run to the end of the task, of those that succeeded."""
    cost: tuple[Costs, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary(Summary):
    """What is reported of the tasks of a model that ended on one day."""

    date: str
    """As `2026-11-26`, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTask:
    """A task that ran for a long time. It may have been deleted since."""

    task: str
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task that failed or was lost. It may have been deleted since."""

    task: str
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary(Summary):
    """What is reported of the tasks of a model, with each day, newest first."""

    provider: str
    model: str
    """In lower case."""
    per_day: tuple[DaySummary, ...]
    slowest: tuple[SlowTask, ...]
    failed: tuple[FailedTask, ...]


def report(tallies: Iterable[Tally]) -> tuple[ModelSummary, ...]:
    """Summarize tallies by model; the model with the most tasks comes first."""
    by_model: dict[tuple[str, str], list[Tally]] = {}
    for tally in tallies:
        by_model.setdefault((tally.provider, tally.model), []).append(tally)
    models = [_model(provider, model, found) for (provider, model), found in by_model.items()]
    return tuple(sorted(models, key=lambda each: (-each.count, each.provider, each.model)))


def _model(provider: str, model: str, tallies: Sequence[Tally]) -> ModelSummary:
    days: dict[int, list[Tally]] = {}
    for tally in tallies:
        days.setdefault(tally.day, []).append(tally)
    slowest = most_notable(chain.from_iterable(each.slowest for each in tallies))
    failed = most_notable(chain.from_iterable(each.failed for each in tallies))
    return ModelSummary(
        **_fields(_summary(tallies)),
        provider=provider,
        model=model,
        per_day=tuple(
            DaySummary(**_fields(_summary(days[day])), date=_date(day)) for day in sorted(days, reverse=True)
        ),
        slowest=tuple(SlowTask(task=task, run_s=run_s) for run_s, task in slowest),
        failed=tuple(FailedTask(task=task, ended_at=ended_at) for ended_at, task in failed),
    )


def _fields(summary: Summary) -> dict[str, Any]:
    return {each.name: getattr(summary, each.name) for each in fields(Summary)}


def _date(day: int) -> str:
    return datetime.datetime.fromtimestamp(day * DAY_S, datetime.UTC).date().isoformat()


def _summary(tallies: Sequence[Tally]) -> Summary:
    counts = total(tally.counts for tally in tallies)
    histograms = Histograms([counts])
    verdicts = Verdicts(**{each: round(counts.get(f"{VERDICT}{each}", 0)) for each in _VERDICTS})
    judged = verdicts.succeeded + verdicts.failed + verdicts.lost
    costs = (_costs(unit, counts, histograms) for unit in _UNITS)
    return Summary(
        count=judged + verdicts.canceled,
        verdicts=verdicts,
        success_rate=round(verdicts.succeeded / judged, 4) if judged else None,
        queue=_quantiles(histograms, "queue"),
        run=_quantiles(histograms, "running"),
        cost=tuple(cost for cost in costs if cost is not None),
    )


def _quantiles(histograms: Histograms, measure: str) -> Quantiles | None:
    found = histograms.get(measure)
    if found is None:
        return None
    p50_s, p90_s = round(found.quantile(0.5), 2), round(found.quantile(0.9), 2)
    return Quantiles(p50_s=p50_s, p90_s=p90_s, samples=round(found.samples))


def _costs(unit: Literal["usd", "credits"], counts: dict[str, float], histograms: Histograms) -> Costs | None:
    if (total := counts.get(f"{SUM}{unit}")) is None:
        return None
    found = histograms.get(unit)
    p50, p90 = (None, None) if found is None else (_rounded(found.quantile(0.5)), _rounded(found.quantile(0.9)))
    return Costs(unit=unit, total=round(total, 6), p50=p50, p90=p90)


def _rounded(amount: float) -> float:
    return float(f"{amount:.3g}")
