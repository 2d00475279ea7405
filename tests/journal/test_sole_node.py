"""A journal that one process has to itself has nothing to hand over."""

import asyncio

import pytest

from relay.journal.memory import MemoryJournal
from relay.journal.nodes import Command, Order


async def test_the_only_node_owns_every_task_and_needs_no_command() -> None:
    """There is nothing to take over or to give up, and `work` never returns."""
    journal = MemoryJournal()
    await journal.open(lock=True)
    node = journal.node
    await journal.release()
    await journal.give_back("a")
    await journal.sent("a")
    await journal.finish("1")

    assert await journal.take_over({"wiro"}, limit=10) == ()
    assert (await journal.sending("wiro"), await journal.commands(), await journal.nodes()) == ((), (), ())
    assert journal.node == node
    with pytest.raises(ValueError, match="task a is this process"):
        await journal.command(Command(id="1", task="a", order=Order.CANCEL))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await journal.work()
