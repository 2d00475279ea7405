"""One call of `append` as a value: encoded, and checked without access to the store. Used by all backends."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.codec import encode_snapshot
from relay.core.events import Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot
from relay.core.spending import Charge
from relay.core.upstream import UpstreamTask
from relay.journal.entries import Appended, Entry
from relay.journal.file_copies import FileCopy
from relay.journal.outbox import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive events of one task, at least one, and what is stored in the same commit."""

    task: str
    entries: tuple[Entry, ...]
    state: State
    """The task's state after the last event."""
    snapshot: bytes | None
    """The snapshot after the last event, as JSON."""
    folded: Snapshot | None
    """The same as an object, for listeners and the journal's memory."""
    upstream: UpstreamTask | None
    """How the platform identifies the task."""
    synced: bool
    """Whether the commit must be durable before the caller is answered."""
    frees_key: bool = False
    """Whether the claim of the task's idempotency key is deleted in the same commit."""
    copies: tuple[FileCopy, ...] = ()
    """Files of the task to be copied to the archive."""
    webhooks: tuple[Webhook, ...] = ()
    """What is added to the outbox in the same commit."""
    tally: Tally | None = None
    """The tally of the task, which the events end."""
    charge: Charge | None = None
    """What the task, which the events end, is charged."""
    stalled: bool | None = None
    """Whether the task is stalled from now on. Null: as before."""
    ended_at: float | None = None
    """When the task ended, in unix seconds, if the events end it and a state was passed with them."""

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq

    @property
    def appended(self) -> Appended:
        """What listeners receive after the commit."""
        return Appended(task=self.task, entries=self.entries, folded=self.folded)

    @property
    def live(self) -> Snapshot | None:
        """The state to keep in memory: none for a task that has ended."""
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
        frees_key: bool = False,
        copies: Sequence[FileCopy] = (),
        webhooks: Sequence[Webhook] = (),
        tally: Tally | None = None,
        charge: Charge | None = None,
    ) -> "Batch":
        """
        Check and encode the arguments of `append`.

        Raises:
            ValueError: the events are not consecutive events of one task, a state is not the one after the last of
                them, or a text cannot be encoded as UTF-8.
        """
        first, last = events[0], events[-1]
        for seq, event in enumerate(events, first.seq):
            if (event.task, event.seq) != (first.task, seq):
                raise ValueError(f"expected seq {seq} of task {first.task}, got seq {event.seq} of {event.task}")
        for state in (snapshot, folded):
            if state is not None and (state.id, state.seq) != (last.task, last.seq):
                raise ValueError(f"the snapshot is of {state.id} at seq {state.seq}, not of {last.task} at {last.seq}")
        if upstream is not None:  # reject text that cannot be encoded now, not later in a store's thread
            for text in (upstream.upstream_id, upstream.socket_token):
                (text or "").encode()
        after = snapshot or folded
        return cls(
            task=first.task,
            entries=tuple(Entry.of(event) for event in events),
            state=last.state,
            snapshot=None if snapshot is None else encode_snapshot(snapshot),
            folded=folded,
            upstream=upstream,
            synced=synced,
            frees_key=frees_key,
            copies=tuple(copies),
            webhooks=tuple(webhooks),
            tally=tally,
            charge=charge,
            stalled=_stalled(events),
            ended_at=None if after is None else after.ended_at,
        )

    def check_next(self, seq: int | None) -> None:
        """
        Check that the batch continues a log that ends at `seq`; null means that there is no such task.

        Raises:
            ValueError: it does not.
        """
        if seq is None:
            raise ValueError(f"there is no task {self.task}")
        if self.entries[0].seq != seq + 1:
            raise ValueError(f"the log of {self.task} ends at seq {seq}: seq {self.entries[0].seq} is not the next")


def _stalled(events: Sequence[Event]) -> bool | None:
    """Return whether a task is stalled after some events; null if they do not say."""
    if events[-1].state.ended:
        return False
    return next((event.type == "stall" for event in reversed(events) if event.type in ("stall", "stall_end")), None)


def check_first(task: str, event: Event) -> None:
    """
    Check that `event` can be the first event of `task`.

    Raises:
        ValueError: it belongs to another task or is not at seq 1.
    """
    if (event.task, event.seq) != (task, 1):
        raise ValueError(f"the log of {task} starts at its seq 1, not at seq {event.seq} of {event.task}")
