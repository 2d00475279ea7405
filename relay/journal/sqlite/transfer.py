"""
The file as one side of a copy (see `relay.journal.transfer`).

Only a command uses it, which waits for each statement, so they run on its event loop and not in threads.
"""

import math
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from relay.core.events import State
from relay.errors import ConfigError, RelayError, StoreDamaged, StoreError
from relay.journal.base import Claim
from relay.journal.batch import Batch
from relay.journal.damage import decoding
from relay.journal.deletions import Tombstone
from relay.journal.sqlite import audit, metadata, webhooks
from relay.journal.sqlite.accounts import load_facts, replace_facts
from relay.journal.sqlite.copies import add_copies, load_copies
from relay.journal.sqlite.database import Database, open_database
from relay.journal.sqlite.events import set_stalled
from relay.journal.sqlite.tallies import load_tallies, replace_tallies
from relay.journal.sqlite.tasks import add_task, load_task
from relay.journal.transfer import CHUNK_ROWS, COPYING, Facts, LogRow, TaskCopy, unsent

_END: Final = "coalesce((SELECT max(seq) FROM events WHERE task = id), snapshot_seq)"

_TASKS: Final = (
    f"SELECT id, state, {_END}, snapshot, snapshot_seq,"  # noqa: S608 - constants only
    " coalesce(CASE WHEN json_valid(CAST(snapshot AS TEXT))"
    "   THEN json_extract(CAST(snapshot AS TEXT), '$.ended_at') END, created_at)"
    " FROM tasks WHERE id > ? ORDER BY id LIMIT ?"
)


@contextmanager
def sqlite_store(path: Path, *, target: bool) -> Iterator["SQLiteStore"]:
    """
    Open the file during the block, locked.

    Args:
        path: the file.
        target: whether tasks are copied to it. If so, it is created if it does not exist.

    Raises:
        ConfigError: it cannot be opened, another process has it locked, or it does not exist.
    """
    if not target and not path.exists():
        raise ConfigError(f"there is no store at {path}")
    database = open_database(path, lock=True, copying=target)
    try:
        yield SQLiteStore(database)
    finally:
        database.close()


class SQLiteStore:
    """The tables of a file that no relay has open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.writes

    async def count(self) -> int:
        with _failing():
            (count,) = self._connection.execute("SELECT count(*) FROM tasks").fetchone()
        return int(count)

    async def ends(self, *, after: str, limit: int) -> Sequence[tuple[str, int]]:
        query = f"SELECT id, {_END} FROM tasks WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants only
        with _failing():
            return self._connection.execute(query, (after, limit)).fetchall()

    async def tasks(self, *, after: str, limit: int) -> Sequence[TaskCopy]:
        with _failing():
            return [self._task(*row) for row in self._connection.execute(_TASKS, (after, limit)).fetchall()]

    async def log(self, first: str, last: str) -> AsyncIterator[Sequence[LogRow]]:
        query = "SELECT task, seq, body FROM events WHERE task BETWEEN ? AND ? ORDER BY task, seq"
        with _failing():
            rows = self._connection.execute(query, (first, last))
            while chunk := rows.fetchmany(CHUNK_ROWS):
                yield [LogRow(task=task, seq=seq, body=body) for task, seq, body in chunk]

    async def facts(self) -> Facts:
        with _failing():
            stored = dict(self._connection.execute("SELECT name, value FROM secrets").fetchall())
            tombstones = self._connection.execute("SELECT task, at, upstream FROM tombstones")
            kept = self._connection.execute("SELECT key, digest, task, at FROM kept_claims")
            return Facts(
                secrets=stored,
                saved_time=metadata.load_saved_time(self._connection),
                tombstones=tuple(Tombstone(task=task, at=at, upstream=bool(gone)) for task, at, gone in tombstones),
                kept_claims=tuple(Claim(key=key, digest=digest, task=task, at=at) for key, digest, task, at in kept),
                audit=audit.load_entries(self._connection),
                revocations=audit.load_revocations(self._connection, 0).revocations,
                tallies=tuple(load_tallies(self._connection)),
                accounts=load_facts(self._connection),
            )

    async def check_alone(self) -> None:
        with _failing():
            self._database.check()  # the lock excludes all others

    async def unfinished(self) -> bool:
        with _failing():
            return self._connection.execute("SELECT 1 FROM meta WHERE name = ?", (COPYING,)).fetchone() is not None

    async def begin(self) -> None:
        with self._transaction():
            metadata.set_meta(self._connection, COPYING, "")

    async def add(self, tasks: Sequence[TaskCopy], log: AsyncIterator[Sequence[LogRow]]) -> int:
        events = 0
        with self._transaction():
            for each in tasks:
                self._add_task(each)
            async for rows in log:
                values = [(row.task, row.seq, row.body) for row in rows]
                self._connection.executemany("INSERT INTO events (task, seq, body) VALUES (?, ?, ?)", values)
                events += len(rows)
        return events

    async def finish(self, facts: Facts) -> None:
        with self._transaction():
            self._connection.executemany("REPLACE INTO secrets (name, value) VALUES (?, ?)", facts.secrets.items())
            if facts.saved_time is not None:
                saved = metadata.load_saved_time(self._connection)
                metadata.save_time(self._connection, max(facts.saved_time, saved or -math.inf))
            self._connection.executemany(
                "REPLACE INTO tombstones (task, at, upstream) VALUES (?, ?, ?)",
                [(each.task, each.at, each.upstream) for each in facts.tombstones],
            )
            self._connection.executemany(
                "REPLACE INTO kept_claims (key, digest, task, at) VALUES (?, ?, ?, ?)",
                [(claim.key, claim.digest, claim.task, claim.at) for claim in facts.kept_claims],
            )
            audit.add_entries(self._connection, facts.audit)
            audit.revoke(self._connection, facts.revocations)
            replace_tallies(self._connection, facts.tallies)
            replace_facts(self._connection, facts.accounts)
            metadata.set_meta(self._connection, "epoch", secrets.token_hex(8))
            self._connection.execute("DELETE FROM meta WHERE name = ?", (COPYING,))

    def _task(
        self, task: str, state: str, seq: int | None, snapshot: bytes | None, snapshot_seq: int | None, ended_at: float
    ) -> TaskCopy:
        stored = load_task(self._connection, task)
        if stored is None:
            raise AssertionError("a locked file does not change")  # pragma: no cover -- its id was read just before
        if seq is None:
            raise StoreDamaged(task, "log")
        claims = self._connection.execute("SELECT key, digest, at FROM claims WHERE task = ? ORDER BY key", (task,))
        with decoding(task, "state"):
            known = State(state)
        return TaskCopy(
            task=stored,
            state=known,
            seq=seq,
            snapshot=snapshot,
            snapshot_seq=snapshot_seq,
            ended_at=ended_at if known.ended else None,
            files=tuple(replace(file, owner=None) for file in load_copies(self._connection, task)),
            stalled=self._connection.execute("SELECT 1 FROM stalled WHERE task = ?", (task,)).fetchone() is not None,
            claims=tuple(Claim(key=key, digest=digest, task=task, at=at) for key, digest, at in claims),
            deliveries=tuple(map(unsent, webhooks.load_deliveries(self._connection, task))),
        )

    def _add_task(self, each: TaskCopy) -> None:
        task = each.task
        if each.commands:
            raise RelayError(
                f"task {task.id} has orders that its owner has not received, such as a cancellation, and SQLite cannot "
                "store them. Run `relay serve` on the source until they are done, then copy again"
            )
        # Earlier versions allowed two tasks to be the same upstream task, which `add_task` refuses.
        batch = Batch(
            task=task.id, entries=(), state=each.state, snapshot=None, folded=None, upstream=None, synced=True
        )
        add_task(self._connection, replace(task, upstream=None), batch, None, -math.inf)
        self._connection.execute(
            "UPDATE tasks SET upstream_id = ?, socket_token = ?, snapshot = ?, snapshot_seq = ? WHERE id = ?",
            (
                None if task.upstream is None else task.upstream.upstream_id,
                None if task.upstream is None else task.upstream.socket_token,
                each.snapshot,
                each.snapshot_seq,
                task.id,
            ),
        )
        set_stalled(self._connection, task.id, stalled=each.stalled)
        add_copies(self._connection, each.files)
        claims = [(claim.key, claim.digest, claim.task, claim.at) for claim in each.claims]
        self._connection.executemany("INSERT INTO claims (key, digest, task, at) VALUES (?, ?, ?, ?)", claims)
        webhooks.insert(self._connection, each.deliveries)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _failing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):  # on a full disk, SQLite has rolled it back
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _failing() -> Iterator[None]:
    """Turn an error of SQLite into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the SQLite store failed: {error}") from error
