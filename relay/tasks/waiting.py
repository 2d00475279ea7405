"""Waits until a task has ended, for callers that want the finished task in one answer."""

import asyncio
from collections.abc import Sequence

from relay.core.snapshot import Snapshot
from relay.journal.base import Journal
from relay.journal.entries import Appended
from relay.tasks.starting import Started
from relay.tasks.turns import Begun


class Waits:
    """The waits of this process, for tasks that any node follows. All of them end when it shuts down."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._changed: set[asyncio.Event] = set()
        """One of each wait: set when there may be something new."""
        self._closed = False

    def close(self) -> None:
        """End all waits, and those that begin later: the relay is shutting down."""
        self._closed = True
        for changed in self._changed:
            changed.set()

    async def until_ended(self, task: str, until_s: float) -> Snapshot | None:
        """
        Wait until a task has ended, until a time of the event loop's clock, or until `close`.

        Returns:
            Its state, if it has ended.

        Raises:
            StoreError: the journal failed.
        """
        changed = asyncio.Event()

        def heard(appended: Sequence[Appended]) -> None:
            if any(each.task == task and each.entries[-1].final for each in appended):
                changed.set()

        def deleted(tasks: Sequence[str]) -> None:
            if task in tasks:
                changed.set()

        stop = self._journal.listen(heard, reset=changed.set, deleted=deleted)
        self._changed.add(changed)
        try:
            async with asyncio.timeout_at(until_s):
                while not self._closed:
                    changed.clear()
                    snapshot = await self._journal.snapshot(task)
                    if snapshot is None or snapshot.done is not None:
                        return snapshot
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            stop()
            self._changed.discard(changed)
        return None

    async def until_started(self, starting: asyncio.Task[Started], begun: Begun, until_s: float) -> Started | None:
        """
        Wait until a start has been answered; after `until_s` or `close`, only until its task is known.

        A start that waits for another request under the same key is cancelled then.

        Args:
            starting: the start.
            begun: which task answers it.
            until_s: a time of the event loop's clock.

        Returns:
            The outcome of the start; null if the platform has not answered yet.

        Raises:
            RequestError: no task was created.
        """
        changed = asyncio.Event()
        starting.add_done_callback(lambda _: changed.set())
        self._changed.add(changed)
        try:
            async with asyncio.timeout_at(until_s):
                while not self._closed and not starting.done():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            pass
        finally:
            self._changed.discard(changed)
        known = asyncio.create_task(begun.known.wait())
        try:
            await asyncio.wait({starting, known}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            known.cancel()
        if starting.done():
            return starting.result()
        if not begun.is_own:
            starting.cancel()
        return None
