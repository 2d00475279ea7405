"""
One append as a value: checked as far as can be seen without the store, and encoded. Every backend begins with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.codec import encode_snapshot
from relay.core.events import Event, State
from relay.core.snapshot import Snapshot
from relay.core.upstream import UpstreamTask
from relay.journal.entries import Appended, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """At least one event of one task, without a gap, and what is to be stored in the same commit."""

    task: str
    entries: tuple[Entry, ...]
    state: State
    """The task's after the last event."""
    snapshot: bytes | None
    """The fold after the last event, as JSON."""
    folded: Snapshot | None
    """The same as an object, for the listeners and the journal's memory."""
    upstream: UpstreamTask | None
    """How the upstream knows the task."""
    synced: bool
    """Whether it must be on the disk before it is answered."""

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq

    @property
    def appended(self) -> Appended:
        """What the listeners receive once it is committed."""
        return Appended(task=self.task, entries=self.entries, folded=self.folded)

    @property
    def live(self) -> Snapshot | None:
        """The state to keep in memory: that of a task that has not ended, where the writer passed it."""
        return None if self.state.ended else self.folded

    @classmethod
    def of(
        cls,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
    ) -> "Batch":
        """
        Check and encode.

        Raises:
            ValueError: the events are not one stretch of one log, the snapshot is not the fold at its end, or a text
                cannot be written as UTF-8.
        """
        first, last = events[0], events[-1]
        for seq, event in enumerate(events, first.seq):
            if (event.task, event.seq) != (first.task, seq):
                raise ValueError(f"seq {seq} of task {first.task} expected, got seq {event.seq} of {event.task}")
        for given in (snapshot, folded):
            if given is not None and (given.id, given.seq) != (last.task, last.seq):
                raise ValueError(
                    f"the snapshot is of {given.id} at seq {given.seq}, the log of {last.task} at {last.seq}"
                )
        if upstream is not None:  # what no store can write must be refused here, not in a store's thread
            for text in (upstream.upstream_id, upstream.socket_token):
                (text or "").encode()
        return cls(
            task=first.task,
            entries=tuple(Entry.of(event) for event in events),
            state=last.state,
            snapshot=None if snapshot is None else encode_snapshot(snapshot),
            folded=folded,
            upstream=upstream,
            synced=synced,
        )

    def check_next(self, seq: int | None) -> None:
        """
        Check that this continues a log that ends at `seq`; null stands for a task that is not there.

        Raises:
            ValueError: it does not.
        """
        if seq is None:
            raise ValueError(f"there is no task {self.task}")
        if self.entries[0].seq != seq + 1:
            raise ValueError(f"the log of {self.task} is at seq {seq}: {self.entries[0].seq} is not the next")


def check_first(task: str, event: Event) -> None:
    """
    Check that `event` can begin the log of `task`.

    Raises:
        ValueError: it is another task's, or not at seq 1.
    """
    if (event.task, event.seq) != (task, 1):
        raise ValueError(f"the log of {task} begins at its seq 1, not at seq {event.seq} of {event.task}")
