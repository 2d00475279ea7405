"""A node whose process is stopped for a while, and goes on when others may have taken its tasks over."""

import asyncio
import signal
from pathlib import Path
from random import Random

import pytest

from relay.sandbox import Sandbox
from tests.chaos.judge import check_view
from tests.chaos.relay_process import KEY
from tests.chaos.viewers import TaskLink, View, Viewer
from tests.cluster.client import POLL_S, client, ended, start, task_ids
from tests.cluster.short_times import SEND_S
from tests.cluster.two_nodes import two_nodes

pytestmark = pytest.mark.cluster

LIMIT_S = 120
TASKS = 10


async def test_a_node_that_was_stopped_before_it_sent_a_run_sends_it_no_more(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    """Beyond its lease: the survivor has searched for the run meanwhile, and has found nothing."""
    async with (
        asyncio.timeout(LIMIT_S),
        two_nodes(tmp_path, sandbox, database, failpoint="after create", by=signal.SIGSTOP) as nodes,
        client(nodes.survivor.url) as survivor,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(nodes.post("one"))
        await nodes.stopped()
        (task,) = await task_ids(survivor)
        log = await ended(survivor, task)
        nodes.victim.signal(signal.SIGCONT)
        await nodes.replaced()
        assert await first == task
        async with client(nodes.victim.url) as victim:
            assert (await ended(victim, task)).entries == log.entries

    assert log.snapshot.state == "lost"
    assert sandbox.runs == ()


async def test_a_run_is_not_sent_after_its_deadline(tmp_path: Path, sandbox: Sandbox, database: str) -> None:
    """Within its lease: the node commits another intent before it sends the run."""
    async with (
        asyncio.timeout(LIMIT_S),
        two_nodes(tmp_path, sandbox, database, failpoint="after create", by=signal.SIGSTOP) as nodes,
        client(nodes.survivor.url) as survivor,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(nodes.post("one"))
        await nodes.stopped()
        await asyncio.sleep(SEND_S)  # half of the lease
        nodes.victim.signal(signal.SIGCONT)
        (task,) = await task_ids(survivor)
        log = await ended(survivor, task)

    # On a very slow machine the lease may have run out, too: then the run is never sent.
    kinds = [event.type for event in log.events]
    assert len(sandbox.runs) == kinds.count("submitted") == (log.snapshot.state == "succeeded")
    assert kinds.count("hold") >= 2 * len(sandbox.runs)


@pytest.mark.parametrize("beyond_the_lease", [True, False])
async def test_viewers_miss_nothing_while_a_node_is_stopped(
    beyond_the_lease: bool, tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    """Neither those of other nodes nor its own, whose connections stay open."""
    async with (
        asyncio.timeout(LIMIT_S),
        two_nodes(tmp_path, sandbox, database) as nodes,
        client(nodes.survivor.url) as survivor,
        client(nodes.victim.url) as victim,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(TASKS):
            sandbox.next_run(hold_at="task_start")
        tasks = [await start(victim, str(number)) for number in range(TASKS)]
        views = [View(link=TaskLink(task=task, credential=KEY)) for task in tasks for _ in range(2)]
        for view, each, home in zip(
            views, [survivor, victim] * TASKS, [nodes.survivor, nodes.victim] * TASKS, strict=True
        ):
            group.create_task(Viewer(home.url, Random(1), cut_share=0.0).over_stream(each.session, view))
        while not all(view.answered for view in views):  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(POLL_S)
        nodes.victim.signal(signal.SIGSTOP)
        await (taken_over(sandbox) if beyond_the_lease else asyncio.sleep(SEND_S))
        for upstream in sandbox.tasks:
            sandbox.release(upstream)
        if beyond_the_lease:
            for task in tasks:
                await ended(survivor, task)
        nodes.victim.signal(signal.SIGCONT)
        logs = {task: await ended(survivor, task) for task in tasks}
        while not all(view.ended for view in views):  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(POLL_S)

    for view in views:
        check_view(view, logs[view.link.task])
        assert view.losses == 1, "not only the end of its stream"
    assert len(sandbox.runs) == TASKS
    assert {log.snapshot.state for log in logs.values()} == {"succeeded"}


async def taken_over(sandbox: Sandbox) -> None:
    """Wait until the survivor follows every task: the sockets of the victim are still open."""
    while not all(sandbox.subscribers(upstream) == 2 for upstream in sandbox.tasks):  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
