"""The lifecycle: what every task can rely on whatever comes, and what single signals mean."""

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
def test_whatever_comes_the_log_is_whole_and_ends_once(script: list[tuple[Signal, float]]) -> None:
    """Gapless seq, stages at most once, state never back, exactly one `done`, last, and nothing after it."""
    lifecycle, events = played(script)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    seen = [event.type for event in events if event.type in set(Stage)]
    assert len(seen) == len(set(seen))
    # Until the upstream takes the task, `submitting` and `held` may alternate; nothing else goes back.
    ranks = [max(RANK[event.state], RANK[State.HELD]) for event in events]
    assert ranks == sorted(ranks)
    assert [event.type for event in events].count("done") == 1
    assert events[-1].type == "done"
    assert lifecycle.receive(GivenUp(evidence=()), T0 + 1e9) == []
    assert lifecycle.handle_deadline(T0 + 1e9) == []
    assert lifecycle.check_at is None


@given(steps)
def test_the_fold_of_the_events_is_the_state_that_the_lifecycle_holds(script: list[tuple[Signal, float]]) -> None:
    """Written to JSON and read back, the events fold to the very snapshot, and so does the snapshot itself."""
    lifecycle, events = played(script)
    read = [decode_event(encode_event(event)) for event in events]
    assert read == events
    assert fold(begin(read[0], "e1"), read[1:]) == lifecycle.snapshot
    assert decode_snapshot(encode_snapshot(lifecycle.snapshot)) == lifecycle.snapshot


@given(steps, st.integers(0, 40))
def test_a_restart_anywhere_breaks_nothing(script: list[tuple[Signal, float]], at: int) -> None:
    """A lifecycle taken up from its snapshot goes on with the same promises."""
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
def test_percent_never_goes_back(script: list[tuple[Signal, float]]) -> None:
    """Phases begin again at 0, what viewers see does not."""
    _, events = played(script)
    shown = [event.data.progress.percent for event in events if isinstance(event.data, ProgressOutput)]
    known = [percent for percent in shown if percent is not None]
    assert known == sorted(known)
    assert all(0 <= percent <= 100 for percent in known)
    assert None not in shown[shown.index(known[0]) :] if known else True


@given(st.lists(st.lists(texts, max_size=3), max_size=12))
def test_appends_rebuild_the_answer(says: list[list[str]]) -> None:
    """Whatever the upstream rewrites, the segments end as it said last (a part that it took back is empty)."""
    lifecycle, _ = begun()
    for number, parts in enumerate(says):
        lifecycle.receive(TextSeen(parts=tuple(Part(kind="answer", text=text) for text in parts)), T0 + number)
    shown = [segment.text for segment in lifecycle.snapshot.segments]
    last = says[-1] if says else []
    assert shown[: len(last)] == last
    assert not any(shown[len(last) :])


def test_a_run_as_it_should_be() -> None:
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
    assert events[-2].data.outputs == (PICTURE,)
    assert isinstance(events[-1].data, Done)
    assert events[-1].data.verdict == "succeeded"
    assert not events[-1].data.inferred


def test_end_is_not_the_end_and_stderr_is_not_failure() -> None:
    """`task_end` and stderr leave the task open."""
    lifecycle, events = followed(
        Accepted(upstream_id="7"), LogSeen(stream="stderr", text="warning\n"), StageSeen(stage=Stage.END)
    )
    assert lifecycle.snapshot.state is State.FINISHING
    assert events[-1].type == "end"


def test_missed_stages_are_filled_in_with_their_true_times() -> None:
    """The record's clock gives what no frame said, marked, and does not repeat what was live."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0 + 0.2)
    lifecycle.receive(StageSeen(stage=Stage.START), T0 + 9)
    clock = {Stage.QUEUE: T0, Stage.ACCEPT: T0 + 4, Stage.START: T0 + 8}
    events = lifecycle.receive(RecordRead(record=Record(phase="open", status="task_start", stages=clock)), T0 + 10)
    learnt = [(event.type, event.at, event.source) for event in events]
    assert learnt == [("queue", T0, Source.RECONCILED), ("accept", T0 + 4, Source.RECONCILED)]


def test_progress_is_merged_and_flushed_before_any_other_event() -> None:
    """The first at once, the latest of the later ones before the log line, the rest at the deadline."""
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
    """What was said before is not said again."""
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


def test_no_event_outweighs_the_snapshots_log() -> None:
    """Eight megabytes of log come as pieces, and nothing is lost of them."""
    lifecycle, _ = begun()
    events = lifecycle.receive(LogSeen(stream="stdout", text="😀" * 100_000), T0)
    pieces = [event.data.log.text for event in events if isinstance(event.data, LogOutput)]
    assert "".join(pieces) == "😀" * 100_000 + "\n"
    assert max(utf16_len(piece) for piece in pieces) <= LOG_UNITS
    assert lifecycle.snapshot.log_dropped == 200_001 - LOG_UNITS + 1


def test_a_refused_run_ends_failed_and_unbilled() -> None:
    """It exists, it has ended, and it says why."""
    _, events = followed(Refused(fault=Fault(code=97, message="Insufficient balance")))
    done = events[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.billed, done.error) == (
        "failed",
        False,
        Fault(code=97, message="Insufficient balance"),
    )


def test_an_unconfirmed_terminal_frame_is_believed_in_the_end() -> None:
    """The record lags for ever: the frame's word counts, and the verdict says so."""
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
def test_an_end_without_outputs_is_read_again_before_it_counts(
    record: Record, verdict: str, warnings: tuple[str, ...]
) -> None:
    """They can follow: after 2, 5, 10 and 30 s; then the task has ended without them, and says so."""
    lifecycle, _ = begun()
    blank = RecordRead(record=record)
    for looked, next_look in ((0, 2), (2, 5), (5, 10), (10, 30)):
        assert lifecycle.receive(blank, T0 + looked) == []
        assert lifecycle.check_at == T0 + next_look
    done = lifecycle.receive(blank, T0 + 30)[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == (verdict, warnings)


def test_a_result_without_an_address_is_not_there_yet() -> None:
    """It is read again like one that is missing; without any, the end has the same warning."""
    nameless = replace(PICTURE, url=None)
    lifecycle, _ = begun()
    lifecycle.receive(EndSeen(how="finished", outputs=(nameless,)), T0)
    without = Record(phase="finished", status="task_postprocess_end", exit_code=0, outputs=(nameless,))
    for looked in (0, 2, 5, 10):
        assert lifecycle.receive(RecordRead(record=without), T0 + looked) == []
    found = RecordRead(record=replace(without, outputs=(PICTURE,)))
    assert [event.type for event in lifecycle.receive(found, T0 + 10)] == ["output", "done"]
    assert lifecycle.snapshot.outputs == (PICTURE,)

    lifecycle, _ = begun()
    lifecycle.receive(RecordRead(record=without), T0)
    done = lifecycle.receive(RecordRead(record=without), T0 + 30)[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == ("succeeded", (NO_OUTPUTS,))


def test_a_streamed_answer_is_a_result_although_the_record_names_none() -> None:
    """Some language models leave their outputs empty: nothing is waited for, and nothing is missing."""
    _, events = followed(
        TextSeen(parts=(Part(kind="answer", text="42"),)),
        RecordRead(record=Record(phase="finished", status="task_postprocess_end", exit_code=0)),
    )
    done = events[-1].data
    assert isinstance(done, Done)
    assert (done.verdict, done.warnings) == ("succeeded", ())


def test_outputs_that_come_late_turn_a_blank_finish_into_success() -> None:
    """The second look finds them."""
    lifecycle, _ = begun()
    lifecycle.receive(RecordRead(record=Record(phase="finished", status="task_postprocess_end")), T0)
    found = Record(phase="finished", status="task_postprocess_end", outputs=(PICTURE,))
    events = lifecycle.receive(RecordRead(record=found), T0 + 2)
    assert [event.type for event in events] == ["postprocess_end", "done"]
    assert events[-1].state is State.SUCCEEDED


def test_silence_is_checked_and_then_called_a_stall_until_there_is_news() -> None:
    """The check comes first; the stall says what it found and that the platform confirms the task; news ends it."""
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


def test_a_task_that_waits_in_the_platforms_queue_is_not_stalled() -> None:
    """For however long, as long as the record says so; once it cannot be read, and for long, it is."""
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


def test_a_task_that_the_platform_queues_again_waits() -> None:
    """Its state does not go back, but the record says that it is in the queue."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.ACCEPT), T0)
    lifecycle.receive(StreamOpened(), T0)
    requeued = RecordRead(record=Record(phase="open", status="task_queue", stage=Stage.QUEUE, stages={Stage.QUEUE: T0}))
    assert [event.type for event in lifecycle.receive(requeued, T0)] == ["queue"]
    for minute in range(1, 20):
        assert lifecycle.receive(requeued, T0 + 60 * minute) == []


def test_a_queued_task_in_a_state_that_nobody_knows_stalls() -> None:
    """Nothing says that it waits in the platform's queue."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    odd = RecordRead(record=Record(phase="open", status="moderated"))
    lifecycle.receive(odd, T0)
    (stalled,) = lifecycle.receive(odd, T0 + 180)
    assert stalled.data == Stall(silent_s=180.0, checked="status moderated", confirmed=True)


def test_a_record_that_says_what_frames_have_told_is_no_news() -> None:
    """Else a silent task would be called silent only after twice the time."""
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
def test_silence_is_judged_by_what_the_task_does(stage: Stage, limit_s: int) -> None:
    """A model that loads, or a video that is stored, says nothing for longer than one that runs."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    alive = RecordRead(record=Record(phase="open", status="x"))
    lifecycle.receive(alive, T0)
    lifecycle.receive(StageSeen(stage=stage), T0)
    assert lifecycle.receive(alive, T0 + limit_s - 1) == []
    assert [event.type for event in lifecycle.receive(alive, T0 + limit_s)] == ["stall"]


def test_a_stall_says_anew_whether_the_platform_confirms_the_task() -> None:
    """Each time the answer changes, and only then."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.START), T0)
    alive: Signal = RecordRead(record=Record(phase="open", status="x"))
    gone: Signal = RecordUnreadable(why="no answer")
    lifecycle.receive(alive, T0)
    told = []
    for number, seen in enumerate((alive, alive, gone, gone, alive)):
        told += lifecycle.receive(seen, T0 + 60 + number)
    assert [event.data.confirmed for event in told if isinstance(event.data, Stall)] == [True, False, True]


def test_task_error_in_the_detail_is_a_stall_and_no_end() -> None:
    """It may be put right and run after all."""
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


def test_a_deadline_has_the_record_read_before_it_is_judged() -> None:
    """A read is due at once, and the clock alone never ends the task however late it gets."""
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
    """However late it is read: what the platform knows is the truth."""
    lifecycle = overdue()
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED), T0 + 90_000)).verdict == "succeeded"


def test_a_record_that_was_asked_for_before_the_deadline_does_not_judge_it() -> None:
    """It may be old by the time it comes: another is read at once."""
    lifecycle = overdue()
    events = lifecycle.receive(RecordRead(record=RUNNING, asked_at=T0 + 3599), T0 + 3610)
    assert "done" not in [event.type for event in events]
    assert lifecycle.check_at == T0 + 3610
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED, asked_at=T0 + 3611), T0 + 3612)).verdict == "succeeded"


def test_an_incomplete_end_is_no_loss_at_the_deadline() -> None:
    """The platform says that it has finished; its outputs may follow."""
    lifecycle = overdue()
    blank = Record(phase="finished", status="task_postprocess_end", exit_code=0)
    assert all(event.type != "done" for event in lifecycle.receive(RecordRead(record=blank), T0 + 3601))
    assert done_of(lifecycle.receive(RecordRead(record=FINISHED), T0 + 3604)).verdict == "succeeded"


def test_a_terminal_frame_is_settled_by_itself_across_the_deadline() -> None:
    """An unconfirmed end is believed after its own time, and not called lost meanwhile."""
    lifecycle, _ = begun(limits=TimeLimits(deadline_s=3600))
    lifecycle.receive(EndSeen(how="finished", outputs=(PICTURE,), success=True, exit_code=0), T0 + 3590)
    lifecycle.handle_deadline(T0 + 3600)
    assert all(event.type != "done" for event in lifecycle.receive(RecordRead(record=RUNNING), T0 + 3601))
    assert lifecycle.next_deadline() == T0 + 3590 + SETTLE_S
    assert done_of(lifecycle.handle_deadline(T0 + 3590 + SETTLE_S)).verdict == "succeeded"


def test_a_record_that_cannot_be_read_is_tried_for_as_long_again() -> None:
    """A platform that is down keeps no task for ever, and loses none before it had its time."""
    lifecycle = overdue()
    failed = RecordUnreadable(why="no answer")
    for at in (T0 + 3601, T0 + 7199):
        assert all(event.type != "done" for event in lifecycle.receive(failed, at))
        assert lifecycle.check_at == at
    done = done_of(lifecycle.receive(failed, T0 + 7200))
    assert done.verdict == "lost"
    assert done.evidence[-1] == "platform: reading the record failed: no answer"


@pytest.mark.parametrize("off_s", [-200_000.0, 0.0, 1000.0, 200_000.0, 4e6])
def test_a_task_that_is_taken_up_has_time_left(off_s: float) -> None:
    """However long the relay seems to have been off, there is an hour at least, and no more than there was at first."""
    _, snapshot = submit(task="t1", model="a/b", provider="wiro", tags=(), epoch="e1", now=T0)
    now = T0 + off_s
    due = Lifecycle(snapshot, now, TimeLimits(deadline_s=7200)).next_deadline()
    assert due is not None
    assert due == now + min(7200, max(7200 - off_s, 3600))
    short = Lifecycle(snapshot, now, TimeLimits(deadline_s=5)).next_deadline()
    assert short == now + 5


def test_a_cancelled_task_is_canceled_only_when_the_upstream_says_so() -> None:
    """Asking is an event of its own, once however often it is asked."""
    lifecycle, events = followed(Accepted(upstream_id="7"), CancelRequested(by="key"), CancelRequested(by="key"))
    assert [event.type for event in events] == ["submit", "submitted", "cancel"]
    done = lifecycle.receive(RecordRead(record=Record(phase="canceled", status="task_cancel")), T0 + 9)
    assert done[-1].state is State.CANCELED


def test_an_empty_list_in_the_terminal_frame_waits_for_the_detail() -> None:
    """The outputs are shown once, so not before somebody has them."""
    lifecycle, events = followed(EndSeen(how="finished", outputs=()))
    assert [event.type for event in events] == ["submit"]
    found = Record(phase="finished", status="x", exit_code=0, outputs=(PICTURE,))
    events = lifecycle.receive(RecordRead(record=found), T0 + 1)
    assert isinstance(events[0].data, Results)
    assert events[0].data.outputs == (PICTURE,)


def test_a_held_task_is_submitting_again_before_it_is_sent_again() -> None:
    """The log says so, because from then on the outcome may be unknown."""
    _, events = followed(Held(reason="full", position=1), Released(), Held(reason="full", position=1))
    assert [event.state for event in events] == [State.SUBMITTING, State.HELD, State.SUBMITTING, State.HELD]


def test_a_hold_is_written_only_when_it_changes() -> None:
    """The same position twice is one event."""
    _, events = followed(Held(reason="full", position=2), Held(reason="full", position=2))
    assert [event.type for event in events] == ["submit", "hold"]


def logged(events: list[Event]) -> list[tuple[Source, str, int]]:
    """Return what was written to the log: how it was learnt, the text, and before how many units it goes."""
    return [
        (event.source, event.data.log.text, getattr(event.data.log, "before", 0))
        for event in events
        if isinstance(event.data, LogOutput)
    ]


def test_live_text_is_written_at_once_and_what_was_missed_goes_before_it() -> None:
    """A record that takes long holds up nothing; its text is put where it belongs."""
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


def test_a_frame_that_the_record_has_overtaken_is_not_told_twice() -> None:
    """Its text stands in the record that came first, by another connection; what comes after it is new."""
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
    """It was asked for on behalf of an earlier stream, and lacks what that one has brought since."""
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


def test_equal_lines_are_never_taken_for_repeats() -> None:
    """Where they leave open how far the record goes, it is read again, and then it is known how many there are."""
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
    """The platform's documents print them so, and its record has the line ends."""
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
    """One failed call must not hide for a whole minute of an open stream that the task has ended."""
    lifecycle, _ = begun()
    lifecycle.receive(StreamOpened(), T0)
    silence_s = lifecycle._limits.silence_s
    for at in (T0 + 1, T0 + silence_s, T0 + silence_s + 1):  # the second one finds a stall
        lifecycle.receive(RecordUnreadable(why="no answer"), at)
        assert lifecycle.check_at == at


def test_waiting_for_a_place_is_no_silence_of_the_upstream() -> None:
    """The upstream owes no news of a task that it has not taken."""
    lifecycle, _ = begun()
    lifecycle.receive(Held(reason="full", position=1), T0)
    taken_at = T0 + 10 * lifecycle._limits.silence_s
    events = lifecycle.receive(Accepted(upstream_id="7"), taken_at)
    events += lifecycle.receive(RecordRead(record=None), taken_at + 1)
    assert [event.type for event in events] == ["submitted"]


def test_a_streamed_answer_is_not_told_again_as_log() -> None:
    """The upstream keeps what it streamed as the task's stdout; what stands on stderr was never part of it."""
    lifecycle, _ = begun()
    lifecycle.receive(TextSeen(parts=(Part(kind="answer", text="Forty-two."),)), T0)
    found = Record(phase="finished", status="x", exit_code=0, outputs=(PICTURE,), stdout="Forty-two.", stderr="slow\n")
    events = lifecycle.receive(RecordRead(record=found), T0 + 1)
    assert [event.data.log.text for event in events if isinstance(event.data, LogOutput)] == ["slow\n"]


def test_a_callback_that_the_record_does_not_confirm_is_looked_into_again() -> None:
    """It can be faster than the record: each second for a while, then as before."""
    lifecycle, _ = begun()
    lifecycle.receive(StageSeen(stage=Stage.START), T0)
    lifecycle.receive(StreamOpened(), T0)
    lifecycle.receive(CallbackReceived(), T0)
    still = RecordRead(record=Record(phase="open", status="task_start"))
    lifecycle.receive(still, T0)
    assert lifecycle.check_at == T0 + UNCONFIRMED_CHECK_S
    lifecycle.receive(still, T0 + CALLBACK_S)
    assert lifecycle.check_at == T0 + lifecycle._limits.silence_s


def test_without_a_stream_the_record_is_read_again_ever_more_slowly() -> None:
    """Soon at first, up to a bound while nothing changes, and soon again once something has."""
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


def test_progress_in_the_record_is_told_with_its_source() -> None:
    """It only grows, and the same number again is no event."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    events = []
    for at, percent in enumerate((10.0, 30.0, 30.0, 20.0)):
        record = Record(phase="open", status="generating", progress=Progress(percent=percent))
        events += lifecycle.receive(RecordRead(record=record, source=Source.POLLED), T0 + at)

    told = [(event.data.progress.percent, event.source) for event in events if isinstance(event.data, ProgressOutput)]
    assert told == [(10.0, Source.POLLED), (30.0, Source.POLLED)]


def test_a_spelt_out_failure_announces_no_results() -> None:
    """`postprocess_end` says that results are there: there are none."""
    lifecycle, _ = begun()
    lifecycle.receive(Accepted(upstream_id="7"), T0)
    failed = Record(phase="failed", status="fail", fault=Fault(code=501, message="no"), ended_at=T0 + 1)

    events = lifecycle.receive(RecordRead(record=failed, source=Source.CALLBACK), T0 + 2)

    assert [(event.type, event.state, event.at) for event in events] == [("done", State.FAILED, T0 + 1)]
