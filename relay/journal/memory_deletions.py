"""Deletions in memory. See `relay.journal.deletions.Deletions`."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from relay.journal.deletions import DeletedListener, Tombstone


class MemoryDeletions:
    """Deletes tasks of a journal in memory, and has their tombstones."""

    def __init__(
        self,
        remove: Callable[[Collection[str]], Sequence[str]],
        free_keys: Callable[[Collection[str]], None],
        deleted: DeletedListener,
    ) -> None:
        """
        Args:
            remove: removes those of the tasks that have ended, and returns them.
            free_keys: frees the idempotency keys of tasks.
            deleted: called with the tasks that were deleted.
        """
        self._remove = remove
        self._free_keys = free_keys
        self._deleted = deleted
        self._tombstones: dict[str, Tombstone] = {}
        """By task, oldest first."""

    async def delete(self, tasks: Sequence[str], *, at: float, upstream: bool) -> tuple[str, ...]:
        removed = self._remove(tasks)
        self._tombstones |= {task: Tombstone(task=task, at=at, upstream=upstream) for task in removed}
        if removed:
            self._deleted(removed)
        await asyncio.sleep(0)
        return tuple(task for task in tasks if task in self._tombstones)

    async def find(self, task: str) -> Tombstone | None:
        return self._tombstones.get(task)

    async def forget(self, *, deleted_before: float, limit: int) -> int:
        by_age = sorted(self._tombstones.values(), key=lambda each: (each.at, each.task))
        old = [each.task for each in by_age if each.at < deleted_before][:limit]
        for task in old:
            del self._tombstones[task]
        self._free_keys(old)
        await asyncio.sleep(0)
        return len(old)
