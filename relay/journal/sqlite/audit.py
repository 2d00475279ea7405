"""
The tables of the audit and of revocations (see `relay.journal.audit` and `relay.journal.revocations`).

The functions work on a connection and are called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from functools import partial
from typing import Final

from relay.journal.audit import Action, AuditEntry, AuditFilter, StoredEntry
from relay.journal.revocations import Kind, Revocation, Revoked
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.writer import Writer

_COLUMNS: Final = "id, at, action, key, subject, address, request_id, task, tag, jti, status, count"

_INSERT: Final = f"INSERT OR IGNORE INTO audit ({_COLUMNS}) VALUES ({', '.join('?' * 12)})"  # noqa: S608 - constants

_REVOKE: Final = """
INSERT OR REPLACE INTO revocations (kind, name, at, expires_at)
SELECT :kind, :name, max(:at, coalesce(at, :at)), max(:expires_at, coalesce(expires_at, :expires_at))
FROM (SELECT 1) LEFT JOIN revocations ON kind = :kind AND name = :name
"""


class SQLiteAudit:
    """The audit in the file that a journal has open."""

    def __init__(self, parts: Callable[[], tuple[Reader, Writer]]) -> None:
        """`parts` returns what reads lists and what writes; it raises RuntimeError if the journal is not open."""
        self._parts = parts

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        _, writer = self._parts()
        await writer.do(partial(add_entries, entries=entries), synced=False)

    async def page(self, where: AuditFilter, *, before: int | None, limit: int) -> tuple[StoredEntry, ...]:
        reader, _ = self._parts()
        return await reader.run(partial(_page, where=where, before=before, limit=limit))

    async def forget(self, *, before: float, keep: int) -> None:
        _, writer = self._parts()
        await writer.do(partial(_forget, before=before, keep=keep), synced=False)


class SQLiteRevocations:
    """The revocations in the file that a journal has open."""

    def __init__(self, parts: Callable[[], tuple[Reader, Writer]]) -> None:
        """`parts` returns what reads and what writes; it raises RuntimeError if the journal is not open."""
        self._parts = parts

    async def add(self, revocation: Revocation) -> None:
        _, writer = self._parts()
        await writer.do(partial(revoke, revocations=[revocation]))

    async def since(self, last: int) -> Revoked:
        reader, _ = self._parts()
        return await reader.run(partial(load_revocations, last=last))

    async def forget(self, *, expired_before: float) -> None:
        _, writer = self._parts()
        await writer.do(partial(_forget_revocations, expired_before=expired_before), synced=False)


def add_entries(connection: sqlite3.Connection, entries: Iterable[AuditEntry]) -> None:
    """Store entries of the audit, except those that are stored already."""
    connection.executemany(_INSERT, map(astuple, entries))


def load_entries(connection: sqlite3.Connection) -> tuple[AuditEntry, ...]:
    """Return the whole audit, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number")  # noqa: S608 - constants only
    return tuple(map(_entry, rows))


def revoke(connection: sqlite3.Connection, revocations: Iterable[Revocation]) -> None:
    """Store revocations, each with a new number."""
    connection.executemany(
        _REVOKE,
        [{"kind": one.kind, "name": one.name, "at": one.at, "expires_at": one.expires_at} for one in revocations],
    )


def load_revocations(connection: sqlite3.Connection, last: int) -> Revoked:
    """Return the revocations after a number."""
    rows = connection.execute(
        "SELECT number, kind, name, at, expires_at FROM revocations WHERE number > ? ORDER BY number", (last,)
    ).fetchall()
    found = tuple(
        Revocation(kind=Kind(kind), name=name, at=at, expires_at=expires_at) for _, kind, name, at, expires_at in rows
    )
    return Revoked(revocations=found, last=rows[-1][0] if rows else last)


def _page(
    connection: sqlite3.Connection, where: AuditFilter, before: int | None, limit: int
) -> tuple[StoredEntry, ...]:
    conditions = {
        "number < ?": before,
        "action = ?": where.action,
        "key = ?": where.key,
        "task = ?": where.task,
        "tag = ?": where.tag,
        "at >= ?": where.since,
        "at < ?": where.until,
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    clause = f"WHERE {' AND '.join(given)}" if given else ""
    rows = connection.execute(
        f"SELECT number, {_COLUMNS} FROM audit {clause} ORDER BY number DESC LIMIT ?",  # noqa: S608 - constants only
        (*given.values(), limit),
    )
    return tuple(StoredEntry(number=number, entry=_entry(row)) for number, *row in rows)


def _forget(connection: sqlite3.Connection, before: float, keep: int) -> None:
    connection.execute("DELETE FROM audit WHERE at < ?", (before,))
    for same in ("=", "<>"):
        chosen = f"action {same} '{Action.AUTH_FAILED}'"
        connection.execute(
            f"DELETE FROM audit WHERE {chosen} AND number <="  # noqa: S608 - constants only
            f" (SELECT number FROM audit WHERE {chosen} ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (keep,),
        )


def _forget_revocations(connection: sqlite3.Connection, expired_before: float) -> None:
    connection.execute("DELETE FROM revocations WHERE expires_at < ?", (expired_before,))


def _entry(row: Sequence[object]) -> AuditEntry:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return AuditEntry(**fields | {"action": Action(str(fields["action"]))})  # type: ignore[arg-type] # STRICT columns
