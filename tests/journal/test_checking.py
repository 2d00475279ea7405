"""Whole stores are read: what is counted, and what is reported as damaged."""

from collections.abc import AsyncIterator

import pytest

from relay.errors import StoreDamaged
from relay.journal import checking
from relay.journal.checking import Checked, check_all
from relay.journal.memory import MemoryJournal
from tests.journal.postgres.records import create, event


@pytest.fixture
async def journal() -> AsyncIterator[MemoryJournal]:
    """Return a journal with three tasks, the first of which has two events."""
    journal = MemoryJournal()
    await journal.open(lock=False)
    for number in (1, 2, 3):
        await create(journal, f"task-{number}", created_at=float(number))
    await journal.append([event("task-1", 2)])
    yield journal
    await journal.close()


async def test_an_intact_store_is_read_to_its_end(journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, with every event of every task. The progress is the number of tasks."""
    monkeypatch.setattr(checking, "PAGE_TASKS", 2)
    monkeypatch.setattr(checking, "PAGE_EVENTS", 1)
    progress: list[int] = []

    assert await check_all(journal, progress.append) == Checked(tasks=3, events=4, damaged=())
    assert progress == [2, 3]


async def test_a_log_that_ends_before_its_state_is_damaged(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last events are missing. The other tasks are read nevertheless."""
    history = await journal.read("task-1", after=0, limit=1)
    read = journal.read

    async def first_only(task: str, *, after: int, limit: int) -> object:
        if task != "task-1":
            return await read(task, after=after, limit=limit)
        return history if after == 0 else type(history)(entries=(), first_seq=1)

    monkeypatch.setattr(journal, "read", first_only)

    damaged = (str(StoreDamaged("task-1", "log")),)
    assert await check_all(journal) == Checked(tasks=3, events=2, damaged=damaged)
