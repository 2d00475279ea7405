"""Nodes are restarted one after the other under many viewers: no viewer misses an event."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from relay import app
from relay.app import Running
from relay.core.events import State
from relay.errors import StoreTimeout
from relay.journal.postgres import beat, node, writer
from relay.sandbox import Sandbox
from tests.chaos.relay_process import free_port
from tests.cluster.balancer import Balancer
from tests.cluster.light_viewers import light_viewers
from tests.cluster.watching import start_held, until
from tests.conftest import MakeRelay
from tests.tasks.support import committed, release

pytestmark = pytest.mark.cluster

LONGEST_S = 280.0
VIEWERS = 2000
FILES = 5 * VIEWERS
"""How many files this process opens: the ends of a viewer's connections to the balancer and to its node, and others."""

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


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Let this process open as many files as the test needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_viewers_miss_nothing_during_a_rolling_restart(nodes: Nodes, sandbox: Sandbox) -> None:
    """Their tasks are handed over at once, whatever the clocks of the nodes say."""
    async with (
        asyncio.timeout(LONGEST_S),
        Balancer(0, nodes.urls) as balancer,
    ):
        started = [await start_held(nodes[number % 3], sandbox, STAGES) for number in range(6)]
        tasks = [each.id for each in started]
        async with light_viewers(balancer.url, tasks, VIEWERS) as viewers:
            for number in range(len(CLOCKS_S)):
                await nodes.stop(number)
                others = [nodes[other] for other in range(len(CLOCKS_S)) if other != number]
                await owned_by(others, tasks)
                for each in started:
                    await release(sandbox, each.upstream_id)
                await nodes.start(number)
            await until(lambda: all(viewer.ended for viewer in viewers))

        final = {task: await committed(nodes[0], task) for task in tasks}
        assert {state.state for state in final.values()} == {State.SUCCEEDED}
        assert all(viewer.seq == final[viewer.task].seq for viewer in viewers)
        assert {viewer.snapshots for viewer in viewers} == {1}
        assert any(viewer.losses for viewer in viewers)
        assert len(sandbox.runs) == len(tasks)


async def owned_by(relays: Sequence[Running], tasks: Sequence[str]) -> None:
    """Wait until some relays own all tasks."""
    while await owned(relays) != set(tasks):  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(0.05)


async def owned(relays: Sequence[Running]) -> set[str]:
    """Return the tasks that some relays own; none of them if a read takes too long on a busy machine."""
    with suppress(StoreTimeout):
        return {task for relay in relays for task in await relay.journal.owned()}
    return set()
