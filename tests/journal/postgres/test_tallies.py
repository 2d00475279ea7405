"""Tallies of tasks that several nodes end at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from relay.core.events import State
from relay.core.history.tally import Tally
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.records import create, event

ROUNDS = 10


async def test_nodes_add_to_the_same_tallies_at_once(start: Callable[[], Awaitable[PostgresJournal]]) -> None:
    """Whatever the order in which each of them ends its tasks, none waits for ever, and every task is counted once."""
    journals = [await start(), await start(), await start()]

    async def end(journal: PostgresJournal, task: str, inputs: str) -> None:
        await create(journal, task)
        tally = Tally(
            provider="wiro", model="o/m", inputs=inputs, day=20_000, counts={"verdict:succeeded": 1, "sum:usd": 0.25}
        )
        await journal.append([event(task, 2, State.SUCCEEDED)], tally=tally)

    await asyncio.gather(
        *(
            end(journal, f"{node}-{number}-{inputs}", inputs)
            for number in range(ROUNDS)
            for node, journal in enumerate(journals)
            for inputs in (("n=1", "n=2") if (node + number) % 2 else ("n=2", "n=1"))
        )
    )
    assert [(row.inputs, row.counts) for row in await journals[0].tallies.load()] == [
        (inputs, {"verdict:succeeded": 30, "sum:usd": 7.5}) for inputs in ("n=1", "n=2")
    ]
