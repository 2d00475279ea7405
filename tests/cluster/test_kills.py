"""A node that is killed at any point of a submission: its client repeats the request on another node."""

import asyncio
from pathlib import Path

import pytest

from relay.sandbox import Sandbox
from tests.cluster.client import client, ended, start, task_ids
from tests.cluster.failpoints import POINTS
from tests.cluster.two_nodes import two_nodes

pytestmark = pytest.mark.cluster

LIMIT_S = 120

LOST = {"before hold", "after create", "after release", "first byte"}
"""Where the run is not sent, and the intent to send it is in the log: no other node may send it."""


@pytest.mark.parametrize("point", POINTS)
async def test_a_run_is_sent_at_most_once_wherever_the_node_is_killed(
    point: str, tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    """The survivor takes the task over, finds the run if it was sent, and ends the task."""
    if "hold" in point or "release" in point:
        sandbox.next_run(run_error="96:No capacity")
    async with (
        asyncio.timeout(LIMIT_S),
        two_nodes(tmp_path, sandbox, database, failpoint=point) as nodes,
        client(nodes.survivor.url) as survivor,
    ):
        first = await nodes.post("one")
        await nodes.killed.wait()
        task = await start(survivor, "one")
        log = await ended(survivor, task)
        tasks = await task_ids(survivor)

    assert first in (task, None)
    assert tasks == [task]
    assert log.snapshot.state == ("lost" if point in LOST else "succeeded")
    assert sum(run.task_id is not None for run in sandbox.runs) == (point not in LOST)
