"""Waits for what another node writes into the journal."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from relay.journal.base import Journal
from relay.journal.entries import Appended

RECHECK_S = 2.0
"""How often the condition is checked without an event: what it reads may change without one."""


async def becomes_true(
    condition: Callable[[], Awaitable[bool]], journal: Journal, tasks: Collection[str], within_s: float
) -> bool:
    """
    Wait until a condition holds, and return whether it does. It is checked at once and after every event of the tasks.

    Args:
        condition: reads the journal.
        journal: tells about the events.
        tasks: by id.
        within_s: how long to wait.
    """
    changed = asyncio.Event()

    def heard(appended: Sequence[Appended]) -> None:
        if any(each.task in tasks for each in appended):
            changed.set()

    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    stop = journal.listen(heard, reset=changed.set)
    try:
        while not await condition():
            left_s = until_s - loop.time()
            if left_s <= 0:
                return False
            try:
                async with asyncio.timeout(min(left_s, RECHECK_S)):
                    await changed.wait()
            except TimeoutError:
                continue
            changed.clear()
        return True
    finally:
        stop()
