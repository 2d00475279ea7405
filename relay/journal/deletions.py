"""
The deletion of single tasks, and the tombstones of those that were deleted: a part of the journal's contract.

A tombstone says that there was a task, and nothing about it. The idempotency key of a deleted task stays in use, or a
request that arrives again would run what was deleted, and pay for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.errors import Code, RequestError

DeletedListener = Callable[[Sequence[str]], None]
"""Called on the event loop with the ids of tasks that were deleted. It must return at once and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of a deleted task."""

    task: str
    at: float
    """When it was deleted, in unix seconds."""
    upstream: bool
    """Whether the platform's copy was deleted, too."""


async def absence(deletions: "Deletions", task: str) -> RequestError:
    """Return the error for a task that the journal does not have."""
    if await deletions.find(task) is None:
        return RequestError(Code.NOT_FOUND, "There is no such task.")
    return RequestError(Code.GONE, "The task was deleted.")


class Deletions(Protocol):
    """Deletes tasks. Every method raises StoreError if the store fails."""

    async def delete(self, tasks: Sequence[str], *, at: float, upstream: bool) -> tuple[str, ...]:
        """
        Delete those of the tasks that have ended, with all their data, in one durable commit; keep a tombstone of each.

        The listeners of all nodes are told after the commit, possibly more than once.

        Args:
            tasks: by id. Those that do not exist or have not ended are left as they are.
            at: the time in unix seconds.
            upstream: whether the platform's copies have been deleted.

        Returns:
            Those of the tasks that are deleted now, by this call or by an earlier one.
        """

    async def find(self, task: str) -> Tombstone | None:
        """Return the tombstone of a task that was deleted."""

    async def forget(self, *, deleted_before: float, limit: int) -> int:
        """
        Remove the oldest tombstones from before a time, at most `limit`, and free the keys of their tasks.

        Returns:
            How many tombstones were removed.
        """
