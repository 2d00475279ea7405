"""What a row shows and what it leaves out, told without decoding: so it is held against the decoded event."""

import pytest

from relay.core.events import (
    Append,
    AppendOutput,
    Began,
    Data,
    Done,
    Event,
    Log,
    LogOutput,
    Progress,
    ProgressOutput,
    Source,
    State,
    Submit,
)
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub.task_summary import FOLD_AT, Row, left_out, state_of
from relay.journal.entries import Entry
from tests.hub.fakes import short

LURE = '"data":{"progress":{"percent":1.0}},"state":"failed","data":{"log":'
"""What a model might write to be taken for something else."""


def event(seq: int, kind: str, state: State, data: Data) -> Event:
    return Event(type=kind, task="t1", seq=seq, state=state, at=float(seq), source=Source.LIVE, data=data)


def first() -> Snapshot:
    return begin(event(1, "submit", State.SUBMITTING, Submit(model="a/b", provider="wiro")), "epoch")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    ("kind", "data", "is_left_out"),
    [
        ("output", LogOutput(log=Log(stream="stderr", text=LURE)), True),
        ("output", AppendOutput(append=Append(segment=0, kind=LURE, offset=0, text=LURE)), True),
        ("output", ProgressOutput(progress=Progress(percent=3.0, label=LURE)), False),
        ("start", Began(), False),
        ("submit", Submit(model=LURE, provider="wiro", tags=(LURE,)), False),
        ("done", Done(verdict="failed", evidence=(LURE,)), False),
    ],
    ids=["log", "append", "progress", "stage", "submit", "done"],
)
def test_what_an_event_is_shows_in_how_it_is_written(state: State, kind: str, data: Data, is_left_out: bool) -> None:
    """Logs and appends are left out, whatever stands in their text, and the state is the event's own."""
    body = Entry.of(event(7, kind, state, data)).body

    assert left_out(body) is is_left_out
    assert state_of(body) == state.encode()


def test_a_row_is_the_state_without_what_is_left_out() -> None:
    """However much has passed, and however late it is asked: the same as the whole fold, but for its text."""
    state, row = first(), Row(first())
    for seq in range(2, 4 * FOLD_AT):
        data: Data = ProgressOutput(progress=Progress(percent=seq / 10))
        if seq % 2:
            data = LogOutput(log=Log(stream="stdout", text=LURE))
        step = event(seq, "output", State.RUNNING, data)
        state = apply(state, step)
        row.hear([Entry.of(step)])

        assert len(row._heard) < FOLD_AT
    assert short(row._fold()) == short(state)
    assert row.seq == state.seq


def test_what_was_read_before_it_was_heard_counts_once() -> None:
    """The tail may tell late of what stood in the state already."""
    step = event(2, "start", State.RUNNING, Began())
    row = Row(apply(first(), step))

    assert row.hear([Entry.of(step)]) == []


def test_a_state_that_only_a_left_out_event_tells_is_shown_by_the_row() -> None:
    """The first line of a model says that it runs, where nothing else has: the line is left out, the state is not."""
    row = Row(first())
    line = LogOutput(log=Log(stream="stdout", text="hello"))

    assert row.hear([Entry.of(event(2, "output", State.RUNNING, line))]) is None
    assert row._fold().state is State.RUNNING
    assert row._fold().log == ()
    assert row.hear([Entry.of(event(3, "output", State.RUNNING, line))]) == []
