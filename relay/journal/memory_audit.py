"""The audit and the revocations of a journal in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, islice

from relay.journal.audit import Action, AuditEntry, AuditFilter, StoredEntry
from relay.journal.revocations import Kind, Revocation, Revoked


class MemoryAudit:
    """The entries of this process."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._entries: dict[str, StoredEntry] = {}
        """By id, oldest first."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        for entry in entries:
            if entry.id not in self._entries:
                self._entries[entry.id] = StoredEntry(number=next(self._numbers), entry=entry)
        await asyncio.sleep(0)

    async def page(self, where: AuditFilter, *, before: int | None, limit: int) -> tuple[StoredEntry, ...]:
        found = (
            each
            for each in reversed(self._entries.values())
            if (before is None or each.number < before) and _matches(each.entry, where)
        )
        return tuple(islice(found, limit))

    async def forget(self, *, before: float, keep: int) -> None:
        left = {True: keep, False: keep}
        kept: list[StoredEntry] = []
        for each in reversed(self._entries.values()):
            failed = each.entry.action is Action.AUTH_FAILED
            left[failed] -= 1
            if each.entry.at >= before and left[failed] >= 0:
                kept.append(each)
        self._entries = {each.entry.id: each for each in reversed(kept)}
        await asyncio.sleep(0)


class MemoryRevocations:
    """The revocations of this process."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last = 0
        self._rows: dict[tuple[Kind, str], tuple[int, Revocation]] = {}

    async def add(self, revocation: Revocation) -> None:
        place = revocation.kind, revocation.name
        self._last = next(self._numbers)
        if (known := self._rows.get(place)) is not None:
            at, expires_at = max(known[1].at, revocation.at), max(known[1].expires_at, revocation.expires_at)
            revocation = replace(revocation, at=at, expires_at=expires_at)
        self._rows[place] = self._last, revocation
        await asyncio.sleep(0)

    async def since(self, last: int) -> Revoked:
        rows = sorted((row for row in self._rows.values() if row[0] > last), key=lambda row: row[0])
        return Revoked(revocations=tuple(row for _, row in rows), last=rows[-1][0] if rows else last)

    async def forget(self, *, expired_before: float) -> None:
        self._rows = {place: row for place, row in self._rows.items() if row[1].expires_at >= expired_before}
        await asyncio.sleep(0)


def _matches(entry: AuditEntry, where: AuditFilter) -> bool:
    return (
        where.action in (None, entry.action)
        and where.key in (None, entry.key)
        and where.task in (None, entry.task)
        and where.tag in (None, entry.tag)
        and (where.since is None or entry.at >= where.since)
        and (where.until is None or entry.at < where.until)
    )
