"""Reads from PostgreSQL: a slow one is stopped, and blocks nothing else."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from relay.core.events import State
from relay.errors import StoreDamaged, StoreError, StoreTimeout
from relay.journal.availability import Availability
from relay.journal.lists import Filter
from relay.journal.postgres import reader as reader_module
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.session import Session
from tests.journal.postgres.proxy import proxied
from tests.journal.postgres.records import create, event, seqs, waiting
from tests.postgres.server import PostgresServer

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

SLOW = "SELECT pg_sleep(60)"
SHORT_S = 0.2


@pytest.fixture
async def reader(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    """Return a reader with two connections and a short limit."""
    monkeypatch.setattr(reader_module, "LIMIT_S", SHORT_S)
    sessions = [Session(partial(connect, database, "reader", limit_s=SHORT_S)) for _ in range(2)]
    reader = Reader(sessions, Availability("read"))
    yield reader
    await reader.close()


async def test_a_slow_read_is_stopped(reader: Reader) -> None:
    """By the server, which does nothing more for it. The connection is used again, and the store works."""
    with capture_logs() as logs:
        results = await asyncio.gather(*(reader.fetch(SLOW) for _ in range(2)), return_exceptions=True)
        rows = await reader.fetch("SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'", SLOW)
    assert [str(result) for result in results] == ["the read was stopped because it took longer than 0.2 s"] * 2
    assert [type(result) for result in results] == [StoreTimeout] * 2
    assert rows[0][0] == 0
    assert {entry["event"] for entry in logs} == {"journal.read_stopped"}


async def test_a_read_that_waits_too_long_for_a_connection_is_stopped(reader: Reader) -> None:
    """Slow ones cannot pile up."""
    results = await asyncio.gather(*(reader.fetch(SLOW) for _ in range(6)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreTimeout] * 6


async def test_a_read_of_a_caller_that_has_gone_keeps_its_connection_busy(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it ends. Others use the second connection."""
    monkeypatch.setattr(reader_module, "_GRACE_S", 60.0)
    reader = Reader([Session(partial(connect, database, "reader")) for _ in range(2)], Availability("read"))
    other = await connect(database, "test")
    await other.execute("SELECT pg_advisory_lock(1)")
    reading = asyncio.create_task(reader.fetch("SELECT pg_advisory_lock(1)"))
    await waiting(other, "Lock", "relay reader")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    for _ in range(3):
        assert (await reader.fetch("SELECT 1"))[0][0] == 1
    await other.execute("SELECT pg_advisory_unlock(1)")
    await reader.close()
    await close(other)


async def test_a_read_without_an_answer_is_given_up(
    reader: Reader, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cannot stop it if it does not answer."""
    monkeypatch.setattr(reader_module, "_GRACE_S", 0.1)
    await reader.fetch("SELECT 1")
    postgres.pause()
    with pytest.raises(StoreTimeout):
        await reader.fetch("SELECT 1")
    postgres.resume()
    assert (await reader.fetch("SELECT 1"))[0][0] == 1


async def test_a_read_whose_connection_breaks_is_repeated(database: str) -> None:
    """The caller does not notice a restart."""
    async with proxied(database) as (proxy, dsn):
        reader = Reader([Session(partial(connect, dsn, "reader"))], Availability("read"))
        await reader.fetch("SELECT 1")
        proxy.cuts = 1
        assert (await reader.fetch("SELECT 1"))[0][0] == 1
        assert len(proxy.lost) == 1
        await reader.close()


async def test_a_read_is_repeated_once(database: str) -> None:
    """A connection that breaks again fails it."""
    async with proxied(database) as (proxy, dsn):
        reader = Reader([Session(partial(connect, dsn, "reader"))], Availability("read"))
        await reader.fetch("SELECT 1")
        proxy.cuts = 2
        with pytest.raises(StoreError):
            await reader.fetch("SELECT 1")
        assert len(proxy.lost) == 2
        await reader.close()


async def test_reads_fail_while_the_server_is_gone(reader: Reader, postgres: PostgresServer) -> None:
    """And succeed afterwards. Both is logged once."""
    await reader.fetch("SELECT 1")
    await postgres.stop()
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot connect"):
                await reader.fetch("SELECT 1")
        await postgres.start()
        assert (await reader.fetch("SELECT 1"))[0][0] == 1
    assert [entry["event"] for entry in logs] == ["journal.read_failed", "journal.read_recovered"]


async def test_slow_lists_delay_neither_reads_of_tasks_nor_the_check(
    journal: PostgresJournal, sql: "Connection"
) -> None:
    """Nor writes."""
    await create(journal, "a")
    async with sql.transaction():
        await sql.execute("LOCK TABLE listed")
        lists = [asyncio.create_task(journal.page(Filter(), after=None, limit=5)) for _ in range(6)]
        assert await journal.check() is None
        assert await seqs(journal, "a") == [1]
        await journal.append([event("a", 2, State.SUBMITTING)])
        assert not any(each.done() for each in lists)
    assert [len(each) for each in await asyncio.gather(*lists)] == [1] * 6


async def test_a_list_does_not_wait_for_searches(journal: PostgresJournal, sql: "Connection") -> None:
    """Although there are more of them than connections."""
    await create(journal, "a")
    async with sql.transaction():
        await sql.execute("LOCK TABLE words")
        searches = [asyncio.create_task(journal.page(Filter(words=("o",)), after=None, limit=5)) for _ in range(6)]
        await waiting(sql, "Lock", "relay searcher")
        assert len(await journal.page(Filter(), after=None, limit=5)) == 1
        assert not any(each.done() for each in searches)
    assert [len(each) for each in await asyncio.gather(*searches)] == [1] * 6


async def test_damaged_rows_are_reported_once(journal: PostgresJournal, sql: "Connection") -> None:
    """Other tasks are not affected."""
    await create(journal, "a")
    await create(journal, "b")
    await journal.append([event("a", 2)])
    await sql.execute(
        "UPDATE events SET body = 'x' WHERE task = 'a' AND seq = 2; UPDATE tasks SET tags = '{' WHERE id = 'a'"
    )
    with capture_logs() as logs:
        for _ in range(2):
            for read in (journal.snapshot("a"), seqs(journal, "a"), journal.stored_task("a")):
                with pytest.raises(StoreDamaged):
                    await read
        states = await journal.snapshots(["unknown", "b", "a", "b"])
    assert sorted(entry["error"].split()[1] for entry in logs) == ["data", "log"]
    assert [state.id for state in states] == ["b", "b"]
    assert await seqs(journal, "b") == [1]


async def test_a_query_that_the_server_refuses_is_not_repeated(reader: Reader) -> None:
    """Neither is one whose argument cannot be encoded. The connection is used again."""
    for query, arguments in (("SELECT 1 / 0", ()), ("SELECT $1::text", (7,))):
        with pytest.raises(StoreError, match="could not be read"):
            await reader.fetch(query, *arguments)
    assert (await reader.fetch("SELECT 1"))[0][0] == 1


async def test_a_store_that_does_not_respond_fails_the_check(
    journal: PostgresJournal, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more time than a health check of a balancer."""
    monkeypatch.setattr("relay.journal.postgres.checking.CHECK_TIMEOUT_S", 0.1)
    async with sql.transaction():
        await sql.execute("LOCK TABLE meta")
        assert await journal.check() == "the store does not respond"


async def test_a_clock_that_is_off_fails_the_check(journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes compare times that they have stored for each other."""
    monkeypatch.setattr("relay.journal.postgres.checking.CLOCK_SKEW_S", -1.0)
    assert "the clock of this machine is" in (await journal.check() or "")
