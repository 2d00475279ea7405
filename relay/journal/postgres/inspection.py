"""
What `relay check` finds out about a PostgreSQL server, without creating or changing anything.

A server can accept a relay and still lack what the relay needs: commits that survive a crash and a failover, and
sessions that stay the same from one statement to the next.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

import asyncpg

from relay.errors import ConfigError, StoreError
from relay.journal.postgres.connection import BROKEN, close, connect, host_of
from relay.journal.postgres.migrations import SCHEMA_VERSION, load_schema
from relay.journal.postgres.session import Session, Unanswered

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

OLDEST_SERVER: Final = 14
"""The oldest supported version of PostgreSQL."""

CLOCK_SKEW_S: Final = 30.0
"""How far the clock of this machine may be from that of the server."""

OLD_SNAPSHOT: Final = 1_000_000
"""How many transactions a snapshot may be old: a commit takes up to 20 ms longer then, as measured."""

SAMPLES: Final = 5
"""Of how many reads and commits the median is reported."""

COMMIT_S: Final = 5.0
"""How long a commit may take."""

POOLED_S: Final = 2.0
"""How long a statement may wait for the end of another session's transaction before it is clear that they share one."""

_LIMIT_S: Final = 47.0
"""A statement timeout that no server has by default: it shows whether the settings of a session are kept."""

_POOLER: Final = (
    "a connection pooler is in front of the server, in transaction mode or without support for session settings. "
    "A relay needs whole sessions with its settings: connect to the server itself"
)

_POOLER_SIGNS: Final = (
    asyncpg.InvalidSQLStatementNameError,  # a prepared statement is not in the next session
    asyncpg.DuplicatePreparedStatementError,  # or one of another client is
)

_COMMIT: Final = "SELECT pg_logical_emit_message(true, 'relay', '')"
"""A transaction that writes to the log of the server and to no table. It is as durable as any other."""

# The columns of pg_stat_replication are null for an ordinary role, but the rows are there. A replica that is down may
# still have its slot.
_REPLICAS: Final = """
SELECT greatest(
  (SELECT count(*) FROM pg_stat_replication), (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical')
) AS replicas, current_setting('synchronous_standby_names') AS synchronous
"""

# Of a session in another database, only a replica's (`hot_standby_feedback`) holds back the vacuum of this one.
_OLDEST_SNAPSHOT: Final = """
SELECT age(backend_xmin) AS transactions, pid, coalesce(nullif(application_name, ''), backend_type, 'a session') AS of
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND (datname = current_database() OR datid IS NULL)
ORDER BY 1 DESC LIMIT 1
"""

_MAY_CREATE: Final = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found, a line each."""

    facts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


async def inspect(dsn: str) -> Inspection:
    """Return what there is to know about the server at an address. Every failure is a problem."""
    try:
        if await _is_pooled(dsn):
            return Inspection(problems=(_POOLER,))
        return await _inspect(dsn)
    except _POOLER_SIGNS:  # pragma: no cover -- needs a pooler that loses prepared statements
        return Inspection(problems=(_POOLER,))
    except StoreError as error:
        # How PgBouncer refuses a connection, in any mode, unless its `ignore_startup_parameters` has the name.
        pooled = "unsupported startup parameter" in str(error)
        return Inspection(problems=(f"{error} ({_POOLER})" if pooled else str(error),))
    except (*BROKEN, asyncpg.PostgresError) as error:
        return Inspection(problems=(f"{host_of(dsn)} cannot be checked: {error}",))


async def _is_pooled(dsn: str) -> bool:
    """Return whether statements of one connection run in different sessions of the server."""
    async with AsyncExitStack() as opened:
        first, second = [await _connect(dsn, opened) for _ in range(2)]
        pid = await first.fetchval("SELECT pg_backend_pid()")
        if await first.fetchval("SHOW statement_timeout") != f"{_LIMIT_S:g}s":
            return True  # pragma: no cover -- needs a pooler that ignores start-up parameters
        # A transaction of the second connection occupies the session that the pooler would give to the first one.
        await second.execute("BEGIN")
        # Another text, because a pooler may not know the prepared statement of the first one in another session.
        again = asyncio.create_task(first.fetchval("SELECT pg_backend_pid() AS again"))
        await asyncio.wait({again}, timeout=POOLED_S)
        if again.done():
            return bool(again.result() != pid)
        first.terminate()
        await asyncio.wait({again})
        again.exception()
        return True


async def _connect(dsn: str, opened: AsyncExitStack) -> "Connection":
    connection = await connect(dsn, "check", limit_s=_LIMIT_S)
    opened.push_async_callback(close, connection)
    return connection


async def _inspect(dsn: str) -> Inspection:
    facts: list[str] = []
    problems: list[str] = []
    connection = await connect(dsn, "check")
    try:
        version = str(await connection.fetchval("SHOW server_version")).partition(" ")[0]
        facts.append(f"PostgreSQL {version} at {host_of(dsn)}")
        if connection.get_server_version().major < OLDEST_SERVER:
            problems.append(f"PostgreSQL {version} is not supported; use {OLDEST_SERVER} or later")
        if await connection.fetchval("SHOW fsync") == "off":
            problems.append(
                "the server has fsync = off: a crash of its machine can lose tasks, and a run can then be sent twice. "
                "Set fsync = on"
            )
        if (skew_s := await _clock_skew_s(connection)) > CLOCK_SKEW_S:
            problems.append(
                f"the clock of this machine is {skew_s:.0f} s off that of the server; the limit is {CLOCK_SKEW_S:g} s"
            )
        await _inspect_schema(connection, facts, problems)
        await _inspect_replicas(connection, facts, problems)
        await _inspect_snapshots(connection, facts, problems)
        read_s = await _median_s(partial(connection.fetchval, "SELECT 1"))
    finally:
        await close(connection)
    await _inspect_commits(dsn, read_s, facts, problems)
    return Inspection(facts=tuple(facts), problems=tuple(problems))


async def _inspect_schema(connection: "Connection", facts: list[str], problems: list[str]) -> None:
    try:
        schema = await load_schema(connection)
    except ConfigError as error:
        problems.append(str(error).removeprefix("RELAY_STORE: "))
        return
    if schema.version is None:
        facts.append("no tables yet; `relay serve` creates them")
        if not await connection.fetchval(_MAY_CREATE):
            role = await connection.fetchval("SELECT current_user")
            problems.append(
                f"the role {role} may not create tables: make it the owner of the database or of its schema"
            )
    elif schema.outdated:
        facts.append(f"schema {schema.version}; `relay serve` upgrades it to that of this version ({SCHEMA_VERSION})")
    else:
        facts.append(f"schema {schema.version}, up to date")


async def _inspect_replicas(connection: "Connection", facts: list[str], problems: list[str]) -> None:
    (row,) = await connection.fetch(_REPLICAS)
    synchronous = row["synchronous"]
    facts.append(f"replicas: {row['replicas']}; synchronous_standby_names: {synchronous or 'not set'}")
    if row["replicas"] and not synchronous:
        problems.append(
            "the server has replicas, but synchronous_standby_names is not set. "
            "Without a synchronous standby, a failover can send a run twice."
        )


async def _inspect_snapshots(connection: "Connection", facts: list[str], problems: list[str]) -> None:
    """Find the snapshot that keeps the server from removing old versions of rows: every commit updates a few rows."""
    rows = await connection.fetch(_OLDEST_SNAPSHOT)
    if not rows:
        facts.append("oldest backend_xmin: none")
        return
    (row,) = rows
    transactions, holder = row["transactions"], f"{row['of']}, process {row['pid']}"
    facts.append(f"oldest backend_xmin: {transactions} transactions ago ({holder})")
    if transactions > OLD_SNAPSHOT:
        problems.append(
            f"the oldest backend_xmin is {transactions} transactions old ({holder}); the limit is {OLD_SNAPSHOT}. "
            "It holds back vacuum, so commits become slower. End that session or its transaction"
        )


async def _inspect_commits(dsn: str, read_s: float, facts: list[str], problems: list[str]) -> None:
    """Commit on a connection of its own: it is given up without a cancellation if a standby does not answer."""
    session = Session(partial(connect, dsn, "check"))
    try:
        await session.connect()
        commit_s = await _median_s(partial(session.run, _COMMIT, limit_s=COMMIT_S))
    except Unanswered:
        problems.append(
            f"a commit is not durable after {COMMIT_S:g} s: is every standby in synchronous_standby_names running?"
        )
    else:
        facts.append(f"a read takes {read_s * 1000:.1f} ms, a durable commit {commit_s * 1000:.1f} ms")
    finally:
        await session.close()


async def _clock_skew_s(connection: "Connection") -> float:
    """Return by how many seconds the clocks differ at least."""
    began = time.time()
    there = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    return float(max(began - there, there - time.time()))


async def _median_s(call: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(SAMPLES):
        began_s = time.monotonic()
        await call()
        times.append(time.monotonic() - began_s)
    return median(times)
