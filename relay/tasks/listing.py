"""The use cases that list tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from relay.core.snapshot import Snapshot
from relay.journal.base import Journal
from relay.journal.lists import Filter, ListPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the task list, newest first. `next` is where the next page begins, null at the end."""

    snapshots: tuple[Snapshot, ...]
    next: ListPosition | None


class Lists:
    """Lists tasks."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> Page:
        """Return tasks, newest first, without log and segments. Tasks whose rows are damaged are left out."""
        places = await self._journal.page(where, after=after, limit=limit + 1)
        snapshots = await self._journal.snapshots([place.id for place in places[:limit]])
        return Page(
            snapshots=tuple(replace(snapshot, log=(), segments=()) for snapshot in snapshots),
            next=places[limit - 1] if len(places) > limit else None,
        )

    async def prompts(self, tasks: Sequence[Snapshot]) -> Mapping[str, str]:
        """Return the beginnings of the prompts of tasks by id, of those that have one."""
        return await self._journal.prompts([task.id for task in tasks])
