"""The queue for a provider's capacity that all nodes with one journal share."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from relay.journal.base import Journal
from relay.journal.entries import Appended
from relay.tasks.admission import Queue

RECHECK_S = 2.0
"""How often a task that is not the first looks whether it has moved up: not every change is an event in a log."""


class SharedQueue(Queue):
    """
    The queue of all nodes. The journal has its order; this object wakes the tasks of this node when that has changed.

    It remembers the order for a moment, so that many queued tasks share one read.
    """

    def __init__(self, limit: int, journal: Journal, provider: str) -> None:
        """
        Args:
            limit: how many tasks of all nodes may be queued.
            journal: shared.
            provider: by name.
        """
        super().__init__(limit)
        self._journal = journal
        self._provider = provider
        self._known: Sequence[str] = ()
        """The order as it was read last."""
        self._read_at_s = 0.0
        self._outdated = True
        self._reading = asyncio.Lock()
        journal.listen(self._heard, reset=self._changed)

    def leave(self, task: str) -> None:
        if self._woken.pop(task, None) is not None:
            self._changed()

    async def position(self, task: str) -> int:
        position = await super().position(task)
        if position == 1:  # it may be sent now, so no older order will do
            self._outdated = True
            position = await super().position(task)
        return position

    def wake_first(self) -> None:
        for task in self._known[:1]:
            self.wake(task)

    async def wait(self, task: str, timeout_s: float) -> None:
        await super().wait(task, timeout_s if task in self._known[:1] else min(timeout_s, RECHECK_S))

    async def _line(self) -> Sequence[str]:
        async with self._reading:  # the next reader waits: its read must begin after the change
            now_s = asyncio.get_running_loop().time()
            if self._outdated or now_s - self._read_at_s >= RECHECK_S / 2:
                self._outdated = False
                with suppress(OSError):  # whose turn it is can be decided by an older order
                    self._known = await self._journal.queued(self._provider)
                    self._read_at_s = now_s
        return self._known

    def _changed(self) -> None:
        """Wake the tasks that may have moved up. The first one only waits for capacity."""
        self._outdated = True
        for task, woken in self._woken.items():
            if task not in self._known[:1]:
                woken.set()

    def _heard(self, appended: Sequence[Appended]) -> None:
        for each in appended:
            for entry in each.entries:
                if entry.type == "hold" and entry.task not in self._known:
                    self._outdated = True
                elif entry.type in ("submitted", "done") and entry.task in self._known:
                    self._changed()
                if entry.final and (each.folded is None or each.folded.provider == self._provider):
                    self.wake_first()
