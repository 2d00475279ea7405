"""Whole relays with one journal while nodes are declared dead at any moment: no run is sent twice, no log has a gap."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import cast

import pytest

from relay.app import Running
from relay.core.events import State
from relay.errors import RelayError
from relay.journal.entries import Appended
from relay.sandbox import Sandbox
from relay.tasks.requests import Idempotency
from tests.tasks.shared_journal import SharedJournal, SharedStore
from tests.tasks.support import MakeRelay, addresses, ended, request

TASKS, DEATHS = 12, 20

SHARE = 0.2
"""The share of the commits after which a node dies."""


async def steps(count: int) -> None:
    """Let other asyncio tasks run for a while."""
    for _ in range(count):
        await asyncio.sleep(0)


async def start(chance: random.Random, relays: list[Running], prompt: str) -> str:
    """Start a task, under one key on any node until one has answered; return its id."""
    key = Idempotency(key=f"caller {prompt}", digest=prompt, unscoped=prompt)
    while True:
        await steps(chance.randrange(300))
        try:
            return (await chance.choice(relays).context.tasks.start(request(prompt), key)).snapshot.id
        except RelayError:  # the node was replaced just then
            continue


def kill(chance: random.Random, relays: list[Running], store: SharedStore) -> None:
    """Declare a node dead after some of the commits."""
    loop, left = asyncio.get_running_loop(), [DEATHS]

    def heard(_appended: Sequence[Appended]) -> None:
        if left[0] and chance.random() < SHARE:
            left[0] -= 1
            loop.call_soon(cast("SharedJournal", chance.choice(relays).journal).die)

    store.memory.listen(heard)


@pytest.mark.parametrize("concurrency", [None, 2], ids=["free", "at capacity"])
async def test_nodes_that_die_send_no_run_twice(
    make_node: MakeRelay, store: SharedStore, concurrency: int | None
) -> None:
    """Each key has one task, each prompt at most one upstream task, and each log one end, at its end."""
    chance = random.Random(7)
    async with Sandbox(speed=100, concurrency=concurrency) as sandbox:
        settings = addresses(sandbox) | {"public_url": "http://relay.example/"}
        async with make_node(**settings) as one, make_node(**settings) as two, make_node(**settings) as three:
            relays = [one, two, three]
            prompts = [f"prompt {number}" for number in range(TASKS)]
            kill(chance, relays, store)
            tasks = await asyncio.gather(*(start(chance, relays, prompt) for prompt in prompts))
            again = [await start(chance, relays, prompt) for prompt in prompts]
            states = [(await ended(one, task)).state for task in tasks]
            logs = [(await one.journal.read(task, after=0, limit=1000)).entries for task in tasks]
        started = Counter(task.identity.prompt for task in sandbox.tasks.values())

    assert again == tasks
    assert set(states) <= {State.SUCCEEDED, State.LOST}
    assert max(started.values()) == 1
    for log in logs:
        assert [entry.seq for entry in log] == [*range(1, len(log) + 1)]
        assert [entry.seq for entry in log if entry.final] == [len(log)]
    assert len(store.alive) == 0
