"""
What is kept no longer: tasks that ended long ago, and the oldest when the store is too large.

Which task is removed is decided here, what goes with it is the journal's business. A task that runs is never removed,
and none is because the machine's clock jumped: a cautious clock (relay/clock.py) measures ages, and the journal keeps
what it shows for the next process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from relay import log
from relay.errors import StoreError
from relay.journal.base import Journal

SWEEP_S = 60.0

BATCH = 10
"""So many go in one commit: others wait for it."""

YOUNG_S = 60.0
"""Nobody's task is removed so soon after its end, however full the store is."""

_log = log.get("retention")


async def sweep(journal: Journal, now: float, *, age_s: float, limit_bytes: int) -> int:
    """
    Remove what is to be kept no longer, and return how many tasks that were.

    Args:
        journal: open.
        now: in unix seconds, by a cautious clock.
        age_s: how long a task is kept after its end; 0: for ever.
        limit_bytes: what the store may take.

    Raises:
        OSError: the store failed.
    """
    removed = 0
    while age_s and (gone := await journal.prune(ended_before=now - age_s, limit=BATCH)):
        removed += len(gone)
    while (size := await journal.size_bytes()) > limit_bytes:
        gone = await journal.prune(ended_before=now - YOUNG_S, limit=BATCH)
        removed += len(gone)
        if not gone:
            _log.warning("store.too_large", size_bytes=size, limit_bytes=limit_bytes, reason="nothing old has ended")
            break
    if removed:
        _log.info("tasks.removed", count=removed)
    await journal.save_time(now)
    return removed


@asynccontextmanager
async def retaining(
    journal: Journal, clock: Callable[[], float], *, age_s: float, limit_bytes: int
) -> AsyncIterator[None]:
    """
    Sweep every minute for as long as the block lasts, at once for the first time.

    Args:
        journal: open.
        clock: a cautious one, in unix seconds.
        age_s: how long a task is kept after its end; 0: for ever.
        limit_bytes: what the store may take.
    """

    async def run() -> None:
        while True:
            try:
                await sweep(journal, clock(), age_s=age_s, limit_bytes=limit_bytes)
            except OSError as error:  # a full disk is mended by a person, and this may be what mends it
                if not isinstance(error, StoreError):  # that the journal has logged
                    _log.error("retention.failed", error=str(error))
            await asyncio.sleep(SWEEP_S)

    running = asyncio.create_task(run(), name="retention")
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
