"""
Leaves queued tasks to the node that has their files.

A node with a local spool that is restarted gives its tasks up, and is back in a moment. Until then the other nodes
leave alone the tasks that only it can send. If it does not come back, one of them ends them.
"""

from collections.abc import Callable, Sequence

from relay.clock import uptime_s
from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.files.spool import Spool
from relay.journal.base import StoredTask

WAIT_S = 120.0
"""How long a node leaves a task to others, from when it found out that it does not have the files."""


class MissingFiles:
    """The tasks whose files this node does not have."""

    def __init__(self, spool: Spool, clock: Callable[[], float] = uptime_s) -> None:
        self._spool = spool
        self._clock = clock
        self._until_s: dict[str, float] = {}
        """Until when each of them is left to other nodes."""

    @property
    def left(self) -> Sequence[str]:
        """The tasks that are left to other nodes now."""
        now_s = self._clock()
        return [task for task, until_s in self._until_s.items() if now_s < until_s]

    async def leave(self, stored: StoredTask, snapshot: Snapshot) -> bool:
        """Return whether to leave a task to other nodes now: it is queued, and its files are not here."""
        if snapshot.state is State.HELD and stored.files and not await self._spool.has(stored.files):
            now_s = self._clock()
            if now_s < self._until_s.setdefault(stored.id, now_s + WAIT_S):
                return True
        self._until_s.pop(stored.id, None)
        return False
