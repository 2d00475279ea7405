"""
Retention: deletes tasks that ended long ago, and the oldest ones if the store is too large.

A running task is never deleted, and a jump of the system clock deletes nothing: ages are measured by a cautious clock
(relay/clock.py), whose time is stored in the journal for the next process.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from relay import log
from relay.core.history.tally import DAY_S
from relay.errors import StoreError
from relay.journal.base import Journal
from relay.journal.tallies import KEPT_DAYS

SWEEP_S = 60.0

BATCH = 10
"""How many tasks are deleted per commit. Other commits have to wait for it."""

AUDIT_ENTRIES = 100_000
"""How many entries of the audit are kept at most, and how many failed authentications in addition."""

TOMBSTONES = 1000
"""How many tombstones of deleted tasks are removed per commit."""

YOUNG_S = 60.0
"""A task is kept for this time after its end, even if the store is full."""

_log = log.get("retention")


async def sweep(journal: Journal, now: float, *, age_s: float, limit_bytes: int, audit_age_s: float = math.inf) -> int:
    """
    Delete what is due and return the number of deleted tasks. Tombstones are kept as long as tasks, tallies longer.

    Args:
        journal: an open journal.
        now: unix seconds, by a cautious clock.
        age_s: how long a task is kept after its end; 0 for no limit.
        limit_bytes: how large the store may be.
        audit_age_s: how long an entry of the audit is kept.

    Raises:
        OSError: the store failed.
    """
    deleted = 0
    while age_s and (gone := await journal.prune(ended_before=now - age_s, limit=BATCH)):
        deleted += len(gone)
    while age_s and await journal.deletions.forget(deleted_before=now - age_s, limit=TOMBSTONES):
        pass
    await journal.audit.forget(before=now - audit_age_s, keep=AUDIT_ENTRIES)
    await journal.revocations.forget(expired_before=now)
    while (size := await journal.size_bytes()) > limit_bytes:
        gone = await journal.prune(ended_before=now - YOUNG_S, limit=BATCH)
        deleted += len(gone)
        if not gone:
            _log.warning("store.limit_exceeded", size_bytes=size, limit_bytes=limit_bytes, reason="no old ended tasks")
            break
    await journal.tallies.forget(before=int(now // DAY_S) - KEPT_DAYS)
    await journal.accounts.forget(now=now)
    if deleted:
        _log.info("tasks.deleted", count=deleted)
    await journal.save_time(now)
    return deleted


@asynccontextmanager
async def retaining(
    journal: Journal, clock: Callable[[], float], *, age_s: float, limit_bytes: int, audit_age_s: float = math.inf
) -> AsyncIterator[None]:
    """
    Sweep at once and then every SWEEP_S until the block ends.

    Args:
        journal: an open journal.
        clock: returns unix seconds, cautiously.
        age_s: how long a task is kept after its end; 0 for no limit.
        limit_bytes: how large the store may be.
        audit_age_s: how long an entry of the audit is kept.
    """

    async def run() -> None:
        while True:
            try:
                await sweep(journal, clock(), age_s=age_s, limit_bytes=limit_bytes, audit_age_s=audit_age_s)
            except OSError as error:  # keep trying: deleting tasks may be what frees a full disk
                if not isinstance(error, StoreError):  # the journal has logged a StoreError
                    _log.error("retention.failed", error=str(error))
            await asyncio.sleep(SWEEP_S)

    running = asyncio.create_task(run(), name="retention")
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
