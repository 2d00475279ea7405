"""The fold of a task's events. What each event changes is tested with tests/vectors/ (test_vectors.py)."""

import pytest

from relay.core.events import Began, Data, Event, Log, LogOutput, Source, State, Submit
from relay.core.snapshot import apply, begin, fold

SUBMIT = Submit(model="o/m", provider="wiro")


def event(seq: int, kind: str, data: Data) -> Event:
    return Event(type=kind, task="t", seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)


@pytest.mark.parametrize("first", [event(1, "start", Began()), event(2, "submit", SUBMIT)], ids=["type", "seq"])
def test_a_log_starts_with_submit_at_seq_1(first: Event) -> None:
    """Any other event is an error, because there is no state that it could change."""
    with pytest.raises(ValueError, match="a log starts with submit at seq 1"):
        begin(first, "epoch")


@pytest.mark.parametrize("seq", [1, 3])
def test_an_event_that_is_not_the_next_one_changes_nothing(seq: int) -> None:
    """Neither one that is included already nor one after a gap."""
    state = begin(event(1, "submit", SUBMIT), "epoch")
    assert apply(state, event(seq, "start", Began())) is state


def test_a_second_submit_changes_nothing_but_the_seq() -> None:
    """It cannot happen, and it does not restart a task."""
    line = event(2, "output", LogOutput(log=Log(stream="stdout", text="x")))
    state = fold(
        begin(event(1, "submit", SUBMIT), "epoch"), [line, event(3, "submit", Submit(model="b", provider="b"))]
    )
    assert (state.model, state.log, state.seq) == ("o/m", (Log(stream="stdout", text="x"),), 3)
