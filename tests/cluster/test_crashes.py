"""Crashes of the PostgreSQL server while three nodes follow fifty tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random

import pytest

from relay.sandbox import Sandbox
from tests.chaos.judge import check_view
from tests.chaos.relay_process import KEY
from tests.chaos.viewers import TaskLink, View, Viewer
from tests.cluster.client import POLL_S, client, ended, start
from tests.cluster.conftest import StartNodes
from tests.postgres.server import PostgresServer

LIMIT_S = 240
TASKS = 50
EVENTS = 60
"""How many events are committed between two crashes; there are about ten times as many."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Start a simulated platform whose tasks take seconds."""
    async with Sandbox(speed=10) as box:
        yield box


@pytest.mark.cluster
async def test_no_crash_of_the_server_loses_or_repeats_anything(
    postgres: PostgresServer, database: str, start_nodes: StartNodes, sandbox: Sandbox
) -> None:
    """Viewers stay, no epoch begins, and every log leads to the state that is stored."""
    async with (
        asyncio.timeout(LIMIT_S),
        start_nodes(database) as nodes,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as group,
    ):
        callers = [await stack.enter_async_context(client(node.url)) for node in nodes]
        epoch = nodes[0].journal.epoch
        for _ in range(TASKS):
            sandbox.next_run(hold_at="task_start")
        async with asyncio.TaskGroup() as starting:
            starts = [starting.create_task(start(callers[number % 3], str(number))) for number in range(TASKS)]
            await sandbox.received(TASKS // 5)
            await postgres.crash()
        tasks = [each.result() for each in starts]
        views = [[View(link=TaskLink(task=task, credential=KEY)) for task in tasks] for _ in nodes]
        for node, watched in zip(nodes, views, strict=True):
            group.create_task(Viewer(node.url, Random(1), cut_share=0.0).over_many(watched, KEY))
        while not all(view.answered for watched in views for view in watched):  # noqa: ASYNC110 -- no event
            await asyncio.sleep(POLL_S)
        for upstream in sandbox.tasks:
            sandbox.release(upstream)
        for crash in (postgres.kill, postgres.crash, postgres.kill):
            await more_events(postgres, database)
            await crash()
            await postgres.start()
        logs = [[await ended(caller, task) for task in tasks] for caller in callers]
        assert {node.journal.epoch for node in nodes} == {epoch}

    for watched, read in zip(views, logs, strict=True):
        assert [log.entries for log in read] == [log.entries for log in logs[0]]
        assert {log.snapshot.state for log in read} == {"succeeded"}
        for view, log in zip(watched, read, strict=True):
            check_view(view, log)
            assert view.losses == 0
    assert len(set(tasks)) == len(sandbox.runs) == TASKS


async def more_events(server: PostgresServer, database: str) -> None:
    """Wait until EVENTS more events are committed, or all tasks have ended: they were committed with an outage."""
    count = "SELECT coalesce(sum(seq), 0) FROM heads"
    running = "SELECT count(*) FROM tasks WHERE ended_at IS NULL"
    async with server.connection(database.rpartition("/")[2]) as connection:
        enough = await connection.fetchval(count) + EVENTS
        while await connection.fetchval(count) < enough and await connection.fetchval(running):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
