"""The tables of the audit and of revocations. See `relay.journal.audit` and `relay.journal.revocations`."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Final

from relay.journal.audit import Action, AuditEntry, AuditFilter, StoredEntry
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader
from relay.journal.revocations import Kind, Revocation, Revoked

if TYPE_CHECKING:
    import asyncpg

AUDIT_COLUMNS: Final = tuple(field.name for field in fields(AuditEntry))

_NAMES: Final = ", ".join(AUDIT_COLUMNS)

_ADD: Final = f"""
INSERT INTO audit ({_NAMES})
SELECT * FROM unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::int[], $12::bigint[])
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants only

_FORGET: Final = "SELECT relay_forget_audit($1, $2)"

_REVOKE: Final = "SELECT relay_revoke($1, $2, $3, $4)"

REVOKED: Final = "SELECT number, kind, name, at, expires_at FROM revocations WHERE number > $1 ORDER BY number"
"""Finds the revocations after a number."""

_FORGET_REVOCATIONS: Final = "DELETE FROM revocations WHERE expires_at < $1"


class PostgresAudit:
    """The audit in the database of a journal."""

    def __init__(self, parts: Callable[[], tuple[Reader, Errands]]) -> None:
        """`parts` returns what reads lists and what writes; it raises RuntimeError if the journal is not open."""
        self._parts = parts

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        _, errands = self._parts()
        if entries:
            await errands.run(_ADD, *(list(column) for column in zip(*map(astuple, entries), strict=True)))

    async def page(self, where: AuditFilter, *, before: int | None, limit: int) -> tuple[StoredEntry, ...]:
        conditions = {
            "number < $": before,
            "action = $": where.action,
            "key = $": where.key,
            "task = $": where.task,
            "tag = $": where.tag,
            "at >= $": where.since,
            "at < $": where.until,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        clause = " AND ".join(f"{condition}{place}" for place, condition in enumerate(given, 2))
        query = f"SELECT number, {_NAMES} FROM audit {clause and f'WHERE {clause}'} ORDER BY number DESC LIMIT $1"  # noqa: S608
        reader, _ = self._parts()
        rows = await reader.fetch(query, limit, *given.values())
        return tuple(StoredEntry(number=row["number"], entry=audit_entry(row)) for row in rows)

    async def forget(self, *, before: float, keep: int) -> None:
        _, errands = self._parts()
        await errands.run(_FORGET, before, keep)


class PostgresRevocations:
    """The revocations in the database of a journal."""

    def __init__(self, parts: Callable[[], tuple[Reader, Errands]]) -> None:
        """`parts` returns what reads and what writes; it raises RuntimeError if the journal is not open."""
        self._parts = parts

    async def add(self, revocation: Revocation) -> None:
        _, errands = self._parts()
        await errands.run(_REVOKE, revocation.kind, revocation.name, revocation.at, revocation.expires_at)

    async def since(self, last: int) -> Revoked:
        reader, _ = self._parts()
        rows = await reader.fetch(REVOKED, last)
        return Revoked(revocations=tuple(map(revocation_of, rows)), last=rows[-1]["number"] if rows else last)

    async def forget(self, *, expired_before: float) -> None:
        _, errands = self._parts()
        await errands.run(_FORGET_REVOCATIONS, expired_before)


def audit_entry(row: "asyncpg.Record") -> AuditEntry:
    """Return the entry in a row."""
    values = {name: row[name] for name in AUDIT_COLUMNS}
    return AuditEntry(**values | {"action": Action(row["action"])})


def revocation_of(row: "asyncpg.Record") -> Revocation:
    """Return the revocation in a row."""
    return Revocation(kind=Kind(row["kind"]), name=row["name"], at=row["at"], expires_at=row["expires_at"])
