"""Reads that take too long: each is stopped after a time, and other kinds of reads do not wait for it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.errors import StoreTimeout
from relay.journal.lists import Filter
from relay.journal.sqlite import SQLiteJournal, listing, reader

NEVER_S = 1e9


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(tmp_path / "relay.db")
    await journal.open(lock=True)
    async with asyncio.timeout(60):
        yield journal
    await journal.close()


def run_forever(connection: sqlite3.Connection, **_: object) -> None:
    """Run a query without end."""
    connection.execute(
        "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)"
        " SELECT count(*) FROM numbers"
    ).fetchone()


async def test_a_slow_read_is_stopped(journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so. The store counts as available, and the connection works again."""
    monkeypatch.setattr(reader, "LIMIT_S", 0.01)
    with capture_logs() as logs, pytest.raises(StoreTimeout, match=r"took longer than 0\.01 s"):
        await journal._opened().checker.run(run_forever)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("journal.read_stopped", "warning")]
    monkeypatch.undo()
    assert await journal.check() is None


async def test_no_other_read_waits_for_slow_searches(journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither lists, nor states, nor the check, while more searches run than there are connections for them."""
    monkeypatch.setattr(reader, "LIMIT_S", NEVER_S)
    searcher = journal._opened().searcher
    searches = [asyncio.create_task(searcher.run(run_forever)) for _ in range(6)]
    await asyncio.sleep(0)

    assert await journal.check() is None
    assert await journal.page(Filter(), after=None, limit=1) == ()
    assert await journal.snapshot("a") is None
    assert not any(search.done() for search in searches)

    monkeypatch.setattr(reader, "LIMIT_S", 0.0)
    results = await asyncio.gather(*searches, return_exceptions=True)
    assert [type(result) for result in results] == [StoreTimeout] * 6


async def test_the_check_waits_for_no_read(journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if every other connection is in use."""
    monkeypatch.setattr(reader, "LIMIT_S", NEVER_S)
    parts = journal._opened()
    running = [
        asyncio.create_task(each.run(run_forever))
        for each in (parts.reader, parts.lister, parts.searcher)
        for _ in range(3)
    ]
    await asyncio.sleep(0)

    assert await journal.check() is None
    assert not any(read.done() for read in running)

    monkeypatch.setattr(reader, "LIMIT_S", 0.0)
    results = await asyncio.gather(*running, return_exceptions=True)
    assert [type(result) for result in results] == [StoreTimeout] * 9


async def test_reads_run_at_the_same_time(journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list does not wait for a slow one."""
    monkeypatch.setattr(reader, "LIMIT_S", NEVER_S)
    slow = asyncio.create_task(journal._opened().lister.run(run_forever))
    await asyncio.sleep(0)

    assert await journal.page(Filter(), after=None, limit=1) == ()
    assert not slow.done()

    monkeypatch.setattr(reader, "LIMIT_S", 0.0)
    with pytest.raises(StoreTimeout):
        await slow


async def test_a_search_that_has_waited_too_long_is_not_started(
    journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow searches cannot pile up."""
    started = []
    monkeypatch.setattr(listing, "load_page", lambda connection, **_: started.append(connection))
    monkeypatch.setattr(reader, "LIMIT_S", -1.0)
    with pytest.raises(StoreTimeout):
        await journal.page(Filter(words=("a",)), after=None, limit=1)
    assert started == []
