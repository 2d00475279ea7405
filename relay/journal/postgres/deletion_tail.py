"""
Finds what any node has deleted since the last look.

Deletions have no order of their own, so the cursor is a number of a transaction: all earlier ones had ended at the last
look. What was deleted after that is found at least once.
"""

from collections.abc import Sequence
from typing import Final

from relay.journal.deletions import DeletedListener
from relay.journal.postgres.session import Session

# After a restore from a dump, the numbers are those of another server: look at none that are older than a day.
_DELETED: Final = """
SELECT task, txid_snapshot_xmin(txid_current_snapshot()) AS next FROM tombstones
WHERE xact >= $1 AND at > extract(epoch FROM clock_timestamp()) - 86400
"""

NEXT: Final = "SELECT txid_snapshot_xmin(txid_current_snapshot())"
"""Reads the cursor of everything that is deleted from now on."""


class DeletionTail:
    """The cursor of this node."""

    def __init__(self, deleted: DeletedListener) -> None:
        """`deleted` is called with the tasks that were deleted."""
        self._deleted = deleted
        self._next = 0
        self._told: Sequence[str] = ()
        """What the last look has found: the same may be found again."""
        self._is_due = False

    def begin(self, cursor: int) -> None:
        """Look for what is deleted from a cursor on."""
        self._next = cursor

    def look_soon(self) -> None:
        """Look with the next read."""
        self._is_due = True

    async def read(self, session: Session, limit_s: float) -> None:
        """Look once, if that is due."""
        if not self._is_due:
            return
        rows = await session.run(_DELETED, self._next, limit_s=limit_s)
        self._is_due = False
        found = [row["task"] for row in rows]
        if rows:
            self._next = rows[0]["next"]
        if new := [task for task in found if task not in self._told]:
            self._deleted(new)
        self._told = found
