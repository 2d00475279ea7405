"""What is reported of a model: its tasks by verdict and day, their times and their cost."""

import pytest

from relay.core.history.report import Costs, FailedTask, SlowTask, Verdicts, report
from relay.core.history.tally import Counter, Tally

DAY = 20_783  # 2026-11-26


def tally(verdict: str, *, model: str = "o/m", day: int = DAY, task: str = "t", **amounts: float) -> Tally:
    """Return the tally of one task, with a sample of each measure."""
    counter = Counter()
    counter.increase(f"verdict:{verdict}", 1)
    for measure, amount in amounts.items():
        counter.add(measure, amount)
        if measure in ("usd", "credits"):
            counter.increase(f"sum:{measure}", amount)
    return Tally(
        provider="wiro",
        model=model,
        inputs="",
        day=day,
        counts=counter.counts,
        slowest=((amounts["running"], task),) if "running" in amounts else (),
        failed=((day * 86_400.0, task),) if verdict in ("failed", "lost") else (),
    )


def test_nothing_is_reported_without_tallies() -> None:
    """No model has had a task."""
    assert report(()) == ()


def test_the_tasks_of_a_model_are_summed_up() -> None:
    """The verdicts of all; the success rate without the canceled ones; times and costs of the successful ones."""
    (found,) = report(
        [
            *[tally("succeeded", queue=2.0, running=10.0, usd=0.5)] * 3,
            tally("failed", queue=2.0),
            tally("lost"),
            tally("canceled"),
        ]
    )

    assert (found.provider, found.model, found.count) == ("wiro", "o/m", 6)
    assert found.verdicts == Verdicts(succeeded=3, failed=1, lost=1, canceled=1)
    assert found.success_rate == 0.6
    assert found.queue is not None
    assert found.run is not None
    assert (found.queue.samples, found.run.samples) == (4, 3)
    assert (found.queue.p50_s, found.run.p50_s) == pytest.approx((2, 10), rel=0.02)
    assert found.run.p50_s <= found.run.p90_s
    (cost,) = found.cost
    assert (cost.unit, cost.total) == ("usd", 1.5)
    assert cost.p50 == pytest.approx(0.5, rel=0.02)


def test_what_is_not_known_is_null() -> None:
    """No rate without a verdict on the model, no times without a run, and no quantiles of runs that were all free."""
    (found,) = report([tally("canceled")])
    assert (found.success_rate, found.queue, found.run, found.cost) == (None, None, None, ())
    free = Tally(provider="wiro", model="o/m", inputs="", day=DAY, counts={"verdict:succeeded": 1, "sum:credits": 0.0})
    assert report([free])[0].cost == (Costs(unit="credits", total=0.0, p50=None, p90=None),)


def test_days_are_reported_apart_newest_first() -> None:
    """With the slowest and the failed tasks of all of them."""
    (found,) = report(
        [
            tally("succeeded", day=DAY - 1, task="slow", running=90.0),
            tally("succeeded", day=DAY, task="quick", running=10.0),
            tally("failed", day=DAY, task="bad"),
        ]
    )

    assert [(day.date, day.count, day.success_rate) for day in found.per_day] == [
        ("2026-11-26", 2, 0.5),
        ("2026-11-25", 1, 1.0),
    ]
    assert found.slowest == (SlowTask(task="slow", run_s=90.0), SlowTask(task="quick", run_s=10.0))
    assert found.failed == (FailedTask(task="bad", ended_at=DAY * 86_400.0),)


def test_the_model_with_the_most_tasks_comes_first() -> None:
    """Then by name."""
    found = report([tally("failed", model="o/b"), tally("failed", model="o/a"), *[tally("failed", model="o/z")] * 2])
    assert [(each.model, each.count) for each in found] == [("o/z", 2), ("o/a", 1), ("o/b", 1)]
