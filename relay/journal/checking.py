"""Read a whole store, to find what cannot be read: the tasks, their states and every event of their logs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.errors import StoreDamaged
from relay.journal.base import Journal
from relay.journal.lists import Filter, ListPosition

PAGE_TASKS: Final = 100
PAGE_EVENTS: Final = 1000

_ALL: Final = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a store contains."""

    tasks: int
    events: int
    damaged: tuple[str, ...]
    """One line for each task that cannot be read, with its id and what is damaged."""


async def check_all(journal: Journal, progress: Callable[[int], None] = lambda _tasks: None) -> Checked:
    """
    Read everything that a journal, which is open, contains.

    Args:
        journal: the journal; it does not have to own its tasks.
        progress: called with the number of tasks that have been read.

    Raises:
        StoreError: the store failed.
    """
    tasks = events = 0
    damaged: list[str] = []
    after: ListPosition | None = None
    while page := await journal.page(_ALL, after=after, limit=PAGE_TASKS):
        for position in page:
            try:
                events += await _read(journal, position.id)
            except StoreDamaged as error:
                damaged.append(str(error))
        tasks += len(page)
        after = page[-1]
        progress(tasks)
    return Checked(tasks=tasks, events=events, damaged=tuple(damaged))


async def _read(journal: Journal, task: str) -> int:
    """
    Read all of a task, and return how many events are stored.

    Raises:
        StoreDamaged: something of it cannot be read, or its log has a gap.
    """
    await journal.stored_task(task)
    snapshot = await journal.snapshot(task)
    seq = count = 0
    while entries := (await journal.read(task, after=seq, limit=PAGE_EVENTS)).entries:
        seq = entries[-1].seq
        count += len(entries)
    if snapshot is not None and count and seq < snapshot.seq:
        raise StoreDamaged(task, "log")
    return count
