"""What the listeners have received: each entry once, whether this node or another one committed it."""

from collections.abc import Sequence
from dataclasses import replace

from relay.journal.entries import Appended
from relay.journal.listeners import Listeners


class Deliveries(Listeners):
    """
    Listeners that are not passed an entry again.

    A node's own commit can also be read from the database: if the node was paused after it, another one may have taken
    the task over and written on. The last `seq` of a task is known from its first delivery to its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last_seqs: dict[str, int] = {}

    def last_seq(self, task: str) -> int | None:
        """Return the last delivered entry of a task that has not ended; null if there is none."""
        return self._last_seqs.get(task)

    def publish(self, appended: Sequence[Appended]) -> None:
        """Pass on the entries that have not been delivered."""
        super().publish([new for each in appended if (new := self._new(each)) is not None])

    def deleted(self, tasks: Sequence[str]) -> None:
        """Pass on which tasks were deleted, and forget what was delivered of them."""
        for task in tasks:
            self._last_seqs.pop(task, None)
        super().deleted(tasks)

    def reset(self) -> None:
        """Have the listeners read again what they know, and forget what was delivered."""
        self._last_seqs.clear()
        super().reset()

    def _new(self, appended: Appended) -> Appended | None:
        last, entries = self._last_seqs.get(appended.task, 0), appended.entries
        if entries[-1].seq <= last:
            return None
        if entries[-1].final:
            self._last_seqs.pop(appended.task, None)
        else:
            self._last_seqs[appended.task] = entries[-1].seq
        if entries[0].seq > last:
            return appended
        return replace(appended, entries=tuple(entry for entry in entries if entry.seq > last))
