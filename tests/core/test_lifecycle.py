"""
The lifecycle: the guarantees of every task, and the effect of single signals.

Tests also events, signals and the parts that only the lifecycle uses: event_writer, log_sync, record_reader and
stalls.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.codec import decode_event, decode_snapshot, encode_event, encode_snapshot
from relay.core.events import (
    AppendOutput,
    Done,
    Event,
    Fault,
    LogOutput,
    Output,
    Phase,
    Progress,
    ProgressOutput,
    Results,
    Source,
    Stage,
    Stall,
    State,
)
from relay.core.lifecycle import NO_OUTPUTS, SETTLE_S, Lifecycle, submit
from relay.core.log_overlap import IN_FLIGHT_S, REREAD_S
from relay.core.log_window import LOG_UNITS
from relay.core.merge import MERGE_S
from relay.core.schedule import CALLBACK_S, UNCONFIRMED_CHECK_S, TimeLimits
from relay.core.signals import (
    Accepted,
    CallbackReceived,
    CancelRequested,
    EndSeen,
    GivenUp,
    Held,
    LogSeen,
    Part,
    ProgressSeen,
    Record,
    RecordRead,
    RecordUnreadable,
    Refused,
    Released,
    Signal,
    StageSeen,
    StreamLost,
    StreamOpened,
    TextSeen,
    Withdrawn,
)
from relay.core.snapshot import begin, fold
from relay.core.utf16 import utf16_len

T0 = 1_700_000_000.0
PICTURE = Output(content_type="image/png", name="0.png", size=7, url="https://cdn.example/0.png")

stages = st.sampled_from(list(Stage))
texts = st.text(st.characters(codec="utf-8"), max_size=40)
SHOWN = replace(PICTURE, href="/v1/tasks/t1/outputs/0/0.png")
"""The same as the log has it."""
outputs = st.sampled_from([(), (PICTURE,)])
times = st.floats(T0 - 100, T0 + 100)
records = st.builds(
    Record,
    phase=st.sampled_from(["open", "open", "open", "finished", "canceled", "error", "succeeded", "failed"]),
    status=st.sampled_from(["task_queue", "task_start", "task_postprocess_end", "task_error", "odd"]),
    upstream_id=st.sampled_from([None, "7"]),
    stages=st.dictionaries(stages, times),
    exit_code=st.sampled_from([None, 0, 1]),
    outputs=outputs,
    cancel_at=st.sampled_from([None, None, None, T0]),
    ended_at=st.sampled_from([None, T0]),
    stdout=texts,
    stderr=texts,
    progress=st.one_of(st.none(), st.builds(Progress, percent=st.floats(-10, 200))),
)
progresses = st.builds(
    Progress,
    percent=st.one_of(st.none(), st.floats(-10, 200), st.just(float("nan"))),
    step=st.sampled_from([None, 1, 6]),
    steps=st.sampled_from([None, 0, 10]),
    label=st.sampled_from([None, "Load", "Generate"]),
)
signals: st.SearchStrategy[Signal] = st.one_of(
    st.builds(Accepted, upstream_id=st.sampled_from(["7", "8"])),
    st.builds(Refused, fault=st.just(Fault(code=97, message="no"))),
    st.builds(Held, reason=st.just("full"), position=st.integers(1, 3)),
    st.just(Released()),
    st.just(Withdrawn()),
    st.just(CallbackReceived()),
    st.builds(StageSeen, stage=stages),
    st.builds(StageSeen, stage=stages),
    st.builds(ProgressSeen, progress=progresses),
    st.builds(LogSeen, stream=st.sampled_from(["stdout", "stderr"]), text=texts),
    st.builds(TextSeen, parts=st.lists(st.builds(Part, kind=st.just("answer"), text=texts), max_size=2).map(tuple)),
    st.builds(
        EndSeen,
        how=st.sampled_from(["finished", "canceled"]),
        outputs=st.one_of(st.none(), outputs),
        success=st.sampled_from([None, True, False]),
        exit_code=st.sampled_from([None, 0, 1]),
    ),
    st.just(StreamOpened()),
    st.just(StreamLost()),
    st.builds(RecordRead, record=st.one_of(st.none(), records, records)),
    st.builds(RecordUnreadable, why=st.just("no answer")),
    st.builds(CancelRequested, by=st.just("key")),
    st.builds(GivenUp, evidence=st.just(("relay: gave up",))),
)
steps = st.lists(st.tuples(signals, st.sampled_from([0.0, 0.01, 0.2, 3.0, 61.0, 500.0])), max_size=40)
RANK = {state: rank for rank, state in enumerate(State)}


def begun(now: float = T0, limits: TimeLimits | None = None) -> tuple[Lifecycle, Event]:
    event, snapshot = submit(task="t1", model="a/b", provider="wiro", tags=("x",), epoch="e1", now=now)
    return Lifecycle(snapshot, now, limits), event


def followed(*seen: Signal) -> tuple[Lifecycle, list[Event]]:
    """Return a lifecycle that has received these, a second apart, and all its events."""
    lifecycle, first = begun()
    events = [first]
    for number, signal in enumerate(seen):
        events += lifecycle.receive(signal, T0 + number)
    return lifecycle, events


def played(script: list[tuple[Signal, float]]) -> tuple[Lifecycle, list[Event]]:
    """Play a script to its end, and on until the task has ended."""
    lifecycle, first = begun()
    events, now = [first], T0
    for signal, wait_s in script:
        now += wait_s
        events += lifecycle.receive(signal, now)
        if (deadline := lifecycle.next_deadline()) is not None and deadline <= now:
            events += lifecycle.handle_deadline(now)
    while lifecycle.snapshot.done is None:
        deadline = lifecycle.next_deadline()
        if deadline is None:  # only a record can help
            events += lifecycle.receive(RecordRead(record=None), now)
            continue
        now = max(now, deadline)
        events += lifecycle.handle_deadline(now)
    return lifecycle, events


@settings(max_examples=400)
@given(steps)
def test_any_signals_give_a_complete_log_that_ends_once(script: list[tuple[Signal, float]]) -> None:
    """The seq has no gaps, stages are unique, the state never goes back, and there is one `done`, at the end."""
    lifecycle, events = played(script)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    seen = [event.type for event in events if event.type in set(Stage)]
    assert len(seen) == len(set(seen))
    # Until the platform accepts the task, `submitting` and `held` may alternate. Nothing else goes back.
    ranks = [max(RANK[event.state], RANK[State.HELD]) for event in events]
    assert ranks == sorted(ranks)
    assert [event.type for event in events].count("done") == 1
    assert events[-1].type == "done"
    assert lifecycle.receive(GivenUp(evidence=()), T0 + 1e9) == []
    assert lifecycle.handle_deadline(T0 + 1e9) == []
    assert lifecycle.check_at is None


@given(steps)
def test_the_snapshot_is_the_fold_of_the_events(script: list[tuple[Signal, float]]) -> None:
    """Also after encoding and decoding both as JSON."""
    lifecycle, events = played(script)
    read = [decode_event(encode_event(event)) for event in events]
    assert read == events
    assert fold(begin(read[0], "e1"), read[1:]) == lifecycle.snapshot
    assert decode_snapshot(encode_snapshot(lifecycle.snapshot)) == lifecycle.snapshot


@given(steps, st.integers(0, 40))
def test_a_restart_at_any_point_keeps_the_guarantees(script: list[tuple[Signal, float]], at: int) -> None:
    """A lifecycle that is resumed from its snapshot continues the same log."""
    lifecycle, first = begun()
    events, now = [first], T0
    for number, (signal, wait_s) in enumerate(script):
        now += wait_s
        if number == at:
            lifecycle = Lifecycle(lifecycle.snapshot, now)
        events += lifecycle.receive(signal, now)
    events += lifecycle.receive(GivenUp(evidence=()), now)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count("done") == 1
    seen = [event.type for event in events if event.type in set(Stage)]
    assert len(seen) == len(set(seen))


@given(steps)
def test_the_percentage_never_decreases(script: list[tuple[Signal, float]]) -> None:
    """Phases restart at 0; the percentage of the task does not."""
    _, events = played(script)
    shown = [event.data.progress.percent for event in events if isinstance(event.data, ProgressOutput)]
    known = [percent for percent in shown if percent is not None]
    assert known == sorted(known)
    assert all(0 <= percent <= 100 for percent in known)
    assert None not in shown[shown.index(known[0]) :] if known else True


@given(st.lists(st.lists(texts, max_size=3), max_size=12))
def test_appends_rebuild_the_answer(says: list[list[str]]) -> None:
    """Whatever the platform rewrites, the segments are the last answer. A part that was withdrawn is empty."""
    lifecycle, _ = begun()
    for number, parts in enumerate(says):
        lifecycle.receive(TextSeen(parts=tuple(Part(kind="answer", text=text) for text in parts)), T0 + number)
    shown = [segment.text for segment in lifecycle.snapshot.segments]
    last = says[-1] if says else []
    assert shown[: len(last)] == last
    assert not any(shown[len(last) :])


def test_a_normal_run() -> None:
    """From submission to success, in order, with the outputs before the end."""
    _, events = followed(
        Accepted(upstream_id="7"),
        StageSeen(stage=Stage.QUEUE),
        StageSeen(stage=Stage.START),
        EndSeen(how="finished", outputs=(PICTURE,)),
        RecordRead(record=Record(phase="finished", status="task_postprocess_end", exit_code=0, outputs=(PICTURE,))),
    )
    assert [event.type for event in events] == ["submit", "submitted", "queue", "start", "postprocess_end", "done"]
    assert isinstance(events[-2].data, Results)
    assert events[-2].data.outputs == (SHOWN,)
    assert isinstance(events[-1].data, Done)
    assert events[-1].data.verdict == "succeeded"
    assert not events[-1].data.inferred


def test_end_is_not_the_end_and_stderr_is_not_failure() -> None:
    """`task_end` and text on stderr leave the task open."""
    lifecycle, events = followed(
        Accepted(upstream_id="7"), LogSeen(stream="stderr", text="warning\n"), StageSeen(stage=Stage.END)
    )
    assert lifecycle.snapshot.state is State.FINISHING
    assert events[-1].type == "end"


def test_missed_stages_are_added_with_their_times() -> None:
    """They have the times and the source of the record. Stages from frames are not repeated."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0 + 0.2)
    lifecycle.receive(StageSeen(stage=Stage.START), T0 + 9)
    clock = {Stage.QUEUE: T0, Stage.ACCEPT: T0 + 4, Stage.START: T0 + 8}
    events = lifecycle.receive(RecordRead(record=Record(phase="open", status="task_start", stages=clock)), T0 + 10)
    found = [(event.type, event.at, event.source) for event in events]
    assert found == [("queue", T0, Source.RECONCILED), ("accept", T0 + 4, Source.RECONCILED)]


def test_progress_is_merged_and_flushed_before_any_other_event() -> None:
    """The first one is immediate, the latest one comes before the log line, and the rest at the deadline."""
    lifecycle, _ = begun()
    first = lifecycle.receive(ProgressSeen(progress=Progress(percent=1)), T0)
    silent = lifecycle.receive(ProgressSeen(progress=Progress(percent=2)), T0 + 0.01)
    silent += lifecycle.receive(ProgressSeen(progress=Progress(percent=3)), T0 + 0.02)
    flushed = lifecycle.receive(LogSeen(stream="stdout", text="x"), T0 + 0.03)
    phase = Phase(index=0, percent=1.0)
    assert [event.data for event in first] == [ProgressOutput(progress=Progress(percent=1.0, phase=phase))]
    assert silent == []
    assert [type(event.data) for event in flushed] == [ProgressOutput, LogOutput]
    assert isinstance(flushed[0].data, ProgressOutput)
    assert flushed[0].data.progress.percent == 3
    lifecycle.receive(ProgressSeen(progress=Progress(percent=4)), T0 + 0.04)
    deadline = lifecycle.next_deadline()
    assert deadline == T0 + 0.03 + MERGE_S
    assert len(lifecycle.handle_deadline(deadline)) == 1


def test_cumulative_text_becomes_appends() -> None:
    """Only what was added is written."""
    lifecycle, _ = begun()
    says = ["Hel", "Hello", "Hello 😀", "Help"]
    events = [
        event
        for number, text in enumerate(says)
        for event in lifecycle.receive(TextSeen(parts=(Part(kind="answer", text=text),)), T0 + number)
    ]
    appended = [
        (event.data.append.offset, event.data.append.text) for event in events if isinstance(event.data, AppendOutput)
    ]
    assert appended == [(0, "Hel"), (3, "lo"), (5, " 😀"), (3, "p")]


def test_long_log_text_is_split_into_several_events() -> None:
    """Eight megabytes of log become pieces that fit into a snapshot, without loss."""
    lifecycle, _ = begun()
    events = lifecycle.receive(LogSeen(stream="stdout", text="😀" * 100_000), T0)
    pieces = [event.data.log.text for event in events if isinstance(event.data, LogOutput)]
    assert "".join(pieces) == "😀" * 100_000 + "\n"
    assert max(utf16_len(piece) for piece in pieces) <= LOG_UNITS
    assert lifecycle.snapshot.log_dropped == 200_001 - LOG_UNITS + 1


def test_a_refused_run_ends_failed_and_unbilled() -> None:
    """The task exists, has ended, and has the reason."""
    _, events = followed(Refused(fault=Fault(code=97, message="Insufficient balance")))
    done = events[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.billed, done.error) == (
        "failed",
        False,
        Fault(code=97, message="Insufficient balance"),
    )


def test_an_unconfirmed_terminal_frame_decides_after_a_while() -> None:
    """If the record never confirms it, the frame decides, and the verdict is inferred."""
    lifecycle, _ = begun()
    lifecycle.receive(EndSeen(how="finished", outputs=(PICTURE,)), T0)
    lifecycle.receive(RecordRead(record=Record(phase="open", status="task_start")), T0 + 1)
    assert lifecycle.next_deadline() == T0 + SETTLE_S
    done = lifecycle.handle_deadline(T0 + SETTLE_S)[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.inferred) == ("succeeded", True)


@pytest.mark.parametrize(
    ("record", "verdict", "warnings"),
    [
        (Record(phase="finished", status="task_postprocess_end"), "failed", ()),
        (Record(phase="finished", status="task_postprocess_end", exit_code=0), "succeeded", (NO_OUTPUTS,)),
        (Record(phase="succeeded", status="success"), "succeeded", (NO_OUTPUTS,)),
    ],
)
def test_a_record_without_outputs_is_read_again_before_it_ends_the_task(
    record: Record, verdict: str, warnings: tuple[str, ...]
) -> None:
    """After 2, 5, 10 and 30 s the task ends without outputs, with a warning."""
    lifecycle, _ = begun()
    blank = RecordRead(record=record)
    for looked, next_look in ((0, 2), (2, 5), (5, 10), (10, 30)):
        assert lifecycle.receive(blank, T0 + looked) == []
        assert lifecycle.check_at == T0 + next_look
    done = lifecycle.receive(blank, T0 + 30)[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == (verdict, warnings)


def test_an_output_without_a_url_counts_as_missing() -> None:
    """The record is read again. Without any URL the end has the same warning."""
    nameless = replace(PICTURE, url=None)
    lifecycle, _ = begun()
    lifecycle.receive(EndSeen(how="finished", outputs=(nameless,)), T0)
    without = Record(phase="finished", status="task_postprocess_end", exit_code=0, outputs=(nameless,))
    for looked in (0, 2, 5, 10):
        assert lifecycle.receive(RecordRead(record=without), T0 + looked) == []
    found = RecordRead(record=replace(without, outputs=(PICTURE,)))
    assert [event.type for event in lifecycle.receive(found, T0 + 10)] == ["output", "done"]
    assert lifecycle.snapshot.outputs == (SHOWN,)

    lifecycle, _ = begun()
    lifecycle.receive(RecordRead(record=without), T0)
    done = lifecycle.receive(RecordRead(record=without), T0 + 30)[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == ("succeeded", (NO_OUTPUTS,))


def test_a_streamed_answer_counts_as_a_result() -> None:
    """Some language models have no outputs in their record: the task ends at once, without a warning."""
    _, events = followed(
        TextSeen(parts=(Part(kind="answer", text="42"),)),
        RecordRead(record=Record(phase="finished", status="task_postprocess_end", exit_code=0)),
    )
    done = events[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == ("succeeded", ())


def test_outputs_that_arrive_late_make_a_success() -> None:
    """The second read of the record finds them."""
    lifecycle, _ = begun()
    lifecycle.receive(RecordRead(record=Record(phase="finished", status="task_postprocess_end")), T0)
    found = Record(phase="finished", status="task_postprocess_end", outputs=(PICTURE,))
    events = lifecycle.receive(RecordRead(record=found), T0 + 2)
    assert [event.type for event in events] == ["postprocess_end", "done"]
    assert events[-1].state is State.SUCCEEDED


def test_a_long_silence_is_checked_before_it_is_a_stall() -> None:
    """The stall has what the check found, and whether it confirms the task. News end it."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.START), T0)
    lifecycle.receive(StreamOpened(), T0)
    lifecycle.receive(RecordRead(record=Record(phase="open", status="task_start")), T0)
    assert lifecycle.check_at == T0 + 60
    events = lifecycle.receive(RecordRead(record=Record(phase="open", status="task_start")), T0 + 60)
    stall = Stall(silent_s=60.0, checked="status task_start", confirmed=True)
    assert [event.data for event in events] == [stall]
    news = lifecycle.receive(LogSeen(stream="stdout", text="x"), T0 + 70)
    assert [event.type for event in news] == ["stall_end", "output"]
    assert lifecycle.snapshot.stall is None


def test_a_task_in_the_platforms_queue_is_not_stalled() -> None:
    """However long it waits, unless the record cannot be read for a long time."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    lifecycle.receive(StreamOpened(), T0)
    waiting = RecordRead(record=Record(phase="open", status="task_queue", stage=Stage.QUEUE))
    lifecycle.receive(waiting, T0)
    for minute in range(120):
        assert lifecycle.receive(waiting, T0 + 60 * minute) == []
        assert lifecycle.check_at == T0 + 60 * minute + 60
    now = T0 + 60 * 119
    assert lifecycle.receive(RecordUnreadable(why="no answer"), now + 60) == []
    stalled = lifecycle.receive(RecordUnreadable(why="no answer"), now + 180)
    assert [event.type for event in stalled] == ["stall"]
    assert isinstance(stalled[0].data, Stall)
    assert (stalled[0].data.silent_s, stalled[0].data.confirmed) == (180.0, False)
    assert [event.type for event in lifecycle.receive(waiting, now + 200)] == ["stall_end"]


def test_a_task_that_the_platform_requeues_is_not_stalled() -> None:
    """Its state does not go back, but the record shows that it is in the queue."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.ACCEPT), T0)
    lifecycle.receive(StreamOpened(), T0)
    requeued = RecordRead(record=Record(phase="open", status="task_queue", stage=Stage.QUEUE, stages={Stage.QUEUE: T0}))
    assert [event.type for event in lifecycle.receive(requeued, T0)] == ["queue"]
    for minute in range(1, 20):
        assert lifecycle.receive(requeued, T0 + 60 * minute) == []


def test_a_queued_task_with_an_unknown_status_stalls() -> None:
    """The record does not show that it is in the platform's queue."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    odd = RecordRead(record=Record(phase="open", status="moderated"))
    lifecycle.receive(odd, T0)
    (stalled,) = lifecycle.receive(odd, T0 + 180)
    assert stalled.data == Stall(silent_s=180.0, checked="status moderated", confirmed=True)


def test_a_record_that_repeats_the_frames_is_not_news() -> None:
    """Otherwise a silent task would stall only after twice the time."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    lifecycle.receive(RecordRead(record=Record(phase="open", status="task_queue", stage=Stage.QUEUE)), T0)
    lifecycle.receive(StageSeen(stage=Stage.START), T0 + 1)
    running = Record(phase="open", status="task_start", stage=Stage.START)
    assert lifecycle.check_at == T0 + 60
    lifecycle.receive(RecordRead(record=running), T0 + 60)
    assert lifecycle.check_at == T0 + 61
    assert [event.type for event in lifecycle.receive(RecordRead(record=running), T0 + 61)] == ["stall"]


@pytest.mark.parametrize(("stage", "limit_s"), [(Stage.START, 60), (Stage.ACCEPT, 180), (Stage.END, 180)])
def test_the_limit_of_silence_depends_on_the_state(stage: Stage, limit_s: int) -> None:
    """Loading a model and storing a video may be silent for longer than running."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    alive = RecordRead(record=Record(phase="open", status="x"))
    lifecycle.receive(alive, T0)
    lifecycle.receive(StageSeen(stage=stage), T0)
    assert lifecycle.receive(alive, T0 + limit_s - 1) == []
    assert [event.type for event in lifecycle.receive(alive, T0 + limit_s)] == ["stall"]


def test_a_stall_is_written_again_when_its_confirmation_changes() -> None:
    """Only then."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.START), T0)
    alive: Signal = RecordRead(record=Record(phase="open", status="x"))
    gone: Signal = RecordUnreadable(why="no answer")
    lifecycle.receive(alive, T0)
    told = []
    for number, seen in enumerate((alive, alive, gone, gone, alive)):
        told += lifecycle.receive(seen, T0 + 60 + number)
    assert [event.data.confirmed for event in told if isinstance(event.data, Stall)] == [True, False, True]


def test_task_error_in_the_record_is_a_stall_and_not_an_end() -> None:
    """The task can recover and run."""
    lifecycle, _ = begun()
    events = lifecycle.receive(RecordRead(record=Record(phase="error", status="task_error")), T0)
    assert [event.type for event in events] == ["stall"]
    requeued = lifecycle.receive(RecordRead(record=Record(phase="open", status="task_queue")), T0 + 5)
    assert [event.type for event in requeued] == ["stall_end"]


RUNNING = Record(phase="open", status="task_start", stage=Stage.START)
FINISHED = Record(phase="finished", status="task_postprocess_end", exit_code=0, outputs=(PICTURE,))


def overdue() -> Lifecycle:
    """Return a lifecycle whose deadline of an hour has passed at T0 + 3600."""
    lifecycle, _ = begun(limits=TimeLimits(deadline_s=3600))
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    assert lifecycle.next_deadline() == T0 + 3600
    assert lifecycle.handle_deadline(T0 + 3600) == []
    return lifecycle


def done_of(events: list[Event]) -> Done:
    """Return how it ended."""
    assert isinstance(events[-1].data, Done)
    return events[-1].data


def test_at_its_deadline_the_record_is_read_before_a_task_is_lost() -> None:
    """The read is due at once. The clock alone never ends the task, however late it gets."""
    lifecycle = overdue()
    assert lifecycle.check_at is not None
    assert lifecycle.check_at <= T0 + 3600
    assert lifecycle.next_deadline() is None
    assert lifecycle.handle_deadline(T0 + 1e9) == []
    done = done_of(lifecycle.receive(RecordRead(record=RUNNING, asked_at=T0 + 3601), T0 + 3602))
    assert (done.verdict, done.inferred) == ("lost", True)
    assert done.evidence == (
        "relay: the task did not end within 3600 s",
        "state: running",
        "platform: status task_start",
    )


def test_a_record_that_ends_the_task_wins_over_its_deadline() -> None:
    """However late it is read."""
    lifecycle = overdue()
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED), T0 + 90_000)).verdict == "succeeded"


def test_a_record_requested_before_the_deadline_does_not_decide() -> None:
    """It may be outdated when it arrives. Another one is read at once."""
    lifecycle = overdue()
    events = lifecycle.receive(RecordRead(record=RUNNING, asked_at=T0 + 3599), T0 + 3610)
    assert "done" not in [event.type for event in events]
    assert lifecycle.check_at == T0 + 3610
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED, asked_at=T0 + 3611), T0 + 3612)).verdict == "succeeded"


def test_a_task_with_an_incomplete_record_is_not_lost_at_its_deadline() -> None:
    """The platform has finished it, and its outputs may follow."""
    lifecycle = overdue()
    blank = Record(phase="finished", status="task_postprocess_end", exit_code=0)
    assert all(event.type != "done" for event in lifecycle.receive(RecordRead(record=blank), T0 + 3601))
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED), T0 + 3604)).verdict == "succeeded"


def test_a_terminal_frame_is_settled_after_its_own_time_across_the_deadline() -> None:
    """The task is not lost meanwhile."""
    lifecycle, _ = begun(limits=TimeLimits(deadline_s=3600))
    lifecycle.receive(EndSeen(how="finished", outputs=(PICTURE,), success=True, exit_code=0), T0 + 3590)
    lifecycle.handle_deadline(T0 + 3600)
    assert all(event.type != "done" for event in lifecycle.receive(RecordRead(record=RUNNING), T0 + 3601))
    assert lifecycle.next_deadline() == T0 + 3590 + SETTLE_S
    assert done_of(lifecycle.handle_deadline(T0 + 3590 + SETTLE_S)).verdict == "succeeded"


def test_an_unreadable_record_is_tried_for_as_long_as_the_deadline_again() -> None:
    """An outage of the platform neither loses a task too early nor keeps it for ever."""
    lifecycle = overdue()
    failed = RecordUnreadable(why="no answer")
    for at in (T0 + 3601, T0 + 7199):
        assert all(event.type != "done" for event in lifecycle.receive(failed, at))
        assert lifecycle.check_at == at
    done = done_of(lifecycle.receive(failed, T0 + 7200))
    assert done.verdict == "lost"
    assert done.evidence[-1] == "platform: reading the record failed: no answer"


@pytest.mark.parametrize("off_s", [-200_000.0, 0.0, 1000.0, 200_000.0, 4e6])
def test_a_resumed_task_has_time_left(off_s: float) -> None:
    """At least an hour, however long the relay seems to have been down, and at most its original time."""
    _, snapshot = submit(task="t1", model="a/b", provider="wiro", tags=(), epoch="e1", now=T0)
    now = T0 + off_s
    due = Lifecycle(snapshot, now, TimeLimits(deadline_s=7200)).next_deadline()
    assert due is not None
    assert due == now + min(7200, max(7200 - off_s, 3600))
    short = Lifecycle(snapshot, now, TimeLimits(deadline_s=5)).next_deadline()
    assert short == now + 5


def test_a_task_is_canceled_only_when_the_record_says_so() -> None:
    """The request is an event of its own, and only one however often it is repeated."""
    lifecycle, events = followed(Accepted(upstream_id="7"), CancelRequested(by="key"), CancelRequested(by="key"))
    assert [event.type for event in events] == ["submit", "submitted", "cancel"]
    done = lifecycle.receive(RecordRead(record=Record(phase="canceled", status="task_cancel")), T0 + 9)
    assert done[-1].state is State.CANCELED


def test_an_empty_list_in_the_terminal_frame_waits_for_the_record() -> None:
    """The outputs are written once, so not before they are known."""
    lifecycle, events = followed(EndSeen(how="finished", outputs=()))
    assert [event.type for event in events] == ["submit"]
    found = Record(phase="finished", status="x", exit_code=0, outputs=(PICTURE,))
    events = lifecycle.receive(RecordRead(record=found), T0 + 1)
    assert isinstance(events[0].data, Results)
    assert events[0].data.outputs == (SHOWN,)


def test_a_held_task_is_submitting_again_before_it_is_sent_again() -> None:
    """The log has it before the call, because its outcome may be unknown from then on."""
    _, events = followed(Held(reason="full", position=1), Released(), Held(reason="full", position=1))
    assert [event.state for event in events] == [State.SUBMITTING, State.HELD, State.SUBMITTING, State.HELD]


def test_a_hold_is_written_only_when_it_changes() -> None:
    """The same position twice is one event."""
    _, events = followed(Held(reason="full", position=2), Held(reason="full", position=2))
    assert [event.type for event in events] == ["submit", "hold"]


def logged(events: list[Event]) -> list[tuple[Source, str, int]]:
    """Return what was written to the log: the source, the text, and its place in units from the end."""
    return [
        (event.source, event.data.log.text, getattr(event.data.log, "before", 0))
        for event in events
        if isinstance(event.data, LogOutput)
    ]


def test_live_text_is_written_at_once_and_missed_text_before_it() -> None:
    """A slow record delays nothing. Its text is inserted at its place."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    live = lifecycle.receive(LogSeen(stream="stdout", text="three\n"), T0 + 1)
    live += lifecycle.receive(LogSeen(stream="stdout", text="four\n"), T0 + 2)
    assert logged(live) == [(Source.LIVE, "three\n", 0), (Source.LIVE, "four\n", 0)]
    read = Record(phase="open", status="task_start", stdout="one\ntwo\nthree")
    lifecycle.receive(RecordRead(record=read, asked_at=T0), T0 + 25)
    events = lifecycle.handle_deadline(T0 + 25 + IN_FLIGHT_S)
    assert logged(events) == [(Source.RECONCILED, "one\ntwo\n", len("three\nfour\n"))]
    assert [log.text for log in lifecycle.snapshot.log] == ["one\ntwo\nthree\nfour\n"]


def test_a_frame_that_arrives_after_its_record_is_not_written_twice() -> None:
    """Its text is in the record, which came over another connection. Text after that is new."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    overtaken = Record(phase="open", status="x", stdout="one\ntwo\n")
    events = lifecycle.receive(RecordRead(record=overtaken, asked_at=T0), T0 + 0.1)
    for line in ("two\n", "three\n"):
        events += lifecycle.receive(LogSeen(stream="stdout", text=line), T0 + 0.2)
    deadline = lifecycle.next_deadline()
    assert deadline is not None
    events += lifecycle.handle_deadline(deadline)
    assert [text for _, text, _ in logged(events)] == ["two\n", "three\n", "one\n"]
    assert [log.text for log in lifecycle.snapshot.log] == ["one\ntwo\nthree\n"]


def test_a_record_from_before_the_stream_opened_is_read_again() -> None:
    """It lacks what an earlier stream brought after it was requested."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    lifecycle.receive(LogSeen(stream="stdout", text="two\n"), T0 + 1)
    lifecycle.receive(StreamLost(), T0 + 2)
    lifecycle.receive(StreamOpened(), T0 + 3)
    stale = Record(phase="open", status="task_start", stdout="one\n")
    lifecycle.receive(RecordRead(record=stale, asked_at=T0 + 0.5), T0 + 4)
    assert lifecycle.check_at == T0 + 4
    fresh = replace(stale, stdout="one\ntwo\nthree\n")
    lifecycle.receive(RecordRead(record=fresh, asked_at=T0 + 4), T0 + 4)
    lifecycle.handle_deadline(T0 + 4 + IN_FLIGHT_S)
    assert "".join(entry.text for entry in lifecycle.snapshot.log) == "one\ntwo\nthree\n"


def test_equal_lines_are_not_taken_for_repetitions() -> None:
    """If they make it uncertain how much the record contains, it is read again."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    before = Record(phase="open", status="x", stdout="tick\ntick\n")
    lifecycle.receive(RecordRead(record=before, asked_at=T0), T0 + 0.1)
    for _ in range(3):
        lifecycle.receive(LogSeen(stream="stdout", text="tick\n"), T0 + 0.2)
    lifecycle.handle_deadline(T0 + 0.1 + IN_FLIGHT_S)
    assert lifecycle.check_at == T0 + 0.1 + IN_FLIGHT_S + REREAD_S
    after = Record(phase="open", status="x", stdout="tick\n" * 5)
    lifecycle.receive(RecordRead(record=after, asked_at=T0 + 2), T0 + 2.1)
    lifecycle.handle_deadline(T0 + 2.1 + IN_FLIGHT_S)
    assert [log.text for log in lifecycle.snapshot.log] == ["tick\n" * 5]


def test_messages_without_a_line_end_are_lines() -> None:
    """The platform's documentation shows them so, and its record has the line ends."""
    lifecycle, _ = begun()
    for number in range(3):
        lifecycle.receive(LogSeen(stream="stdout", text=f"line {number}"), T0 + number)
        lifecycle.receive(LogSeen(stream="stderr", text=f"warning {number}"), T0 + number)
    whole = {"stdout": "line 0\nline 1\nline 2\n", "stderr": "warning 0\nwarning 1\nwarning 2\n"}
    ended = Record(
        phase="finished", status="x", exit_code=0, outputs=(PICTURE,), stdout=whole["stdout"], stderr=whole["stderr"]
    )
    events = lifecycle.receive(RecordRead(record=ended), T0 + 9)
    assert logged(events) == []
    for stream, text in whole.items():
        assert "".join(log.text for log in lifecycle.snapshot.log if log.stream == stream) == text


def test_a_check_that_failed_is_still_due() -> None:
    """One failed call must not hide the end of a task for a minute while the stream is open."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    silence_s = lifecycle._limits.silence_s
    for at in (T0 + 1, T0 + silence_s, T0 + silence_s + 1):  # the second one finds a stall
        lifecycle.receive(RecordUnreadable(why="no answer"), at)
        assert lifecycle.check_at == at


def test_time_in_the_relays_queue_is_not_silence_of_the_platform() -> None:
    """There can be no news of a task that the platform has not accepted."""
    lifecycle, _ = begun()
    lifecycle.receive(Held(reason="full", position=1), T0)
    taken_at = T0 + 10 * lifecycle._limits.silence_s
    events = lifecycle.receive(Accepted(upstream_id="7"), taken_at)
    events += lifecycle.receive(RecordRead(record=None), taken_at + 1)
    assert [event.type for event in events] == ["submitted"]


def test_a_streamed_answer_is_not_repeated_as_log() -> None:
    """The platform stores it as stdout of the task. Text on stderr is never part of it."""
    lifecycle, _ = begun()
    lifecycle.receive(TextSeen(parts=(Part(kind="answer", text="Forty-two."),)), T0)
    found = Record(phase="finished", status="x", exit_code=0, outputs=(PICTURE,), stdout="Forty-two.", stderr="slow\n")
    events = lifecycle.receive(RecordRead(record=found), T0 + 1)
    assert [event.data.log.text for event in events if isinstance(event.data, LogOutput)] == ["slow\n"]


def test_a_callback_that_the_record_does_not_confirm_is_checked_again() -> None:
    """It can be faster than the record: every second for a while, then as before."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.START), T0)
    lifecycle.receive(StreamOpened(), T0)
    lifecycle.receive(CallbackReceived(), T0)
    still = RecordRead(record=Record(phase="open", status="task_start"))
    lifecycle.receive(still, T0)
    assert lifecycle.check_at == T0 + UNCONFIRMED_CHECK_S
    lifecycle.receive(still, T0 + CALLBACK_S)
    assert lifecycle.check_at == T0 + lifecycle._limits.silence_s


def test_without_a_stream_polls_slow_down_while_nothing_changes() -> None:
    """Up to a limit, and they are frequent again after a change."""
    lifecycle, _ = begun(limits=TimeLimits().without_stream())
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    lifecycle.receive(StreamLost(), T0)
    waits, now = [], T0
    for status in ["waiting"] * 36 + ["generating"] * 2:
        seen = RecordRead(record=Record(phase="open", status=status), source=Source.POLLED)
        lifecycle.receive(seen, now)
        assert lifecycle.check_at is not None
        waits.append(lifecycle.check_at - now)
        now = lifecycle.check_at

    assert waits[:10] == [2.5] * 10
    assert waits[10:30] == sorted(set(waits[10:30]))
    assert waits[30:36] == [15.0] * 6
    assert waits[36:] == [2.5, 2.5]


def test_progress_in_the_record_is_written_with_its_source() -> None:
    """It only grows, and the same number twice is one event."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    events = []
    for at, percent in enumerate((10.0, 30.0, 30.0, 20.0)):
        record = Record(phase="open", status="generating", progress=Progress(percent=percent))
        events += lifecycle.receive(RecordRead(record=record, source=Source.POLLED), T0 + at)

    told = [(event.data.progress.percent, event.source) for event in events if isinstance(event.data, ProgressOutput)]
    assert told == [(10.0, Source.POLLED), (30.0, Source.POLLED)]


def test_a_stated_failure_announces_no_results() -> None:
    """`postprocess_end` means that there are results, and there are none."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    failed = Record(phase="failed", status="fail", fault=Fault(code=501, message="no"), ended_at=T0 + 1)

    events = lifecycle.receive(RecordRead(record=failed, source=Source.CALLBACK), T0 + 2)

    assert [(event.type, event.state, event.at) for event in events] == [("done", State.FAILED, T0 + 1)]


@pytest.mark.parametrize(
    ("signal", "verdict", "evidence"),
    [
        (Withdrawn(), "canceled", ("relay: canceled before it was sent to the platform",)),
        (GivenUp(evidence=("relay: not found",)), "lost", ("relay: not found",)),
    ],
)
def test_a_task_can_end_without_the_platform(signal: Signal, verdict: str, evidence: tuple[str, ...]) -> None:
    """It has its reason, and nothing happens to it after that."""
    lifecycle, _ = begun()
    done = done_of(lifecycle.receive(signal, T0 + 1))
    assert (done.verdict, done.evidence) == (verdict, evidence)
    assert lifecycle.next_deadline() is None
    assert lifecycle.check_at is None
    assert lifecycle.receive(Accepted(upstream_id="7"), T0 + 2) == []
    assert lifecycle.handle_deadline(T0 + 1e6) == []


def test_a_stage_is_written_once_and_an_impossible_event_never() -> None:
    """Frames can repeat a stage, and a task that the platform has accepted cannot be queued again."""
    _, events = followed(
        Accepted(upstream_id="7"),
        StageSeen(stage=Stage.START),
        StageSeen(stage=Stage.START),
        Held(reason="x", position=1),
    )
    assert [event.type for event in events] == ["submit", "submitted", "start"]


def test_a_frame_without_the_results_that_it_announces_has_the_record_read() -> None:
    """`postprocess_end` is written with the results."""
    lifecycle, events = followed(Accepted(upstream_id="7"), StageSeen(stage=Stage.POSTPROCESS_END))
    assert [event.type for event in events] == ["submit", "submitted"]
    assert lifecycle.check_at == T0 + 1


def test_an_unconfirmed_cancellation_ends_canceled() -> None:
    """The terminal frame decides after SETTLE_S, without results."""
    lifecycle, _ = followed(Accepted(upstream_id="7"), EndSeen(how="canceled"))
    events = lifecycle.handle_deadline(T0 + 1 + SETTLE_S)
    assert [event.type for event in events] == ["done"]
    assert done_of(events).verdict == "canceled"
    assert done_of(events).evidence == ("frame: the task canceled", "record: did not confirm the end within 120 s")
