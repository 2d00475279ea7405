"""The entries that are kept in memory for resuming."""

from relay.core.events import State
from relay.hub.recent_entries import RECENT_BYTES, RECENT_EVENTS, RecentEntries
from relay.journal.entries import Entry


def entry(seq: int, size: int = 1) -> Entry:
    return Entry(task="t1", seq=seq, type="output", state=State.RUNNING, adds_text=True, body=b"x" * size)


def test_the_entries_after_a_seq_are_returned() -> None:
    """There are none before the first entry, and an unknown past is None."""
    recent = RecentEntries()
    assert recent.after(0) is None
    for seq in (5, 6, 7):
        recent.append(entry(seq))

    assert recent.after(3) is None
    assert recent.after(4) == [entry(5), entry(6), entry(7)]
    assert recent.after(6) == [entry(7)]


def test_old_entries_are_dropped_by_number() -> None:
    """The newest RECENT_EVENTS are kept."""
    recent = RecentEntries()
    for seq in range(1, RECENT_EVENTS + 2):
        recent.append(entry(seq))

    assert recent.after(0) is None
    assert len(recent.after(1) or ()) == RECENT_EVENTS


def test_old_entries_are_dropped_by_size() -> None:
    """An entry that is too large itself is not kept either."""
    recent = RecentEntries()
    recent.append(entry(1, RECENT_BYTES // 2))
    recent.append(entry(2, RECENT_BYTES // 2))
    recent.append(entry(3))
    assert recent.after(0) is None
    assert recent.after(1) == [entry(2, RECENT_BYTES // 2), entry(3)]

    recent.append(entry(4, RECENT_BYTES + 1))
    assert recent.after(3) is None
