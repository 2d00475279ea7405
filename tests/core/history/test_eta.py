"""How long a task still needs: by earlier runs that lasted as long, and by its percentage."""

import pytest

from relay.core.codec import decode_event, encode_event
from relay.core.events import Event, Output, Progress, Source, Stage, State
from relay.core.history.input_class import input_class
from relay.core.history.tally import Counter, Tally
from relay.core.history.task_times import TaskTimes
from relay.core.history.usual import ModelHistory
from relay.core.lifecycle import Lifecycle, submit
from relay.core.schedule import TimeLimits
from relay.core.signals import (
    Accepted,
    EndSeen,
    Held,
    LogSeen,
    ProgressSeen,
    Record,
    RecordRead,
    Released,
    Signal,
    StageSeen,
    StreamOpened,
)

OUTPUT = Output(content_type="image/png", url="https://example.com/0.png")
DONE = RecordRead(record=Record(phase="finished", status="end", exit_code=0, outputs=(OUTPUT,)))


def history(*runs: dict[str, float]) -> ModelHistory:
    """Return a history of runs, each with the values of its measures."""
    tallies = []
    for measures in runs:
        counter = Counter()
        counter.increase("verdict:succeeded", 1)
        for measure, value in measures.items():
            counter.add(measure, value)
        tallies.append(Tally(provider="p", model="o/m", inputs="", day=0, counts=counter.counts))
    return ModelHistory(0, tallies)


class Run:
    """A task whose input is empty, from second 0 on."""

    def __init__(self, known: ModelHistory) -> None:
        _, snapshot = submit(task="t", model="o/m", provider="p", tags=(), epoch="e", now=0.0)
        self.events: list[Event] = []
        self.lifecycle = Lifecycle(snapshot, 0.0, times=TaskTimes(snapshot, known, input_class({})))
        self.now = 0.0

    def at(self, now: float, *signals: Signal) -> "Run":
        self.now = now
        for signal in signals:
            self.events += self.lifecycle.receive(signal, now)
        self.events += self.lifecycle.handle_deadline(now)
        return self

    @property
    def left(self) -> tuple[float, float, str] | None:
        """What a viewer shows now."""
        eta = self.lifecycle.snapshot.eta
        if eta is None:
            return None
        return eta.at + eta.p50_s - self.now, eta.at + eta.p90_s - self.now, eta.basis

    def check_left(self, p50_s: float, p90_s: float, basis: str) -> None:
        assert self.left is not None
        assert self.left[:2] == pytest.approx((p50_s, p90_s), rel=0.03, abs=2)
        assert self.left[2] == basis


def started(known: ModelHistory) -> Run:
    """Return a run that started at second 10."""
    run = Run(known).at(0.0, Accepted(upstream_id="1"), StreamOpened())
    return run.at(10.0, StageSeen(stage=Stage.START))


def percent(value: float) -> ProgressSeen:
    return ProgressSeen(progress=Progress(percent=value))


TEN_TO_HUNDRED = [{"running": float(seconds), "queued": seconds + 10.0} for seconds in range(10, 101)]


def test_nothing_is_known_without_runs() -> None:
    """And nothing is written."""
    run = started(ModelHistory())
    assert run.left is None
    assert all(event.eta is None for event in run.events)


def test_a_started_task_needs_what_earlier_runs_needed() -> None:
    """The whole task: from here to its end."""
    started(history(*TEN_TO_HUNDRED)).check_left(55, 91, "history")


def test_a_task_that_has_lasted_is_compared_with_runs_that_lasted_as_long() -> None:
    """Of the runs that took more than 80 s, half took less than 90 s. Later, the estimate is never below zero."""
    run = started(history(*TEN_TO_HUNDRED)).at(90.0, percent(1))
    run.check_left(10, 18, "history")
    run.at(410.0, percent(2)).check_left(40, 200, "history")


def test_a_percentage_alone_is_an_estimate_of_the_platform() -> None:
    """If it has grown enough to tell."""
    run = started(ModelHistory()).at(11.0, percent(5))
    assert run.left is None
    run.at(20.0, percent(50)).check_left(10, 15, "platform")
    before = run.lifecycle.snapshot.eta
    assert run.at(30.0, percent(100)).lifecycle.snapshot.eta == before  # another phase may follow


def test_a_percentage_is_corrected_by_earlier_runs() -> None:
    """The model shows 50 % when a quarter of the work is done."""
    known = history(*[{"running": float(seconds), "pace50": 2.0, "finishing": 1.0} for seconds in range(10, 101)])
    started(known).at(20.0, percent(50)).check_left(31, 31, "blend")


def test_a_model_without_later_phases_ends_with_its_work() -> None:
    """The percentage is right: 10 s of work are left, and nothing follows."""
    known = history(*[each | {"pace50": 1.0} for each in TEN_TO_HUNDRED])
    started(known).at(20.0, percent(50)).check_left(10, 10, "blend")


def test_a_percentage_at_the_start_says_nothing_of_the_pace() -> None:
    """No time has passed: the pace is noted with the next percentage."""
    run = started(history(*TEN_TO_HUNDRED)).at(10.0, percent(50)).at(20.0, percent(60))
    run.at(30.0, EndSeen(how="finished", outputs=(OUTPUT,)), DONE)
    tally = run.lifecycle.tally()
    assert tally is not None
    found = ModelHistory(0, [tally] * 3).usual(input_class({})).get("pace50")
    assert found is not None
    assert found.quantile(0.5) == pytest.approx(1.2, rel=0.03)  # 20 s, and not 10 s for 60 %


def test_small_changes_and_other_events_carry_no_estimate() -> None:
    """An event without one spends no bytes on it."""
    run = started(history(*[{"running": 40.0 + number / 10} for number in range(9)]))
    count = sum(event.eta is not None for event in run.events)
    for second in range(12, 30):
        run.at(float(second), LogSeen(stream="stdout", text="x"), percent(2.5 * (second - 10)))
    assert sum(event.eta is not None for event in run.events) <= count + 1
    plain = next(event for event in run.events if event.eta is None)
    assert b"eta" not in encode_event(plain)
    with_eta = next(event for event in run.events if event.eta is not None)
    assert decode_event(encode_event(with_eta)) == with_eta


def test_a_held_task_waits_for_its_place_first() -> None:
    """Seconds per place, times the place, plus a run. Sent at last, the wait is counted for others."""
    run = Run(history(*[{"place": 20.0, "queued": 60.0}] * 9)).at(0.0, Held(reason="full", position=3))
    assert run.left is not None
    assert run.left[0] == pytest.approx(120, rel=0.03)
    run.at(30.0, Held(reason="full", position=1))
    assert run.left[0] == pytest.approx(80, rel=0.03)
    run.at(60.0, Released(), Accepted(upstream_id="1"), StreamOpened(), StageSeen(stage=Stage.START))
    run.at(90.0, EndSeen(how="finished", outputs=(OUTPUT,)), DONE)
    tally = run.lifecycle.tally()
    assert tally is not None
    counted = ModelHistory(0, [tally] * 3).usual(input_class({}))
    place, queued = counted.get("place"), counted.get("queued")
    assert place is not None
    assert place.quantile(0.5) == pytest.approx(20, rel=0.03)
    assert queued is not None
    assert queued.quantile(0.5) == pytest.approx(30, rel=0.03)


def test_nothing_is_known_of_a_queue_that_has_not_moved() -> None:
    """Neither the seconds per place, nor the run."""
    assert Run(history(*TEN_TO_HUNDRED)).at(0.0, Held(reason="full", position=3)).left is None


def test_a_task_is_counted_once_it_has_ended() -> None:
    """Its verdict, and its times if it succeeded. It has no estimate any more."""
    run = started(history(*TEN_TO_HUNDRED))
    assert run.lifecycle.tally() is None
    run.at(30.0, percent(50)).at(50.0, EndSeen(how="finished", outputs=(OUTPUT,)), DONE)
    tally = run.lifecycle.tally()
    assert run.left is None
    assert tally is not None
    assert tally.counts["verdict:succeeded"] == 1
    measures = {key.split(":")[0] for key in tally.counts}
    assert measures == {"verdict", "task", "queue", "queued", "running", "silence", "pace50"}
    assert tally.slowest == ((40.0, "t"),)


def test_an_attached_task_is_not_counted() -> None:
    """Its beginning was not seen."""
    _, snapshot = submit(task="t", model="o/m", provider="p", tags=(), epoch="e", now=0.0)
    lifecycle = Lifecycle(snapshot, 0.0, times=TaskTimes(snapshot, history(*TEN_TO_HUNDRED)))
    lifecycle.receive(Accepted(upstream_id="1"), 0.0)
    lifecycle.receive(DONE, 50.0)
    assert lifecycle.snapshot.state is State.SUCCEEDED
    assert lifecycle.tally() is None


@pytest.mark.parametrize(
    ("usual_s", "limit_s"), [(0, 60), (20, 60), (100, 150), (10_000, 600)], ids=["unknown", "short", "long", "far"]
)
def test_a_model_that_is_usually_silent_is_stalled_later(usual_s: float, limit_s: float) -> None:
    """Never sooner than configured, and at most ten times as late."""
    known = history(*[{"silence": usual_s, "running": 1e6}] * 20) if usual_s else ModelHistory()
    run = started(known)
    alive = RecordRead(record=Record(phase="open", status="task_output"), source=Source.RECONCILED)
    assert TimeLimits().silence_s == 60
    run.at(10 + limit_s * 0.95, alive)
    assert run.lifecycle.snapshot.stall is None
    run.at(10 + limit_s * 1.05, alive)
    assert run.lifecycle.snapshot.stall is not None
