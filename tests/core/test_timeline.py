"""The times of a task: how those of a record are corrected and ordered."""

from relay.core.events import Began, Event, Source, Stage, State, Submit
from relay.core.platform_clock import PlatformClock
from relay.core.signals import Record
from relay.core.snapshot import Snapshot, apply, begin
from relay.core.timeline import Timeline, first_moment

T0 = 1_700_000_000.0


def snapshot(*stages: tuple[Stage, float]) -> Snapshot:
    data = Submit(model="o/m", provider="wiro")
    event = Event(type="submit", task="t", seq=1, state=State.SUBMITTING, at=T0, source=Source.RELAY, data=data)
    state = begin(event, "epoch")
    for seq, (stage, at) in enumerate(stages, 2):
        event = Event(type=stage.value, task="t", seq=seq, state=State.RUNNING, at=at, source=Source.LIVE, data=Began())
        state = apply(state, event)
    return state


def record(ended_at: float | None = None, dated_at: float | None = None, **stages: float) -> Record:
    times = {Stage(name): at for name, at in stages.items()}
    return Record(phase="open", status="x", stages=times, ended_at=ended_at, dated_at=dated_at)


def test_a_clock_that_is_ahead_is_corrected_by_the_date_of_an_answer() -> None:
    """A platform whose clock is 100 s ahead dates its answer and the stage in it 100 s too late."""
    timeline, state = Timeline(PlatformClock(), T0), snapshot()
    read = record(dated_at=T0 + 110, start=T0 + 105)

    timeline.observe(read, state, asked_at=T0 + 9.9, now=T0 + 10)

    assert abs(timeline.stage_at(Stage.START, read, state, T0 + 10) - (T0 + 5)) <= 1


def test_a_stage_is_dated_between_its_neighbours_in_the_record() -> None:
    """Frames dated the stages before and after it, so a wrong clock cannot move it out of their order."""
    timeline = Timeline(PlatformClock(), T0)
    state = snapshot((Stage.QUEUE, T0 + 2), (Stage.START, T0 + 4))

    for at in (1.0, 5.0):
        read = record(queue=T0 + at - 0.1, accept=T0 + at, start=T0 + at + 0.1)
        assert T0 + 2 <= timeline.stage_at(Stage.ACCEPT, read, state, T0 + 10) <= T0 + 4


def test_a_stage_that_the_record_does_not_date_is_dated_now() -> None:
    """The status can name a stage without its time."""
    assert Timeline(PlatformClock(), T0).stage_at(Stage.START, record(), snapshot(), T0 + 3) == T0 + 3


def test_the_first_terminal_frame_dates_the_end() -> None:
    """A later frame and the record do not change that."""
    timeline = Timeline(PlatformClock(), T0)
    timeline.end_seen(T0 + 5)
    timeline.end_seen(T0 + 6)

    read = record(ended_at=T0 + 7, postprocess_end=T0 + 7)
    assert timeline.results_at(read, snapshot(), T0 + 8) == T0 + 5
    assert timeline.ended_at(read, snapshot(), T0 + 8) == T0 + 5


def test_a_task_ends_after_all_of_its_stages_and_not_in_the_future() -> None:
    """Whatever the record says."""
    timeline, state = Timeline(PlatformClock(), T0), snapshot((Stage.START, T0 + 4))
    assert timeline.ended_at(record(ended_at=T0 + 1), state, T0 + 8) == T0 + 4
    assert timeline.ended_at(record(ended_at=T0 + 99), state, T0 + 8) == T0 + 8
    assert timeline.ended_at(record(), state, T0 + 8) == T0 + 8


def test_a_task_that_is_attached_to_began_with_its_first_stage() -> None:
    """Corrected by the answer's date; without stages it began when the record arrived."""
    found = record(dated_at=T0 + 110, start=T0 + 105, queue=T0 + 101)
    assert abs(first_moment(found, PlatformClock(), asked_at=T0 + 9.9, now=T0 + 10) - (T0 + 1)) <= 1
    assert first_moment(record(), PlatformClock(), asked_at=T0, now=T0 + 3) == T0 + 3
