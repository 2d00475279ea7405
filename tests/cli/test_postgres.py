"""The commands with a store in PostgreSQL: what they print, and that the password is not in it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.core.events import State
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.membership import join
from tests.journal.postgres.records import create, event
from tests.preloaded import Preloaded
from tests.shell import Shell, one_line


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


@pytest.fixture
def store(database: str) -> str:
    """Return the address of the database with a password, which the server does not ask for."""
    return database.replace("relay@", "relay:hidden@")


@pytest.fixture
async def journal(database: str) -> AsyncIterator[PostgresJournal]:
    """Open a journal with the nodes node-1, which has a task, and node-2."""
    first = PostgresJournal(database, join=join, name="node-1")
    second = PostgresJournal(database, join=join, name="node-2")
    await first.open(lock=True)
    await second.open(lock=True)
    await create(first, "one")
    await create(first, "two")
    await first.append([event("two", 2, State.SUCCEEDED)])
    yield first
    await second.close()
    await first.close()


async def test_nodes_are_listed_with_their_tasks(shell: Shell, store: str, journal: PostgresJournal) -> None:
    """A node is alive, late or dead; only tasks that have not ended count."""
    connection = await connect(store, "test")
    await connection.execute("UPDATE nodes SET viewers = 340, lag_s = 0.25, seen_at = now() WHERE name = 'node-1'")
    await connection.execute("UPDATE nodes SET seen_at = now() - interval '3 hours' WHERE name = 'node-2'")
    late = await shell.run("nodes", RELAY_STORE=store)
    await connection.execute("UPDATE nodes SET alive = false WHERE name = 'node-2'")
    dead = await shell.run("nodes", RELAY_STORE=store)
    await close(connection)

    head, first, second = late.out.splitlines()
    assert head.split() == ["NAME", "ID", "STATE", "SEEN", "TASKS", "VIEWERS", "LAG"]
    assert re.fullmatch(rf"node-1  {journal.node[:8]}  alive  \d+\.\d s ago +1 +340 +0\.2 s", first)
    assert re.fullmatch(r"node-2  \d+ +late +3 h ago +0 +0 +0\.0 s", second)
    assert dead.out.splitlines()[2].split()[2] == "dead"
    assert (late.code, late.err) == (0, "")


async def test_a_store_without_nodes_says_so(shell: Shell, store: str, journal: PostgresJournal) -> None:
    """Nothing is created in a database without tables."""
    connection = await connect(store, "test")
    await connection.execute("DELETE FROM nodes")
    empty = await shell.run("nodes", RELAY_STORE=store)
    await close(connection)

    assert (empty.code, empty.out) == (0, "No relay has used this store yet.\n")


async def test_a_database_without_tables_has_no_nodes(shell: Shell, store: str) -> None:
    """The line says which command creates them."""
    ended = await shell.run("nodes", RELAY_STORE=store)

    assert ended.code == 1
    assert one_line(ended) == "relay: RELAY_STORE: the database has no tables yet; `relay serve` creates them"


@pytest.mark.parametrize("store", ["sqlite:///relay.db", "memory:"])
async def test_a_store_of_one_process_has_no_nodes(store: str, shell: Shell) -> None:
    """The sentence says why, and the file is not created."""
    ended = await shell.run("nodes", RELAY_STORE=store)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{store} is used by one relay at a time, so it has no nodes. Only PostgreSQL is shared.\n"
    assert not list(shell.folder.iterdir())


async def test_check_reports_the_server_and_its_problems(shell: Shell, store: str) -> None:
    """The password is neither in the settings nor elsewhere."""
    ended = await shell.run("check", RELAY_STORE=store)

    assert ended.code == 1
    assert re.search(r"^RELAY_STORE +postgresql://127\.0\.0\.1:\d+/relay_\w+$", ended.out, re.MULTILINE)
    assert re.search(r"^Store: PostgreSQL \d+", ended.out, re.MULTILINE)
    assert re.search(r"^relay: RELAY_STORE: the server has fsync = off", ended.err, re.MULTILINE)
    assert "hidden" not in ended.out + ended.err


async def test_a_token_is_minted_for_a_task_in_the_database(shell: Shell, store: str, journal: PostgresJournal) -> None:
    """The secret is the one that the relays share."""
    known, unknown = (
        await shell.run("token", "one", RELAY_STORE=store),
        await shell.run("token", "x", RELAY_STORE=store),
    )

    assert (known.code, known.err) == (0, "")
    assert re.fullmatch(r"relay: there is no task x in postgresql://127\.0\.0\.1:\d+/relay_\w+", one_line(unknown))
