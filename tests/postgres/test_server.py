"""The temporary PostgreSQL server: its databases, how it stops, and what it leaves behind."""

import asyncio
import sys
from collections.abc import Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from yarl import URL

from tests.postgres.server import PostgresServer, postgres_server
from tests.proxy import Proxy

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
UNANSWERED_S = 0.1
"""How long a test watches an answer not come; a short time only makes the test weaker."""
START = """
import asyncio
from tests.postgres.server import postgres_server

async def main():
    async with postgres_server() as server:
        async with server.connection() as connection:
            print(await connection.fetchval("SHOW unix_socket_directories"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def value(dsn: str, query: str) -> object:
    """Return what a query returns on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def ended(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until the server has ended a connection."""
    end = asyncio.Event()
    connection.add_termination_listener(lambda _: end.set())
    if not connection.is_closed():
        await end.wait()


def running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


async def gone(directory: Path) -> None:
    """Wait until a directory is removed."""
    while directory.exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.02)


async def test_databases_are_separate_and_belong_to_an_ordinary_role(postgres: PostgresServer) -> None:
    """A table of one database is not in the other, and its owner is no superuser."""
    async with postgres.database() as first, postgres.database() as second:
        await value(first, "CREATE TABLE here (n int)")
        assert await value(first, "SELECT to_regclass('here')::text") == "here"
        assert await value(second, "SELECT to_regclass('here')::text") is None
        assert await value(second, "SHOW is_superuser") == "off"


async def test_a_lent_database_is_empty(postgres: PostgresServer) -> None:
    """The next borrower finds neither the tables nor the connections of the last one."""
    async with postgres.database() as dsn:
        left_open = await asyncpg.connect(dsn)
        await left_open.execute(
            "CREATE TABLE left_over (n int); CREATE SCHEMA another; CREATE TABLE another.one (n int)"
        )
    await ended(left_open)
    async with postgres.database() as again:
        assert again == dsn
        assert await value(again, "SELECT to_regclass('left_over') IS NULL AND to_regclass('another.one') IS NULL")
        await value(again, "CREATE TABLE left_over (n int)")


async def test_commits_survive_a_kill(postgres: PostgresServer, database: str) -> None:
    """A killed server refuses connections; started again, it has everything committed, at the same address."""
    await value(database, "CREATE TABLE numbers AS SELECT generate_series(1, 10) n")
    connection = await asyncpg.connect(database)
    await postgres.kill()
    await ended(connection)
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(database)
    await postgres.start()
    assert await value(database, "SELECT sum(n) FROM numbers") == 55


async def test_a_crash_ends_every_connection(postgres: PostgresServer, database: str) -> None:
    """The process that is killed brings all others down, and the server recovers by itself."""
    connection = await asyncpg.connect(database)
    await postgres.crash()
    await ended(connection)
    assert await value(database, "SELECT 1") == 1


@pytest.mark.parametrize("failure", [PostgresServer.stop, PostgresServer.kill, PostgresServer.pause])
async def test_a_test_may_leave_the_server_stopped(postgres: PostgresServer, failure: Callable[..., Any]) -> None:
    """A lent database is returned even if its borrower has stopped the server."""
    async with postgres.database():
        if isawaitable(result := failure(postgres)):
            await result
    async with postgres.database() as dsn:
        assert await value(dsn, "SELECT 1") == 1


async def test_a_paused_server_answers_afterwards(postgres: PostgresServer, database: str) -> None:
    """A query waits while the server is paused, on a connection that stays open."""
    connection = await asyncpg.connect(database)
    postgres.pause()
    query = asyncio.create_task(connection.fetchval("SELECT 7"))
    assert await asyncio.wait([query], timeout=UNANSWERED_S) == (set(), {query})
    postgres.resume()
    assert await query == 7
    await connection.close()


async def test_terminates_the_backends_that_meet_a_condition(postgres: PostgresServer, database: str) -> None:
    """Only the connections named by the condition end."""
    doomed = await asyncpg.connect(database, server_settings={"application_name": "doomed"})
    kept = await asyncpg.connect(database)
    assert await postgres.terminate_backends("application_name = 'doomed'") == 1
    await ended(doomed)
    assert await kept.fetchval("SELECT 1") == 1
    await kept.close()


async def test_a_link_to_the_server_fails_and_recovers(postgres: PostgresServer, database: str) -> None:
    """A query waits while the link hangs; a cut ends the connection, and the next one is served."""
    async with Proxy(0, postgres.port) as link:
        linked = str(URL(database).with_port(link.port))
        connection = await asyncpg.connect(linked)
        with link.hanging():
            query = asyncio.create_task(connection.fetchval("SELECT 7"))
            assert await asyncio.wait([query], timeout=UNANSWERED_S) == (set(), {query})
        assert await query == 7
        link.cut()
        await ended(connection)
        assert await value(linked, "SELECT 8") == 8


async def test_a_synchronous_standby_has_every_commit_and_can_be_promoted() -> None:
    """A commit waits for the standby, which has it when the primary is killed, and accepts writes on a new timeline."""
    async with postgres_server() as primary:
        dsn = await primary.create_database()
        standby = await primary.standby()
        moved = standby.dsn_of(dsn.rpartition("/")[2])
        standby.pause()
        commit = asyncio.create_task(value(dsn, "CREATE TABLE numbers AS SELECT 55 n"))
        assert await asyncio.wait([commit], timeout=UNANSWERED_S) == (set(), {commit})
        standby.resume()
        await commit
        await primary.kill()
        await standby.promote()
        assert await value(moved, "SELECT n FROM numbers") == 55
        await value(moved, "INSERT INTO numbers VALUES (1)")
        assert str(await value(standby.dsn, "SELECT pg_walfile_name(pg_current_wal_lsn())")).startswith("00000002")


async def test_killed_tests_leave_nothing_behind() -> None:
    """The server ends and its directory is removed when the process that started it is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    directory = Path((await process.stdout.readline()).decode().strip())
    server = int((directory / "primary/postmaster.pid").read_text().splitlines()[0])
    process.kill()
    await process.communicate()
    await gone(directory)
    assert not running(server)
