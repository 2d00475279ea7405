"""Nodes are restarted one after the other under many viewers: no viewer misses an event."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from relay import app
from relay.app import Running
from relay.core.events import State
from relay.journal.postgres import beat, node, writer
from relay.sandbox import Sandbox
from tests.chaos.relay_process import free_port
from tests.cluster.balancer import Balancer
from tests.cluster.watching import let_go, start_held, until, watching
from tests.conftest import MakeRelay
from tests.tasks.support import committed

pytestmark = pytest.mark.cluster

LONGEST_S = 200.0
VIEWERS = 200
LEASE_S = 3600.0
CLOCKS_S = (-60.0, 0.0, 60.0)
"""How far the clock of each node is off."""

STAGES = "task_queue|task_start|task_output"
"""Where the run of each task stops: once for each node."""


class Nodes:
    """Relays of this process behind a balancer, each with a clock of its own."""

    def __init__(self, make_relay: MakeRelay, database: str, spool: Path, patch: pytest.MonkeyPatch) -> None:
        self._make_relay = make_relay
        self._settings = {"store": database, "spool": spool, "connection_limit": 10_000, "address_limit": 10_000}
        self._patch = patch
        self._ports = [free_port(Random()) for _ in CLOCKS_S]
        self._running: dict[int, tuple[AsyncExitStack, Running]] = {}

    @property
    def urls(self) -> Sequence[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    def __getitem__(self, number: int) -> Running:
        return self._running[number][1]

    async def start(self, number: int) -> None:
        """Start a node."""
        off_s = CLOCKS_S[number]
        self._patch.setattr(app, "time", SimpleNamespace(time=lambda: time.time() + off_s, monotonic=time.monotonic))
        stack = AsyncExitStack()
        relay = await stack.enter_async_context(
            self._make_relay(port=self._ports[number], node=f"node-{number}", **self._settings)
        )
        self._running[number] = stack, relay

    async def stop(self, number: int) -> None:
        """Stop a node as SIGTERM does."""
        stack, _ = self._running.pop(number)
        await stack.aclose()

    async def stop_all(self) -> None:
        for number in list(self._running):
            await self.stop(number)


@pytest.fixture
async def nodes(
    database: str, make_relay: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Nodes]:
    """Return three nodes that are never declared dead: a task that goes on elsewhere was handed over."""
    for module in (beat, node, writer):
        monkeypatch.setattr(module, "LEASE", timedelta(seconds=LEASE_S))
    monkeypatch.setattr(node, "LEASE_S", LEASE_S)
    nodes = Nodes(make_relay, database, tmp_path / "spool", monkeypatch)
    for number in range(len(CLOCKS_S)):
        await nodes.start(number)
    yield nodes
    await nodes.stop_all()


async def test_viewers_miss_nothing_during_a_rolling_restart(nodes: Nodes, sandbox: Sandbox) -> None:
    """Their tasks are handed over at once, whatever the clocks of the nodes say."""
    async with (
        asyncio.timeout(LONGEST_S),
        Balancer(0, nodes.urls) as balancer,
    ):
        tasks = [(await start_held(nodes[number % 3], sandbox, STAGES)).id for number in range(6)]
        async with watching(balancer.url, *(tasks[number % 6] for number in range(VIEWERS))) as views:
            for number in range(len(CLOCKS_S)):
                await nodes.stop(number)
                others = [nodes[other] for other in range(len(CLOCKS_S)) if other != number]
                await owned_by(others, tasks)
                for task in tasks:
                    await let_go(others[0], sandbox, task)
                await nodes.start(number)
            await until(lambda: all(view.ended for view in views))

        final = {task: await committed(nodes[0], task) for task in tasks}
        assert {state.state for state in final.values()} == {State.SUCCEEDED}
        assert all(view.state == final[view.link.task] for view in views)
        assert {len(view.snapshots) for view in views} == {1}
        assert any(view.losses for view in views)
        assert len(sandbox.runs) == len(tasks)


async def owned_by(relays: Sequence[Running], tasks: Sequence[str]) -> None:
    """Wait until some relays own all tasks."""
    while {task for relay in relays for task in await relay.journal.owned()} != set(tasks):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
