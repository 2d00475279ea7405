"""The tables of the journal: they are created once, upgraded by adding, and not mixed with those of others."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from relay.errors import ConfigError
from relay.journal.postgres import migrations
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.conftest import Start
from tests.journal.postgres.membership import join
from tests.journal.postgres.records import create, seqs

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection


@pytest.fixture
async def empty(database: str) -> "AsyncIterator[Connection]":
    """Return a connection to a database without tables."""
    connection = await connect(database, "test")
    yield connection
    await close(connection)


async def test_several_processes_create_the_tables_at_once(start: Start) -> None:
    """All of them can use them."""
    journals = await asyncio.gather(*(start() for _ in range(4)))
    for number, journal in enumerate(journals):
        await create(journal, f"t{number}")
    assert await seqs(journals[0], "t3") == [1]


async def test_an_upgrade_adds_to_the_tables(
    journal: PostgresJournal, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once. The older version, which is still running, goes on, and may be started again."""
    newer = migrations.SCHEMA_VERSION + 1
    with monkeypatch.context() as later:
        later.setattr(migrations, "SCHEMA_VERSION", newer)
        later.setattr(migrations, "_UPGRADES", {newer - 1: "ALTER TABLE tasks ADD COLUMN more text"})
        await migrations.migrate(sql)
        await migrations.migrate(sql)
    assert await sql.fetchval("SELECT value FROM meta WHERE name = 'schema'") == str(newer)
    await create(journal, "a")
    await migrations.migrate(sql)
    assert await sql.fetchval("SELECT value FROM meta WHERE name = 'schema'") == str(newer)


_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY 1, 2
"""

_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


async def test_upgraded_tables_are_like_new_ones(sql: "Connection") -> None:
    """Those of the first version get what later ones have added."""
    new = [await sql.fetch(query) for query in (_COLUMNS, _INDEXES)]
    later = "copies, webhooks, tombstones, title_words, audit, revocations, tallies, stalled, starts, spent, usage"
    added = "webhook started_by title prompt traceparent estimate estimate_unit"
    columns = ", ".join(f"DROP COLUMN {column}" for column in added.split())
    await sql.execute(f"DROP TABLE {later} CASCADE; ALTER TABLE tasks {columns}; DROP INDEX listed_unfinished")
    await sql.execute("UPDATE meta SET value = '1' WHERE name = 'schema'")

    await migrations.migrate(sql)

    assert [await sql.fetch(query) for query in (_COLUMNS, _INDEXES)] == new


async def test_functions_are_replaced_when_they_have_changed(sql: "Connection", journal: PostgresJournal) -> None:
    """Within a version of the tables."""
    await sql.execute("UPDATE meta SET value = 'another' WHERE name = 'functions'; DROP FUNCTION relay_release")
    await migrations.migrate(sql)
    await journal.release()


async def test_tables_that_need_a_later_version_are_refused(
    sql: "Connection", journal: PostgresJournal, database: str
) -> None:
    """The message has both versions."""
    await sql.execute("UPDATE meta SET value = '99' WHERE name IN ('schema', 'schema_oldest')")
    with pytest.raises(ConfigError, match=rf"schema 99, .* supported: {migrations.SCHEMA_VERSION}"):
        await PostgresJournal(database, join=join).open(lock=True)


@pytest.mark.parametrize(
    "tables",
    [
        "CREATE TABLE tasks (id int)",
        "CREATE TABLE meta (name text, value text); CREATE TABLE nodes (); CREATE TABLE heads ()",
        """
        CREATE TABLE meta (name text, value text);
        CREATE TABLE nodes (); CREATE TABLE heads (); CREATE TABLE tasks (); CREATE TABLE events ()
        """,
    ],
    ids=["one of the names", "most of them", "all of them"],
)
async def test_the_database_of_another_program_is_refused(empty: "Connection", database: str, tables: str) -> None:
    """It is left as it is."""
    await empty.execute(tables)
    with pytest.raises(ConfigError, match="belongs to another program"):
        await PostgresJournal(database, join=join).open(lock=True)
    assert await empty.fetchval("SELECT to_regclass('claims')") is None


async def test_only_a_relay_creates_the_tables(empty: "Connection", database: str) -> None:
    """A command that opens the journal without the lock says that there are none."""
    with pytest.raises(ConfigError, match="`relay serve` creates them"):
        await PostgresJournal(database, join=join).open(lock=False)
    assert await empty.fetchval("SELECT to_regclass('meta')") is None


async def test_a_role_that_may_not_create_tables_is_named(empty: "Connection", database: str) -> None:
    """The message says what is missing."""
    await empty.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")
    with pytest.raises(ConfigError, match="may not create tables"):
        await PostgresJournal(database, join=join).open(lock=True)
    await empty.execute("GRANT CREATE ON SCHEMA public TO pg_database_owner")


async def test_a_command_reads_and_keeps_secrets_without_owning_tasks(
    journal: PostgresJournal, database: str, sql: "Connection"
) -> None:
    """Beside a running relay; it is not a node."""
    await create(journal, "a")
    secret = await journal.keep_secret("key", "first")
    beside = PostgresJournal(database, join=join)
    await beside.open(lock=False)
    state = await beside.snapshot("a")
    assert state is not None
    assert state.id == "a"
    assert await beside.keep_secret("key", "second") == secret
    with pytest.raises(RuntimeError, match="lock"):
        await create(beside, "b")
    await beside.close()
    assert await sql.fetchval("SELECT count(*) FROM nodes") == 1
