"""Reads a task's state and history from the rows of a table of events. Used by all backends on disk."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Event
from relay.core.snapshot import Snapshot, begin, fold
from relay.journal.damage import decoding
from relay.journal.entries import Entry, History

Row = tuple[int, bytes]
"""The seq and the body of an event."""


def fold_log(
    task: str, epoch: str, snapshot: bytes | str | None, snapshot_seq: int | None, rows: Iterable[Row]
) -> Snapshot:
    """
    Return the state of a task: its stored snapshot with all later events applied.

    Args:
        task: its id.
        epoch: the present epoch of the journal.
        snapshot: the stored snapshot, as JSON; without one, the log is complete.
        snapshot_seq: the seq of the last event in it.
        rows: the events after it, in order.

    Raises:
        StoreDamaged: they cannot be decoded, or are not consecutive.
    """
    events = _decode_events(task, rows, after=snapshot_seq or 0)
    with decoding(task, "state"):
        if snapshot is None:
            start = begin(next(events), epoch)
        else:
            body = snapshot.encode() if isinstance(snapshot, str) else snapshot
            start = replace(decode_snapshot(body), epoch=epoch)  # stored with the epoch at that time
            if (start.id, start.seq) != (task, snapshot_seq):
                raise ValueError(snapshot_seq)
        return fold(start, events)


def make_history(task: str, rows: Iterable[Row], *, after: int, first_seq: int) -> History:
    """
    Return entries that were read from a log.

    Args:
        task: its id.
        rows: events with a seq above `after`, in order.
        after: the seq after which they were read.
        first_seq: the seq of the oldest event that is stored.

    Raises:
        StoreDamaged: they cannot be decoded, or are not consecutive.
    """
    entries = []
    with decoding(task, "log"):
        for expected, (seq, body) in enumerate(rows, max(after + 1, first_seq)):
            entry = Entry.parse(body)
            if (entry.task, entry.seq, seq) != (task, expected, expected):
                raise ValueError(expected)
            entries.append(entry)
    return History(entries=tuple(entries), first_seq=first_seq)


def _decode_events(task: str, rows: Iterable[Row], after: int) -> Iterator[Event]:
    """Decode the events of a log that follow `after`, one by one."""
    for seq, body in rows:
        with decoding(task, "log"):
            event = decode_event(body)
            if (event.task, event.seq, seq) != (task, seq, after + 1):
                raise ValueError(seq)
        after = seq
        yield event
