"""The database as one side of a copy (see `relay.journal.transfer`)."""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import asyncpg
import orjson

from relay.core.events import State
from relay.errors import ConfigError, StoreError
from relay.journal.base import Claim
from relay.journal.damage import decoding
from relay.journal.deletions import Tombstone
from relay.journal.file_copies import FileCopy
from relay.journal.nodes import Command
from relay.journal.outbox import Delivery, Status
from relay.journal.postgres import lookups
from relay.journal.postgres import tallies as tally_table
from relay.journal.postgres.accounts import load_facts, replace_facts
from relay.journal.postgres.audit import AUDIT_COLUMNS, REVOKED, audit_entry, revocation_of
from relay.journal.postgres.connection import BROKEN, close, connect, host_of
from relay.journal.postgres.copies import OF_TASKS, STORED, decode_copy
from relay.journal.postgres.migrations import LOCK, check_schema, migrate
from relay.journal.postgres.outbox import COLUMNS, delivery_of
from relay.journal.postgres.rows import ALL_TASKS
from relay.journal.prompts import beginning
from relay.journal.record import Record, restore
from relay.journal.search_words import title_words, word_suffixes
from relay.journal.tallies import decode, encode
from relay.journal.transfer import CHUNK_ROWS, COPYING, Facts, LogRow, TaskCopy, unsent

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

NODE: Final = 0
"""The node of copied rows. No relay has this id, and tasks without an owner are taken over by the first one."""

_TASKS: Final = """
SELECT t.id AS task, t.provider, t.model, t.created_at, t.tags, t.input, t.metadata, t.upstream_id, t.socket_token,
  t.hook, t.files, t.checked, t.webhook, t.started_by, t.traceparent, t.title, t.estimate, t.estimate_unit, t.snapshot,
  t.snapshot_seq, t.ended_at, h.state, h.seq,
  EXISTS (SELECT FROM stalled s WHERE s.task = t.id) AS stalled
FROM tasks t JOIN heads h ON h.task = t.id WHERE t.id > $1 ORDER BY t.id LIMIT $2
"""

_COPIED: Final = (
    *("task", "provider", "model", "created_at", "tags", "input", "metadata"),
    *("upstream_id", "socket_token", "hook", "files", "checked", "webhook", "started_by", "traceparent", "title"),
    *("estimate", "estimate_unit"),
)
"""The columns of _TASKS that `restore` decodes."""

# The row of the node counts the bytes until the first relay starts, which adds those of old nodes to its own.
_COUNT_BYTES: Final = """
INSERT INTO nodes AS n (id, name, alive, until, seen_at, bytes)
SELECT $1, 'relay store copy', false, now(), now() - interval '2 days', $2 + coalesce(sum(relay_task_bytes(t)), 0)
FROM tasks t WHERE t.id = ANY ($3)
ON CONFLICT (id) DO UPDATE SET bytes = n.bytes + excluded.bytes
"""

# Rows that are copied have the numbers of the other store. Rows that are added later come after them.
_CONTINUE_NUMBERS: Final = """
SELECT setval(pg_get_serial_sequence('webhooks', 'number'), max(number)) FROM webhooks HAVING max(number) IS NOT NULL
"""

_FENCE: Final = "UPDATE nodes SET alive = false WHERE alive AND until < clock_timestamp()"

_ALIVE: Final = "SELECT name FROM nodes WHERE alive ORDER BY seen_at DESC LIMIT 1"


@asynccontextmanager
async def postgres_store(dsn: str, *, target: bool) -> AsyncIterator["PostgresStore"]:
    """
    Connect to the database during the block. No relay starts meanwhile: it waits for the end of the block.

    Args:
        dsn: the address of the database.
        target: whether tasks are copied to it. If so, the tables are created if there are none.

    Raises:
        ConfigError: a relay or another copy uses it, or it has no tables, or those of another program.
        StoreError: the server was not reached, or refused.
    """
    connection = await connect(dsn, "copy")
    try:
        with _failing(dsn):
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                raise ConfigError(f"another copy uses {host_of(dsn)}, or a relay is starting: try again later")
            if not target:
                await check_schema(connection)
            await migrate(connection, copying=target)
        store = PostgresStore(connection, dsn)
        await store.check_alone()
        yield store
    finally:
        await close(connection)


class PostgresStore:
    """The tables of a database that no relay uses."""

    def __init__(self, connection: "Connection", dsn: str) -> None:
        self._connection = connection
        self._dsn = dsn

    async def count(self) -> int:
        with _failing(self._dsn):
            return int(await self._connection.fetchval("SELECT count(*) FROM tasks"))

    async def ends(self, *, after: str, limit: int) -> Sequence[tuple[str, int]]:
        query = "SELECT task, seq FROM heads WHERE task > $1 ORDER BY task LIMIT $2"
        with _failing(self._dsn):
            return [(row["task"], row["seq"]) for row in await self._connection.fetch(query, after, limit)]

    async def tasks(self, *, after: str, limit: int) -> Sequence[TaskCopy]:
        claims: dict[str, list[Claim]] = defaultdict(list)
        commands: dict[str, list[Command]] = defaultdict(list)
        files: dict[str, list[FileCopy]] = defaultdict(list)
        deliveries: dict[str, list[Delivery]] = defaultdict(list)
        with _failing(self._dsn):
            rows = await self._connection.fetch(_TASKS, after, limit)
            ids = [row["task"] for row in rows]
            for row in await self._connection.fetch(
                "SELECT key, digest, task, at FROM claims WHERE task = ANY ($1) ORDER BY key", ids
            ):
                claims[row["task"]].append(Claim(**dict(row)))
            orders = "SELECT id, task, kind, by, named FROM commands WHERE task = ANY ($1) ORDER BY number"
            for command in lookups.commands(await self._connection.fetch(orders, ids)):
                commands[command.task].append(command)
            for row in await self._connection.fetch(OF_TASKS, ids):
                files[row["task"]].append(replace(decode_copy(row), owner=None))
            sent = f"SELECT {COLUMNS} FROM webhooks WHERE task = ANY ($1) ORDER BY number"  # noqa: S608 - a constant
            for row in await self._connection.fetch(sent, ids):
                deliveries[row["task"]].append(unsent(delivery_of(row)))
        return [
            _task(row, claims[row["task"]], commands[row["task"]], deliveries[row["task"]], files[row["task"]])
            for row in rows
        ]

    async def log(self, first: str, last: str) -> AsyncIterator[Sequence[LogRow]]:
        query = "SELECT task, seq, body FROM events WHERE task BETWEEN $1 AND $2 ORDER BY task, seq"
        with _failing(self._dsn):
            async with self._connection.transaction(readonly=True):
                cursor = await self._connection.cursor(query, first, last)
                while rows := await cursor.fetch(CHUNK_ROWS):
                    yield [LogRow(**dict(row)) for row in rows]

    async def facts(self) -> Facts:
        with _failing(self._dsn):
            stored = await self._connection.fetch("SELECT name, value FROM secrets")
            saved = await self._connection.fetchval(lookups.SAVED_TIME)
            tombstones = await self._connection.fetch("SELECT task, at, upstream FROM tombstones")
            kept = await self._connection.fetch(
                "SELECT key, digest, task, at FROM claims WHERE task IN (SELECT task FROM tombstones)"
            )
            audit = await self._connection.fetch("SELECT * FROM audit ORDER BY number")
            revoked = await self._connection.fetch(REVOKED, 0)
            tallies = await self._connection.fetch(tally_table.SELECT, None, None, 0)
            accounts = await load_facts(self._connection)
        return Facts(
            secrets={row["name"]: row["value"] for row in stored},
            saved_time=saved,
            tombstones=tuple(Tombstone(**dict(row)) for row in tombstones),
            kept_claims=tuple(Claim(**dict(row)) for row in kept),
            audit=tuple(map(audit_entry, audit)),
            revocations=tuple(map(revocation_of, revoked)),
            tallies=tuple(decode(*row) for row in tallies),
            accounts=accounts,
        )

    async def check_alone(self) -> None:
        with _failing(self._dsn):
            # A relay that has not renewed its lease is dead from now on: if it comes back, it registers again.
            await self._connection.execute(_FENCE)
            name = await self._connection.fetchval(_ALIVE)
        if name is not None:
            raise ConfigError(
                f"the relay {name} uses {host_of(self._dsn)}: stop it. If it has crashed, try again in 10 s"
            )

    async def unfinished(self) -> bool:
        with _failing(self._dsn):
            return bool(await self._connection.fetchval("SELECT EXISTS (SELECT FROM meta WHERE name = $1)", COPYING))

    async def begin(self) -> None:
        with _failing(self._dsn):
            await self._connection.execute(
                "INSERT INTO meta (name, value) VALUES ($1, '') ON CONFLICT DO NOTHING", COPYING
            )

    async def add(self, tasks: Sequence[TaskCopy], log: AsyncIterator[Sequence[LogRow]]) -> int:
        events = 0
        size = sum(600 + len(one.webhook.body) for each in tasks for one in each.deliveries)
        with _failing(self._dsn):
            async with self._connection.transaction():
                await self._add_tasks(tasks)
                async for rows in log:
                    await self._copy(
                        "events", "task seq node batch body", [(row.task, row.seq, NODE, 0, row.body) for row in rows]
                    )
                    events += len(rows)
                    size += sum(200 + len(row.body) for row in rows)
                await self._connection.execute(_COUNT_BYTES, NODE, size, [each.task.id for each in tasks])
        return events

    async def finish(self, facts: Facts) -> None:
        upsert = "INSERT INTO {} (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        with _failing(self._dsn):
            async with self._connection.transaction():
                await self._connection.executemany(upsert.format("secrets"), list(facts.secrets.items()))
                if facts.saved_time is not None:
                    saved = await self._connection.fetchval(lookups.SAVED_TIME)
                    later = max(facts.saved_time, -math.inf if saved is None else saved)
                    await self._connection.execute(upsert.format("meta"), "witnessed", repr(later))
                await self._connection.execute(_CONTINUE_NUMBERS)
                await self._connection.executemany(
                    "INSERT INTO tombstones (task, at, upstream) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    [(each.task, each.at, each.upstream) for each in facts.tombstones],
                )
                await self._connection.executemany(
                    "INSERT INTO claims (key, digest, task, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    [(claim.key, claim.digest, claim.task, claim.at) for claim in facts.kept_claims],
                )
                entries = [astuple(entry) for entry in facts.audit]
                await self._connection.copy_records_to_table("audit", columns=AUDIT_COLUMNS, records=entries)
                await self._connection.executemany(
                    "SELECT relay_revoke($1, $2, $3, $4)",
                    [(each.kind, each.name, each.at, each.expires_at) for each in facts.revocations],
                )
                await self._connection.executemany(
                    tally_table.REPLACE,
                    [(*each.key, *(part.decode() for part in encode(each))) for each in facts.tallies],
                )
                await replace_facts(self._connection, facts.accounts)
                # The next relay finds no epoch of the server's timeline, and makes a new one.
                await self._connection.execute("DELETE FROM meta WHERE name = $1 OR name LIKE 'epoch:%'", COPYING)

    async def _add_tasks(self, tasks: Sequence[TaskCopy]) -> None:
        listed = [
            (each.task.id, tag, each.task.provider, each.task.model.lower(), each.state.value, each.task.created_at)
            for each in tasks
            for tag in {ALL_TASKS, *each.task.tags}
        ]
        names = {name for each in tasks for name in (each.task.model.lower(), *each.task.tags)}
        words = [orjson.dumps([word, name]).decode() for name in names for word in word_suffixes(name)]
        await self._copy(
            "heads",
            "task provider created_at owner node batch seq state in_line sending",
            [_head(each) for each in tasks],
        )
        await self._copy(
            "tasks",
            "id provider model created_at ended_at hook upstream_id socket_token tags metadata input checked files"
            " webhook started_by traceparent snapshot_seq snapshot title prompt estimate estimate_unit",
            [_cold(each) for each in tasks],
        )
        await self._copy("listed", "task tag provider model state created_at", listed)
        await self._connection.execute("SELECT relay_add_words($1)", words)
        titled = [(each.task.id, word) for each in tasks for word in title_words(each.task.title)]
        await self._copy("title_words", "task word", titled)
        await self._copy("stalled", "task", [(each.task.id,) for each in tasks if each.stalled])
        # Earlier versions allowed two tasks to be the same upstream task. The first one is found by it.
        await self._connection.executemany(
            "INSERT INTO upstreams (provider, kind, value, task) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            [row for each in tasks for row in _upstreams(each)],
        )
        await self._copy(
            "claims",
            "key digest task at",
            [(claim.key, claim.digest, claim.task, claim.at) for each in tasks for claim in each.claims],
        )
        await self._copy(
            "commands",
            "id task kind by named",
            [
                (one.id, one.task, one.order.value, one.by, lookups.encode_named(one.named))
                for each in tasks
                for one in each.commands
            ],
        )
        now = datetime.now(UTC)
        await self._copy(
            "webhooks",
            "number id task url type created_at status attempts failures since tried_at answer due body",
            [_webhook(one, now) for each in tasks for one in each.deliveries],
        )

        await self._copy("copies", " ".join(STORED), [_file(copy) for each in tasks for copy in each.files])

    async def _copy(self, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
        await self._connection.copy_records_to_table(table, columns=columns.split(), records=rows)


def _task(
    row: "asyncpg.Record",
    claims: Sequence[Claim],
    commands: Sequence[Command],
    deliveries: Sequence[Delivery],
    files: Sequence[FileCopy],
) -> TaskCopy:
    with decoding(row["task"], "state"):
        state = State(row["state"])
    return TaskCopy(
        task=restore(**{name: row[name] for name in _COPIED}),
        state=state,
        seq=row["seq"],
        snapshot=None if row["snapshot"] is None else row["snapshot"].encode(),
        snapshot_seq=row["snapshot_seq"],
        ended_at=row["ended_at"],
        stalled=row["stalled"],
        claims=tuple(claims),
        commands=tuple(commands),
        files=tuple(files),
        deliveries=tuple(deliveries),
    )


def _file(copy: FileCopy) -> tuple[object, ...]:
    """Return the row of `copies`."""
    return tuple(getattr(copy, column) for column in STORED)


def _head(each: TaskCopy) -> tuple[object, ...]:
    """Return the row of `heads`: no node owns the task. A run that was being sent is searched for, not sent again."""
    task, waits = each.task, each.state is State.HELD
    return task.id, task.provider, task.created_at, None, NODE, 0, each.seq, each.state.value, waits, False


def _cold(each: TaskCopy) -> tuple[object, ...]:
    """Return the row of `tasks`."""
    task, record = each.task, Record.of(each.task)
    texts = record.tags, record.metadata, record.input, record.checked, record.files, record.webhook
    return (
        *(task.id, task.provider, task.model, task.created_at, each.ended_at, task.hook),
        *((None, None) if task.upstream is None else (task.upstream.upstream_id, task.upstream.socket_token)),
        *(None if text is None else text.decode() for text in texts),
        *(
            task.started_by or None,
            task.traceparent,
            each.snapshot_seq,
            None if each.snapshot is None else each.snapshot.decode(),
        ),
        *(task.title, beginning(task.input)),
        *((None, None) if task.estimate is None else (task.estimate.amount, task.estimate.unit)),
    )


def _webhook(one: Delivery, now: datetime) -> tuple[object, ...]:
    """Return the row of `webhooks`. What is pending is due at once."""
    webhook = one.webhook
    return (
        *(one.number, webhook.id, webhook.task, webhook.url, webhook.type, webhook.created_at, one.status.value),
        *(one.attempts, one.failures, one.since, one.tried_at, one.answer),
        *(now if one.status is Status.PENDING else None, webhook.body.decode()),
    )


def _upstreams(each: TaskCopy) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of `upstreams`."""
    if (upstream := each.task.upstream) is not None:
        for kind, value in (("id", upstream.upstream_id), ("token", upstream.socket_token)):
            if value is not None:
                yield each.task.provider, kind, value, each.task.id


@contextmanager
def _failing(dsn: str) -> Iterator[None]:
    """Turn an error of the server or the connection into a StoreError."""
    try:
        yield
    except (StoreError, ConfigError):
        raise
    except (*BROKEN, asyncpg.PostgresError) as error:
        raise StoreError(f"PostgreSQL at {host_of(dsn)}: {error}") from error
