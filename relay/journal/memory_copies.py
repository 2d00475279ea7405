"""The copies of files in memory. See `relay.journal.file_copies.FileCopies`."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace

from relay.errors import Fenced
from relay.journal.file_copies import TO_DO, CopyState, FileCopy, settled, spooled_path
from relay.journal.sole_node import NODE


class MemoryCopies:
    """The copies that one process knows."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], FileCopy] = {}

    def add(self, copies: Iterable[FileCopy]) -> None:
        """Add copies that are not known yet."""
        for copy in copies:
            self._rows.setdefault((copy.task, copy.part), copy)

    def orphan(self, tasks: Collection[str]) -> None:
        """Have all copies of tasks deleted."""
        for key, copy in self._rows.items():
            if copy.task in tasks:
                self._rows[key] = replace(copy, state=CopyState.ORPHANED, next_at=0.0)

    async def of_task(self, task: str) -> tuple[FileCopy, ...]:
        return tuple(copy for copy in self._rows.values() if copy.task == task and copy.state is not CopyState.ORPHANED)

    async def find(self, task: str, part: str) -> FileCopy | None:
        return self._rows.get((task, part))

    async def spooled(self) -> tuple[FileCopy, ...]:
        return tuple(copy for copy in self._rows.values() if copy.state is CopyState.WAITING and spooled_path(copy))

    async def due_at(self) -> float | None:
        return min((copy.next_at for copy in self._free()), default=None)

    async def claim(self, now: float, *, limit: int) -> tuple[FileCopy, ...]:
        due = sorted((copy for copy in self._free() if copy.next_at <= now), key=lambda copy: copy.next_at)
        claimed = tuple(replace(copy, owner=NODE) for copy in due[:limit])
        self._rows |= {(copy.task, copy.part): copy for copy in claimed}
        await asyncio.sleep(0)
        return claimed

    async def settle(self, copy: FileCopy) -> bool:
        stored = self._rows.get((copy.task, copy.part))
        if stored is None or stored.owner is None or stored.owner != copy.owner:
            raise Fenced(f"the copy {copy.task}/{copy.part} is not claimed by this node")
        self._rows[copy.task, copy.part] = settled(stored, copy)
        await asyncio.sleep(0)
        return all(each.state is not CopyState.WAITING for each in self._rows.values() if each.task == copy.task)

    async def forget(self, copy: FileCopy) -> None:
        self._rows.pop((copy.task, copy.part), None)

    async def expire(self, *, kept_before: float, limit: int, reason: str) -> int:
        kept = sorted((copy.kept_at, key) for key, copy in self._rows.items() if copy.state is CopyState.KEPT)
        old = [key for kept_at, key in kept if kept_at is not None and kept_at < kept_before][:limit]
        for key in old:
            self._rows[key] = replace(self._rows[key], state=CopyState.EXPIRING, next_at=0.0, reason=reason)
        return len(old)

    async def size_bytes(self) -> int:
        return sum(copy.size_bytes or 0 for copy in self._rows.values() if copy.state is CopyState.KEPT)

    def _free(self) -> list[FileCopy]:
        return [copy for copy in self._rows.values() if copy.state in TO_DO and copy.owner is None]
