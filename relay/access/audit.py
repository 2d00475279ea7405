"""
Records who did what.

Entries are collected in memory and stored in batches, so that no request waits for them. A clean stop stores what is
left; a crash can lose the entries of the last half second, which are also in the log.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from relay import log
from relay.access.failures import Failures
from relay.access.grants import Grant
from relay.errors import StoreError
from relay.journal.audit import Action, AuditEntry, AuditFilter, AuditLog, StoredEntry

FLUSH_S = 0.5
"""How long entries are collected before they are stored."""

BATCH = 500
"""The maximum number of entries in one commit."""

PENDING = 10_000
"""The maximum number of entries that wait while the store fails. Further ones are dropped, but not their log lines."""

UNAUTHORIZED = 401

_log = log.get("access")


class Audit:
    """The audit of this process. Use it as an async context manager: leaving it stores what is left."""

    def __init__(self, stored: AuditLog, clock: Callable[[], float]) -> None:
        """
        Args:
            stored: where entries are stored. It must be open until this has been left.
            clock: returns unix seconds.
        """
        self._stored = stored
        self._clock = clock
        self._pending: list[AuditEntry] = []
        self._dropped = 0
        self._failures = Failures()
        self._flushing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="audit")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        for address, count in self._failures.end():
            self._add_failures(address, None, count)
        with suppress(StoreError):
            await self.flush()
        if lost := self._dropped + len(self._pending):
            _log.error("audit.entries_dropped", count=lost, reason="the store failed")

    def record(
        self,
        action: Action,
        grant: Grant,
        *,
        address: str,
        request_id: str | None,
        status: int,
        task: str | None = None,
        tag: str | None = None,
        jti: str | None = None,
        count: int = 1,
    ) -> None:
        """Record what a client has done."""
        self._add(
            AuditEntry(
                id=secrets.token_hex(8),
                at=self._clock(),
                action=action,
                key=grant.name if grant.is_key else None,
                subject=grant.subject,
                address=_storable(address),
                request_id=request_id,
                task=task,
                tag=tag,
                jti=jti,
                status=status,
                count=count,
            )
        )

    def failed(self, address: str | None, request_id: str | None) -> None:
        """Record that a client's credential is not valid: at once, or later as a part of a count."""
        address = _storable(address)
        if self._failures.note(address, asyncio.get_running_loop().time()):
            self._add_failures(address, request_id, 1)
        self._wake.set()

    async def page(self, where: AuditFilter, *, before: int | None, limit: int) -> tuple[StoredEntry, ...]:
        """
        Return entries, newest first, as `AuditLog.page` does; those of this process are complete.

        Raises:
            StoreError: the store failed.
        """
        await self.flush()
        return await self._stored.page(where, before=before, limit=limit)

    async def flush(self) -> None:
        """
        Store what has been recorded.

        Raises:
            StoreError: the store failed. The entries are kept for the next attempt.
        """
        async with self._flushing:
            while batch := self._pending[:BATCH]:
                await self._stored.add(batch)
                del self._pending[: len(batch)]
            if dropped := self._dropped:
                self._dropped = 0
                _log.error("audit.entries_dropped", count=dropped, reason="the store failed")

    def _add(self, entry: AuditEntry) -> None:
        if len(self._pending) >= PENDING:
            self._dropped += 1
        else:
            self._pending.append(entry)
        self._wake.set()

    def _add_failures(self, address: str | None, request_id: str | None, count: int) -> None:
        _log.info("auth.failed", client_address=address, count=count)
        self._add(
            AuditEntry(
                id=secrets.token_hex(8),
                at=self._clock(),
                action=Action.AUTH_FAILED,
                address=address,
                request_id=request_id,
                status=UNAUTHORIZED,
                count=count,
            )
        )

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_S)
            for address, count in self._failures.due(asyncio.get_running_loop().time()):
                self._add_failures(address, None, count)
            with suppress(StoreError):  # logged by the journal
                await self.flush()
            if not self._pending and not self._failures:
                self._wake.clear()


def _storable(address: str | None) -> str | None:
    """Return an address without characters that a store rejects: a proxy may pass on a forged one."""
    return None if address is None else address.encode("ascii", errors="backslashreplace").decode()
