"""A rolling deploy: nodes of this version and of a later one share a database while tasks run."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from signal import SIGTERM

import orjson
import pytest

from relay.sandbox import Sandbox
from tests.chaos.judge import check_view
from tests.chaos.relay_process import KEY, RelayProcess, free_port
from tests.chaos.viewers import TaskLink, View, Viewer
from tests.cluster.balancer import Balancer
from tests.cluster.client import BODY, BUSY, POLL_S, client, ended, start
from tests.cluster.later_version import LANDING, LATER_SCHEMA, make_later_version
from tests.cluster.local import TOKEN_SECRET, until_ready
from tests.postgres.server import PostgresServer

pytestmark = pytest.mark.cluster

LIMIT_S = 280
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "relay", "serve")

STAGES = ("task_queue", "task_assign", "task_preprocess_start", "task_preprocess_end", "task_start", "task_output")
"""Where each run stops: once for each node that is restarted."""


class Nodes:
    """Two nodes, each of which can be replaced by one of another version."""

    def __init__(self, folder: Path, sandbox: Sandbox, database: str, group: asyncio.TaskGroup) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._settings = {"RELAY_STORE": database, "RELAY_TOKEN_SECRET": TOKEN_SECRET, "RELAY_DRAIN": "1"}
        self._group = group
        self._ports = [free_port(Random()) for _ in range(2)]
        self._running: dict[int, RelayProcess] = {}

    @property
    def urls(self) -> Sequence[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    async def start(self, number: int, code: Path) -> None:
        """Start a node with the code in a directory, and wait until it is ready."""
        home = self._folder / f"node-{number}"
        home.mkdir(exist_ok=True)
        own = {"RELAY_NODE": home.name, "RELAY_SPOOL": str(self._folder / "spool"), "PYTHONPATH": str(code)}
        node = RelayProcess(
            home, self._sandbox, self._ports[number], self._group, command=COMMAND, settings=self._settings | own
        )
        self._running[number] = node
        await node.start(public=None)
        await until_ready(node)

    async def deploy(self, number: int, code: Path) -> None:
        """Stop a node as an orchestrator does, and start it with other code."""
        await self._running[number].end(SIGTERM)
        await self.start(number, code)

    async def stop(self) -> None:
        for node in self._running.values():
            await node.kill()
            assert not (faults := node.faults()), f"{node.folder.name} logged {faults[:3]}"


async def test_viewers_and_tasks_notice_nothing_of_a_rolling_deploy(
    tmp_path: Path, sandbox: Sandbox, postgres: PostgresServer, database: str
) -> None:
    """Nor of one that is undone in the middle: this version goes on with what the later one has written."""
    later = make_later_version(tmp_path / "later")
    async with asyncio.timeout(LIMIT_S), AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        nodes = Nodes(tmp_path, sandbox, database, group)
        stack.push_async_callback(nodes.stop)
        await asyncio.gather(*(nodes.start(number, ROOT) for number in range(2)))
        balancer = await stack.enter_async_context(Balancer(0, nodes.urls))
        callers = [await stack.enter_async_context(client(url)) for url in nodes.urls]
        tasks: list[str] = []
        views: list[View] = []
        watching: list[asyncio.Task[None]] = []

        async def start_on(number: int) -> None:
            """Start a task on a node, and let viewers of both nodes and of the balancer watch it."""
            sandbox.next_run(hold_at="|".join(STAGES))
            body = BODY | {"input": {"prompt": f"Task {len(tasks)}"}}
            tasks.append(await start(callers[number], f"{len(tasks)}", body))
            for url in (*nodes.urls, balancer.url):
                views.append(View(link=TaskLink(task=tasks[-1], credential=KEY), may_reset=True))
                viewer = Viewer(url, Random(1), cut_share=0.0, come_back_statuses=BUSY)
                watching.append(group.create_task(viewer.over_stream(callers[0].session, views[-1])))

        for number in range(2):
            await start_on(number)
        for number, code in ((0, later), (0, ROOT), (0, later), (1, later)):
            await nodes.deploy(number, code)
            for each in range(2):
                await start_on(each)
            for upstream in sandbox.tasks:
                sandbox.release(upstream)
        # A viewer that has seen the end asks once more, and needs a node that answers.
        while not all(viewer.done() for viewer in watching):
            for upstream in sandbox.tasks:
                sandbox.release(upstream)
            await asyncio.sleep(POLL_S)
        logs = [[await ended(caller, task) for task in tasks] for caller in callers]
        async with postgres.connection(database.rpartition("/")[2]) as connection:
            schema = await connection.fetchval("SELECT value FROM meta WHERE name = 'schema'")
        await nodes.stop()

    assert int(schema) == LATER_SCHEMA
    assert [log.entries for log in logs[0]] == [log.entries for log in logs[1]]
    assert {log.snapshot.state for log in logs[0]} == {"succeeded"}
    assert len(sandbox.runs) == len(tasks)
    by_task = dict(zip(tasks, logs[0], strict=True))
    for view in views:
        check_view(view, by_task[view.link.task])
    landed = [any(orjson.loads(entry)["type"] == LANDING for entry in log.entries) for log in logs[0]]
    assert landed == [False, False, True, False, False, False, True, False, True, True]
