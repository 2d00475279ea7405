"""
The deletion of tasks, and the table of tombstones. See `relay.journal.deletions.Deletions`.

The functions work on a connection and are called in the thread that owns it. None begins or ends a transaction.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import orjson

from relay.core.events import ENDED
from relay.journal.deletions import DeletedListener, Tombstone
from relay.journal.sqlite.copies import orphan_copies
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.words import drop_unused_words, names_of
from relay.journal.sqlite.writer import Writer

_ENDED: Final = ", ".join(repr(state.value) for state in sorted(ENDED))


class SQLiteDeletions:
    """Deletes tasks of the file, and reads their tombstones."""

    def __init__(self, parts: Callable[[], tuple[Reader, Writer]], deleted: DeletedListener) -> None:
        """
        Args:
            parts: returns what reads and writes the file, or raises RuntimeError if it is not open.
            deleted: called with the tasks that were deleted.
        """
        self._parts = parts
        self._deleted = deleted

    async def delete(self, tasks: Sequence[str], *, at: float, upstream: bool) -> tuple[str, ...]:
        _, writer = self._parts()
        deleting = writer.do(partial(_delete, tasks=tasks, at=at, upstream=upstream))
        deleting.add_done_callback(self._told)  # also if the caller is cancelled meanwhile
        return await asyncio.shield(deleting)

    async def find(self, task: str) -> Tombstone | None:
        reader, _ = self._parts()
        return await reader.run(partial(_find, task=task))

    async def forget(self, *, deleted_before: float, limit: int) -> int:
        _, writer = self._parts()
        return await writer.do(partial(_forget, deleted_before=deleted_before, limit=limit))

    def _told(self, deleting: asyncio.Future[tuple[str, ...]]) -> None:
        if deleting.exception() is None and deleting.result():
            self._deleted(deleting.result())


def prune(connection: sqlite3.Connection, ended_before: float, limit: int) -> tuple[str, ...]:
    """Delete the oldest tasks that ended before a time, with all their data; return their ids."""
    rows = connection.execute(
        # A task ends after it was created, so the index on created_at narrows the search.
        f"SELECT id FROM tasks WHERE created_at < ? AND +state IN ({_ENDED})"  # noqa: S608 - constants only
        # A damaged snapshot must not keep all other tasks from being deleted.
        " AND coalesce(CASE WHEN json_valid(CAST(snapshot AS TEXT))"
        "   THEN json_extract(CAST(snapshot AS TEXT), '$.ended_at') END, created_at) < ?"
        " ORDER BY created_at, id LIMIT ?",
        (ended_before, ended_before, limit),
    )
    old = tuple(task for (task,) in rows)
    connection.executemany("DELETE FROM claims WHERE task = ?", [(task,) for task in old])
    _remove(connection, old)
    return old


def _remove(connection: sqlite3.Connection, tasks: Sequence[str]) -> None:
    """Delete everything that is stored for tasks whose idempotency keys are not in `claims` any more."""
    names = names_of(connection, tasks)
    keys = [(task,) for task in tasks]
    for table in ("events", "listed", "stalled", "title_words", "webhooks"):
        connection.executemany(f"DELETE FROM {table} WHERE task = ?", keys)  # noqa: S608 - one of five names
    connection.executemany("DELETE FROM tasks WHERE id = ?", keys)
    orphan_copies(connection, tasks)
    drop_unused_words(connection, names)


def _delete(connection: sqlite3.Connection, tasks: Sequence[str], at: float, upstream: bool) -> tuple[str, ...]:
    chosen = orjson.dumps(list(tasks)).decode()
    rows = connection.execute(
        f"SELECT id FROM tasks WHERE state IN ({_ENDED})"  # noqa: S608 - constants only
        " AND id IN (SELECT value FROM json_each(?))",
        (chosen,),
    )
    ended = [task for (task,) in rows]
    for task in ended:
        # `claims` has only keys of tasks that exist.
        connection.execute(
            "INSERT OR REPLACE INTO kept_claims (key, digest, task, at)"
            " SELECT key, digest, task, at FROM claims WHERE task = ?",
            (task,),
        )
        connection.execute("DELETE FROM claims WHERE task = ?", (task,))
        connection.execute("INSERT INTO tombstones (task, at, upstream) VALUES (?, ?, ?)", (task, at, upstream))
    _remove(connection, ended)
    rows = connection.execute("SELECT task FROM tombstones WHERE task IN (SELECT value FROM json_each(?))", (chosen,))
    return tuple(task for (task,) in rows)


def _find(connection: sqlite3.Connection, task: str) -> Tombstone | None:
    row = connection.execute("SELECT at, upstream FROM tombstones WHERE task = ?", (task,)).fetchone()
    return Tombstone(task=task, at=row[0], upstream=bool(row[1])) if row else None


def _forget(connection: sqlite3.Connection, deleted_before: float, limit: int) -> int:
    rows = connection.execute(
        "SELECT task FROM tombstones WHERE at < ? ORDER BY at, task LIMIT ?", (deleted_before, limit)
    ).fetchall()
    connection.executemany("DELETE FROM kept_claims WHERE task = ?", rows)
    connection.executemany("DELETE FROM tombstones WHERE task = ?", rows)
    return len(rows)
