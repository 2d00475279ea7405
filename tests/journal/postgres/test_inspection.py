"""What `relay check` reports about a PostgreSQL server."""

import re
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from relay.journal.postgres import inspection
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.inspection import inspect
from relay.journal.postgres.migrations import SCHEMA_VERSION, migrate
from tests.journal.postgres.pooler import pooled
from tests.postgres.server import PostgresServer, postgres_server

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

FSYNC = (
    "the server has fsync = off: a crash of its machine can lose tasks, and a run can then be sent twice. "
    "Set fsync = on"
)
"""The servers of the tests are fast."""


@pytest.fixture
async def raw(database: str) -> "AsyncIterator[Connection]":
    """Return a connection to a database without tables."""
    connection = await connect(database, "test")
    yield connection
    await close(connection)


async def test_a_database_without_tables_stays_without(database: str, raw: "Connection") -> None:
    """Only `relay serve` creates them. Everything else about the server is measured nevertheless."""
    found = await inspect(database)

    server, schema, replicas, snapshot, latency = found.facts
    assert server.startswith("PostgreSQL ")
    assert server.endswith(f" at {database.partition('@')[2]}")
    assert schema == "no tables yet; `relay serve` creates them"
    assert replicas == "replicas: 0; synchronous_standby_names: not set"
    assert snapshot.startswith("oldest backend_xmin: ")
    assert latency.startswith("a read takes ")
    assert found.problems == (FSYNC,)
    assert await raw.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


async def test_tables_are_up_to_date_or_not(database: str, raw: "Connection") -> None:
    """What `relay serve` would change is said, and nothing is changed."""
    await migrate(raw)
    assert f"schema {SCHEMA_VERSION}, up to date" in (await inspect(database)).facts

    await raw.execute("UPDATE meta SET value = 'older' WHERE name = 'functions'")

    expected = f"schema {SCHEMA_VERSION}; `relay serve` upgrades it to that of this version ({SCHEMA_VERSION})"
    assert [(await inspect(database)).facts[1] for _ in range(2)] == [expected] * 2

    await raw.execute("UPDATE meta SET value = '1' WHERE name = 'schema'")

    expected = f"schema 1; `relay serve` upgrades it to that of this version ({SCHEMA_VERSION})"
    assert (await inspect(database)).facts[1] == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("CREATE TABLE tasks (id int)", "the database belongs to another program: it has a table `tasks`"),
        ("UPDATE meta SET value = '99'", "the database was upgraded by a later version"),
    ],
)
async def test_tables_that_cannot_be_used_are_a_problem(
    change: str, problem: str, database: str, raw: "Connection"
) -> None:
    """They are those of another program or of a later version."""
    if change.startswith("UPDATE"):
        await migrate(raw)
    await raw.execute(change)

    assert (await inspect(database)).problems[1].startswith(problem)


async def test_a_query_that_fails_is_a_problem(database: str, raw: "Connection") -> None:
    """As with tables that were changed by hand."""
    await migrate(raw)
    await raw.execute("ALTER TABLE meta RENAME COLUMN value TO other")

    (problem,) = (await inspect(database)).problems

    assert problem.startswith(f'{database.partition("@")[2]} cannot be checked: column "value" does not exist')


async def test_a_server_that_is_too_old_is_a_problem(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no function that the relay's commits need."""
    monkeypatch.setattr(inspection, "OLDEST_SERVER", 99)

    problems = (await inspect(database)).problems

    assert re.fullmatch(r"PostgreSQL \S+ is not supported; use 99 or later", problems[0])


async def test_a_server_that_waits_for_its_disk_has_no_problem(postgres: PostgresServer, database: str) -> None:
    """That is the default of a server."""
    await postgres.configure(fsync="on")
    try:
        while FSYNC in (found := await inspect(database)).problems:
            pass  # the server reads its parameters again soon
        assert found.problems == ()
    finally:
        await postgres.configure(fsync="off")


async def test_a_role_that_may_not_create_tables_is_a_problem(postgres: PostgresServer) -> None:
    """The first `relay serve` would fail."""
    async with postgres.connection() as superuser:
        await superuser.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    found = await inspect(postgres.dsn_of("postgres"))

    assert found.problems[1].startswith("the role relay may not create tables")


async def test_an_unreachable_server_is_named_without_its_password(postgres: PostgresServer) -> None:
    """There is one problem."""
    await postgres.stop()

    found = await inspect(f"postgresql://relay:hidden@127.0.0.1:{postgres.port}/relay")

    assert found.facts == ()
    (problem,) = found.problems
    assert problem.startswith(f"cannot connect to PostgreSQL at 127.0.0.1:{postgres.port}/relay: ")
    assert "hidden" not in problem


async def test_a_clock_that_is_off_is_a_problem(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is reported, in both directions."""
    for off_s in (60, -60):
        clock = SimpleNamespace(time=lambda off_s=off_s: time.time() + off_s, monotonic=time.monotonic)
        monkeypatch.setattr(inspection, "time", clock)

        _, problem = (await inspect(database)).problems

        assert problem == "the clock of this machine is 60 s off that of the server; the limit is 30 s"


@pytest.mark.cluster
async def test_replicas_need_a_synchronous_standby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, a failover can send a run twice; with one that does not answer, nothing is committed."""
    async with postgres_server() as server:
        dsn = await server.create_database()
        first = await server.standby(synchronous=False)
        found = await inspect(dsn)
        assert found.facts[2] == "replicas: 1; synchronous_standby_names: not set"
        assert found.problems[1] == (
            "the server has replicas, but synchronous_standby_names is not set. "
            "Without a synchronous standby, a failover can send a run twice."
        )

        await server.configure(synchronous_standby_names=first.name)
        while (found := await inspect(dsn)).facts[2] != f"replicas: 1; synchronous_standby_names: {first.name}":
            pass  # the server reads its parameters again soon
        assert found.problems == (FSYNC,)

        monkeypatch.setattr(inspection, "COMMIT_S", 0.3)
        first.pause()
        assert (await inspect(dsn)).problems[1] == (
            "a commit is not durable after 0.3 s: is every standby in synchronous_standby_names running?"
        )
        first.resume()


async def test_an_old_snapshot_holds_back_vacuum(
    database: str, raw: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a long dump. The session that has it is named."""
    other = await connect(database, "dump")
    await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await other.fetchval("SELECT 1")
    found = await inspect(database)
    assert f"relay dump, process {other.get_server_pid()}" in found.facts[3]
    assert found.problems == (FSYNC,)
    monkeypatch.setattr(inspection, "OLD_SNAPSHOT", 2)
    for _ in range(3):
        await raw.execute("SELECT pg_current_xact_id()")

    found = await inspect(database)

    age = r"(?P<age>\d+) transactions"
    holder = f"relay dump, process {other.get_server_pid()}"
    fact = re.fullmatch(rf"oldest backend_xmin: {age} ago \({holder}\)", found.facts[3])
    problem = re.match(rf"the oldest backend_xmin is {age} old \({holder}\); the limit is 2\. ", found.problems[1])
    assert fact
    assert problem
    assert int(problem["age"]) >= int(fact["age"]) >= 3
    await close(other)
    assert len((await inspect(database)).problems) == 1


@pytest.mark.parametrize("sessions", [1, 2])
async def test_a_pooler_in_transaction_mode_is_a_problem(
    sessions: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another session runs the statements of a connection, or none while another client is in a transaction."""
    monkeypatch.setattr(inspection, "POOLED_S", 0.3)
    async with pooled(database, sessions=sessions) as dsn:
        (problem,) = (await inspect(dsn)).problems

    assert problem.startswith("a connection pooler is in front of the server, in transaction mode")
