"""A task in the list of a tag: its state without log and segments."""

from dataclasses import replace

from relay.core.snapshot import Snapshot
from relay.hub.cursor import Cursor
from relay.hub.lazy_snapshot import LazySnapshot, snapshot_message
from relay.journal.entries import Appended, Entry


class TaskSummary:
    """The summary of one task, kept up to date with its entries."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.task = snapshot.id
        self.created_at = snapshot.created_at
        self.ended = snapshot.done is not None
        self.stalled = snapshot.stall is not None
        self._epoch = snapshot.epoch
        self.seq = snapshot.seq
        """The last entry received, including those that only add text."""
        self.revision = 0
        """The revision of the channel at which the summary last changed."""
        self._task_state = snapshot.state
        self._state = LazySnapshot(snapshot, _without_text)

    def __repr__(self) -> str:
        return f"<TaskSummary {self.task} seq={self.seq} revision={self.revision}>"

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """The sort key of a list, highest first: stalled tasks, others that have not ended, then the newest."""
        return self.stalled and not self.ended, not self.ended, self.created_at, self.task

    @property
    def position(self) -> Cursor:
        """The position of the last entry received. A client whose state is of this position needs no summary."""
        return Cursor(epoch=self._epoch, seq=self.seq)

    def add(self, appended: Appended) -> list[Entry] | None:
        """
        Add what one commit appended to the task's log.

        Returns:
            Those to forward to viewers, without the ones that only add text; None if one of those has changed the
            task's state, so that viewers need the whole summary.
        """
        shown, changes, state_is_new = [], [], False
        for entry in appended.entries:
            if entry.seq <= self.seq:  # the summary may have been read with entries that are published only now
                continue
            self.seq, self.ended = entry.seq, entry.final
            if entry.type in ("stall", "stall_end"):
                self.stalled = entry.type == "stall"
            if not entry.adds_text:
                shown.append(entry)
            elif entry.state is self._task_state:
                continue
            else:
                state_is_new = True
            self._task_state = entry.state
            changes.append(entry)
        if changes:
            self._state.add(changes, appended.folded)
        return None if state_is_new else shown

    def message(self, now: float) -> bytes:
        """Return the summary as a message; `now` is the relay's time in unix seconds."""
        return snapshot_message(self._state, now)


def _without_text(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, log=(), segments=())
