"""
The table of copies of files. See `relay.journal.file_copies.FileCopies`.

The functions work on a connection and are called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from relay.errors import Fenced
from relay.journal.damage import decoding
from relay.journal.file_copies import TO_DO, CopyState, FileCopy, settled
from relay.journal.sole_node import NODE
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.writer import Writer

_COLUMNS: Final = (
    *("task", "part", "provider", "url", "name", "content_type", "size_bytes", "sha256"),
    *("state", "reason", "attempts", "next_at", "kept_at", "owner"),
)
_VALUES: Final = f"INTO copies ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM copies"  # noqa: S608 - constants only
_FREE: Final = f"state IN ({', '.join(repr(state.value) for state in TO_DO)}) AND owner IS NULL"


class SQLiteCopies:
    """The copies that the file has."""

    def __init__(self, parts: Callable[[], tuple[Reader, Writer]]) -> None:
        """
        Args:
            parts: returns what reads and writes the file, or raises RuntimeError if it is not open.
        """
        self._parts = parts

    async def of_task(self, task: str) -> tuple[FileCopy, ...]:
        reader, _ = self._parts()
        return await reader.run(partial(load_copies, task=task))

    async def find(self, task: str, part: str) -> FileCopy | None:
        reader, _ = self._parts()
        return await reader.run(partial(_load, task=task, part=part))

    async def spooled(self) -> tuple[FileCopy, ...]:
        reader, _ = self._parts()
        return await reader.run(_load_spooled)

    async def due_at(self) -> float | None:
        reader, _ = self._parts()
        return await reader.run(_load_due_at)

    async def claim(self, now: float, *, limit: int) -> tuple[FileCopy, ...]:
        _, writer = self._parts()
        return await writer.do(partial(_claim, now=now, limit=limit), synced=False)

    async def settle(self, copy: FileCopy) -> bool:
        _, writer = self._parts()
        return await writer.do(partial(_settle, copy=copy))

    async def forget(self, copy: FileCopy) -> None:
        _, writer = self._parts()
        await writer.do(partial(_forget, copy=copy))

    async def expire(self, *, kept_before: float, limit: int, reason: str) -> int:
        _, writer = self._parts()
        return await writer.do(partial(_expire, kept_before=kept_before, limit=limit, reason=reason))

    async def size_bytes(self) -> int:
        reader, _ = self._parts()
        return await reader.run(_load_size_bytes)


def add_copies(connection: sqlite3.Connection, copies: Iterable[FileCopy]) -> None:
    """Add copies that are not known yet."""
    connection.executemany(
        f"INSERT OR IGNORE {_VALUES}",
        [tuple(getattr(copy, column) for column in _COLUMNS) for copy in copies],
    )


def orphan_copies(connection: sqlite3.Connection, tasks: Iterable[str]) -> None:
    """Have all copies of tasks deleted."""
    rows = [(CopyState.ORPHANED, task) for task in tasks]
    connection.executemany("UPDATE copies SET state = ?, next_at = 0 WHERE task = ?", rows)


def release_copies(connection: sqlite3.Connection) -> None:
    """Give up the claims of the process that had the file open before."""
    connection.execute("UPDATE copies SET owner = NULL WHERE owner IS NOT NULL")


def load_copies(connection: sqlite3.Connection, task: str) -> tuple[FileCopy, ...]:
    """Return the copies of a task in the order of its results, without those that are orphaned."""
    rows = connection.execute(
        f"{_SELECT} WHERE task = ? AND state <> ? ORDER BY length(part), part", (task, CopyState.ORPHANED)
    )
    return tuple(_decode(row) for row in rows)


def _load(connection: sqlite3.Connection, task: str, part: str) -> FileCopy | None:
    row = connection.execute(f"{_SELECT} WHERE task = ? AND part = ?", (task, part)).fetchone()
    return None if row is None else _decode(row)


def _load_spooled(connection: sqlite3.Connection) -> tuple[FileCopy, ...]:
    rows = connection.execute(f"{_SELECT} WHERE state = 'waiting' AND part LIKE 'inputs/%'")
    return tuple(_decode(row) for row in rows)


def _load_due_at(connection: sqlite3.Connection) -> float | None:
    (at,) = connection.execute(f"SELECT min(next_at) FROM copies WHERE {_FREE}").fetchone()  # noqa: S608 - constants only
    return None if at is None else float(at)


def _claim(connection: sqlite3.Connection, now: float, limit: int) -> tuple[FileCopy, ...]:
    rows = connection.execute(
        f"UPDATE copies SET owner = ? WHERE (task, part) IN"  # noqa: S608 - constants only
        f" (SELECT task, part FROM copies WHERE {_FREE} AND next_at <= ? ORDER BY next_at LIMIT ?)"
        f" RETURNING {', '.join(_COLUMNS)}",
        (NODE, now, limit),
    )
    return tuple(_decode(row) for row in rows.fetchall())


def _settle(connection: sqlite3.Connection, copy: FileCopy) -> bool:
    stored = _load(connection, copy.task, copy.part)
    if stored is None or stored.owner is None or stored.owner != copy.owner:
        raise Fenced(f"the copy {copy.task}/{copy.part} is not claimed by this node")
    new = settled(stored, copy)
    connection.execute(
        f"REPLACE {_VALUES}",
        tuple(getattr(new, column) for column in _COLUMNS),
    )
    waiting = "SELECT EXISTS (SELECT 1 FROM copies WHERE task = ? AND state = ?)"
    (exists,) = connection.execute(waiting, (copy.task, CopyState.WAITING)).fetchone()
    return not exists


def _forget(connection: sqlite3.Connection, copy: FileCopy) -> None:
    condition = "task = ? AND part = ? AND state = ?"
    connection.execute(
        f"DELETE FROM copies WHERE {condition}",  # noqa: S608 - constants only
        (copy.task, copy.part, CopyState.ORPHANED),
    )


def _expire(connection: sqlite3.Connection, kept_before: float, limit: int, reason: str) -> int:
    return connection.execute(
        "UPDATE copies SET state = ?, next_at = 0, reason = ? WHERE (task, part) IN"
        " (SELECT task, part FROM copies WHERE state = 'kept' AND kept_at < ? ORDER BY kept_at LIMIT ?)",
        (CopyState.EXPIRING, reason, kept_before, limit),
    ).rowcount


def _load_size_bytes(connection: sqlite3.Connection) -> int:
    (size,) = connection.execute("SELECT coalesce(sum(size_bytes), 0) FROM copies WHERE state = 'kept'").fetchone()
    return int(size)


def _decode(row: tuple[object, ...]) -> FileCopy:
    """
    Return the copy that a row describes.

    Raises:
        StoreDamaged: it cannot be decoded.
    """
    values: dict[str, object] = dict(zip(_COLUMNS, row, strict=True))
    with decoding(str(values["task"]), "copies"):
        return FileCopy(**{**values, "state": CopyState(str(values["state"]))})  # type: ignore[arg-type]
