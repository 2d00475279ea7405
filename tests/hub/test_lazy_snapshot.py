"""The state of a task that is folded when it is read."""

import pytest

from relay.core.events import Event, Log, LogOutput, Source, State, Submit
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub import lazy_snapshot
from relay.hub.lazy_snapshot import UNFOLDED_BYTES, UNFOLDED_EVENTS, LazySnapshot, snapshot_message
from relay.journal.entries import Entry
from tests.hub.fakes import message_state


def first() -> Snapshot:
    data = Submit(model="a/b", provider="wiro")
    return begin(
        Event(type="submit", task="t1", seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data), "epoch"
    )


def line(seq: int, text: str = "x") -> Event:
    data = LogOutput(log=Log(stream="stdout", text=text))
    return Event(type="output", task="t1", seq=seq, state=State.RUNNING, at=2.0, source=Source.LIVE, data=data)


@pytest.mark.parametrize(("text", "count"), [("x", UNFOLDED_EVENTS + 1), ("x" * 10_000, UNFOLDED_BYTES // 10_000 + 1)])
def test_few_entries_are_kept_unfolded(text: str, count: int) -> None:
    """Neither the number nor the size of the entries that are kept grows with the log."""
    state, lazy = first(), LazySnapshot(first())
    for seq in range(2, count + 2):
        lazy.add([Entry.of(line(seq, text))], None)
        state = apply(state, line(seq, text))

    assert len(lazy._unfolded) < count
    assert lazy._unfolded_bytes <= UNFOLDED_BYTES
    assert lazy.value() == state


def test_entries_over_the_limit_are_folded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tasks reach the limit at the same moment: the event loop must not stop for all they have kept."""
    folded: list[int] = []

    def counting(snapshot: Snapshot, event: Event) -> Snapshot:
        folded.append(event.seq)
        return apply(snapshot, event)

    monkeypatch.setattr(lazy_snapshot, "apply", counting)
    lazy = LazySnapshot(first())
    for seq in range(2, UNFOLDED_EVENTS + 2):
        lazy.add([Entry.of(line(seq))], None)
    assert folded == []
    for seq in range(2, 10):
        lazy.add([Entry.of(line(seq + UNFOLDED_EVENTS))], None)
        assert folded == list(range(2, seq + 1))


def test_a_state_that_the_writer_passes_replaces_the_unfolded_entries() -> None:
    """Nothing is decoded or folded then."""
    state = apply(apply(first(), line(2)), line(3))
    lazy = LazySnapshot(first())
    lazy.add([Entry.of(line(2))], None)
    lazy.add([Entry.of(line(3))], state)

    assert not lazy._unfolded
    assert lazy.value() is state


def test_entries_that_were_left_out_do_not_stop_the_fold() -> None:
    """Some readers leave out what does not change their reduced state."""
    lazy = LazySnapshot(first())
    lazy.add([Entry.of(line(2))], None)
    lazy.add([Entry.of(line(5, "y"))], None)

    assert lazy.value().seq == 5
    assert lazy.value().log == (Log(stream="stdout", text="xy"),)


def test_the_state_is_encoded_once_between_two_entries() -> None:
    """All viewers that ask for it share the bytes."""
    lazy = LazySnapshot(first())
    encoded = lazy.json()

    assert lazy.json() is encoded
    lazy.add([Entry.of(line(2))], None)
    assert message_state(snapshot_message(lazy, 7.5)) == apply(first(), line(2))
    assert snapshot_message(lazy, 7.5).endswith(b',"at":7.5}')
