"""Summaries of tasks: the events that they forward, and the state that they show."""

import pytest

from relay.core.events import Began, Data, Done, Event, Log, LogOutput, Progress, ProgressOutput, Source, State, Submit
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub.task_summary import TaskSummary
from relay.journal.entries import Appended, Entry
from tests.hub.fakes import message_state, short

LINE = LogOutput(log=Log(stream="stdout", text="hello"))


def event(seq: int, kind: str, state: State, data: Data) -> Event:
    return Event(type=kind, task="t1", seq=seq, state=state, at=float(seq), source=Source.LIVE, data=data)


def appended(*events: Event, folded: Snapshot | None = None) -> Appended:
    return Appended(task="t1", entries=tuple(map(Entry.of, events)), folded=folded)


def first() -> Snapshot:
    return begin(event(1, "submit", State.SUBMITTING, Submit(model="a/b", provider="wiro")), "epoch")


@pytest.mark.parametrize("is_folded", [False, True])
def test_a_summary_is_the_state_without_text(is_folded: bool) -> None:
    """It equals the fold of all events, except for the log, whether the writer passes the state or not."""
    state, summary = first(), TaskSummary(first())
    for seq in range(2, 1500):
        data: Data = LINE if seq % 2 else ProgressOutput(progress=Progress(percent=seq / 10))
        step = event(seq, "output", State.RUNNING, data)
        state = apply(state, step)
        summary.add(appended(step, folded=state if is_folded else None))

    assert short(message_state(summary.message(1.0))) == short(state)
    assert message_state(summary.message(1.0)).log == ()
    assert summary.seq == state.seq


def test_events_that_only_add_text_are_not_forwarded() -> None:
    """Every other event of the commit is."""
    summary = TaskSummary(apply(first(), event(2, "start", State.RUNNING, Began())))
    progress = event(4, "output", State.RUNNING, ProgressOutput(progress=Progress(percent=1.0)))

    assert summary.add(appended(event(3, "output", State.RUNNING, LINE), progress)) == [Entry.of(progress)]


def test_entries_that_the_state_includes_are_skipped() -> None:
    """The journal may be read before the entries are published."""
    step = event(2, "start", State.RUNNING, Began())
    summary = TaskSummary(apply(first(), step))

    assert summary.add(appended(step)) == []


def test_a_state_that_text_brings_needs_the_whole_summary() -> None:
    """The first line of a log may be the first sign that a task runs: the line is left out, the state is not."""
    summary = TaskSummary(first())

    assert summary.add(appended(event(2, "output", State.RUNNING, LINE))) is None
    assert message_state(summary.message(1.0)).state is State.RUNNING
    assert message_state(summary.message(1.0)).log == ()
    assert summary.add(appended(event(3, "output", State.RUNNING, LINE))) == []


def test_a_task_that_has_ended_ranks_below_those_that_have_not() -> None:
    """Lists begin with the tasks that have not ended."""
    running, ended = TaskSummary(first()), TaskSummary(first())
    ended.add(appended(event(2, "done", State.SUCCEEDED, Done(verdict="succeeded"))))

    assert ended.ended
    assert running.rank > ended.rank
    assert repr(ended) == "<TaskSummary t1 seq=2 revision=0>"
