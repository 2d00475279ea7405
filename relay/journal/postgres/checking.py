"""Checks that the database can be written, and that its clock agrees with that of this machine."""

import asyncio
import time
from typing import Final

from relay.errors import StoreError
from relay.journal.postgres.errands import Errands

CHECK_TIMEOUT_S: Final = 5.0
"""A check fails if the store does not respond within this time."""

CLOCK_SKEW_S: Final = 30.0
"""How far the clock of this machine may be from that of the database."""

_CHECK: Final = (
    "INSERT INTO meta (name, value) VALUES ('checked', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    " RETURNING extract(epoch FROM clock_timestamp())::float8"
)


async def check(errands: Errands) -> str | None:
    """Write something, and compare the clocks; return what is wrong, if anything."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            began = time.time()
            (row,) = await errands.run(_CHECK)
    except TimeoutError:
        return "the store does not respond"
    except StoreError:
        return "the store cannot be written"
    skew_s = max(began - row[0], row[0] - time.time())
    if skew_s > CLOCK_SKEW_S:
        return f"the clock of this machine is {skew_s:.0f} s off that of the store; the limit is {CLOCK_SKEW_S:g} s"
    return None
