"""What is counted of tasks that end, and their phases."""

from dataclasses import replace

import pytest

from relay.core.events import Cost, Done, Source, Stage
from relay.core.lifecycle import submit
from relay.core.snapshot import Snapshot, StageMark
from relay.tasks.counts import MODELS, OTHER, TaskCounts, phases


def ended(*stages: tuple[Stage, float], at: float = 100.0, model: str = "a/b", done: Done | None = None) -> Snapshot:
    _, snapshot = submit(task="t", model=model, provider="wiro", tags=(), epoch="e", now=0.0)
    marks = tuple(StageMark(type=stage, at=began, source=Source.LIVE) for stage, began in stages)
    return replace(snapshot, stages=marks, ended_at=at, done=done or Done(verdict="succeeded"))


def test_a_phase_lasts_until_the_next_one_begins() -> None:
    """Whatever stages it has, and the last one until the end."""
    whole = ended(
        (Stage.QUEUE, 1.0),
        (Stage.ACCEPT, 2.0),
        (Stage.PREPROCESS_START, 4.0),
        (Stage.ASSIGN, 5.0),
        (Stage.START, 10.0),
        (Stage.END, 90.0),
        (Stage.POSTPROCESS_END, 99.0),
    )
    assert [*phases(whole)] == [("queued", 3.0), ("preparing", 6.0), ("running", 80.0), ("finishing", 10.0)]
    assert [*phases(ended((Stage.START, 10.0)))] == [("running", 90.0)]
    assert [*phases(ended())] == []
    assert [*phases(replace(whole, ended_at=None, updated_at=95.0))][-1] == ("finishing", 5.0)


def test_costs_and_verdicts_are_summed() -> None:
    """By unit and by verdict."""
    counts = TaskCounts()
    for amount in (0.25, 0.5):
        counts.end(ended(done=Done(verdict="failed", cost=Cost(amount=amount, unit="usd"))))
    counts.end(ended())
    assert counts.spent == {("usd",): 0.75}
    assert counts.ended == {("wiro", "failed"): 2, ("wiro", "succeeded"): 1}


def test_the_number_of_models_is_bounded() -> None:
    """Those that come later share one series."""
    counts = TaskCounts()
    for number in range(MODELS + 5):
        counts.end(ended((Stage.START, 10.0), model=f"a/{number}"))
    assert len(counts.phases) == MODELS + 1
    assert sum(counts.phases[OTHER, "running"].counts) == 5


def test_a_task_that_goes_on_is_not_counted() -> None:
    """A task ends once."""
    with pytest.raises(AssertionError, match="has not ended"):
        TaskCounts().end(replace(ended(), done=None))
