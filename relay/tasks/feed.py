"""The events of a task as they are committed, for a reader that translates them and may be slow."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from relay.core.events import Event
from relay.core.snapshot import Snapshot
from relay.journal.base import Journal
from relay.journal.entries import Appended, Entry

MAX_WAITING = 500
"""A reader with more waiting events than this receives the state instead."""


async def feed(journal: Journal, task: str, *, pause_s: float) -> AsyncIterator[Snapshot | Sequence[Event]]:
    """
    Yield the state of a task, then what follows it. Ends after the last event, or when the task is deleted.

    Events come in order and without a gap; they may repeat what a state before them contains. After the epoch of the
    journal has changed, or when too many events wait, the state comes again.

    Args:
        journal: has the task, which any node may follow.
        task: by id.
        pause_s: how long events are gathered before they are yielded together.

    Raises:
        StoreError: the journal failed.
    """
    changed, waiting = asyncio.Event(), list[Entry]()
    stale, deleted = True, False

    def heard(appended: Sequence[Appended]) -> None:
        nonlocal stale
        for each in appended:
            if each.task == task:
                waiting.extend(each.entries)
                changed.set()
        if len(waiting) > MAX_WAITING:
            waiting.clear()
            stale = True

    def reset() -> None:
        nonlocal stale
        stale = True
        changed.set()

    def removed(tasks: Sequence[str]) -> None:
        nonlocal deleted
        deleted = deleted or task in tasks
        changed.set()

    stop = journal.listen(heard, reset=reset, deleted=removed)
    try:
        while not deleted:
            changed.clear()
            if stale:
                stale = False
                waiting.clear()
                if (snapshot := await journal.snapshot(task)) is None:
                    return
                yield snapshot
                if snapshot.done is not None:
                    return
            elif waiting:
                events = [entry.event for entry in waiting]
                waiting.clear()
                yield events
                if events[-1].type == "done":
                    return
                await asyncio.sleep(pause_s)
            if not waiting and not stale:
                await changed.wait()
    finally:
        stop()
