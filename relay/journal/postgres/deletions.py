"""The deletion of tasks, and the table of tombstones. See `relay.journal.deletions.Deletions`."""

from collections.abc import Callable, Sequence
from typing import Final

from relay.journal.deletions import DeletedListener, Tombstone
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader

_DELETE: Final = "SELECT relay_delete($1, $2, $3, $4)"

_FIND: Final = "SELECT task, at, upstream FROM tombstones WHERE task = $1"

_FORGET: Final = """
WITH old AS (
  SELECT task FROM tombstones WHERE at < $1 ORDER BY at, task LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM tombstones t USING old WHERE t.task = old.task RETURNING t.task
), freed AS (
  DELETE FROM claims c USING old WHERE c.task = old.task
)
SELECT task FROM gone
"""


class PostgresDeletions:
    """Deletes tasks of the database, and reads their tombstones. The tail tells all nodes, this one included."""

    def __init__(
        self, parts: Callable[[], tuple[Reader, Errands]], node: Callable[[], int], deleted: DeletedListener
    ) -> None:
        """
        Args:
            parts: returns what reads and writes the database, or raises RuntimeError if the journal is not open.
            node: returns the id of this node.
            deleted: called with the tasks that were deleted.
        """
        self._parts = parts
        self._node = node
        self._deleted = deleted

    async def delete(self, tasks: Sequence[str], *, at: float, upstream: bool) -> tuple[str, ...]:
        _, errands = self._parts()
        rows = await errands.run(_DELETE, self._node(), list(tasks), at, upstream)
        deleted = tuple(rows[0][0])
        if deleted:
            self._deleted(deleted)
        return deleted

    async def find(self, task: str) -> Tombstone | None:
        reader, _ = self._parts()
        rows = await reader.fetch(_FIND, task)
        return Tombstone(**dict(rows[0])) if rows else None

    async def forget(self, *, deleted_before: float, limit: int) -> int:
        _, errands = self._parts()
        return len(await errands.run(_FORGET, deleted_before, limit))
