"""A node that is killed at any point of a submission: its client repeats the request on another node."""

import asyncio
from pathlib import Path

import orjson
import pytest

from relay.sandbox import Sandbox
from tests.cluster.failpoints import POINTS
from tests.cluster.two_nodes import BODY, two_nodes

LIMIT_S = 120

LOST = {"before hold", "after create", "after release", "first byte"}
"""Where the run is not sent, and the intent to send it is in the log: no other node may send it."""


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point == "last byte" else pytest.mark.cluster) for point in POINTS]
)
async def test_a_run_is_sent_at_most_once_wherever_the_node_is_killed(
    point: str, tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    """The survivor takes the task over, finds the run if it was sent, and ends the task."""
    if "hold" in point or "release" in point:
        sandbox.next_run(run_error="96:No capacity")
    async with (
        asyncio.timeout(LIMIT_S),
        two_nodes(tmp_path, sandbox, database, failpoint=point) as nodes,
        nodes.caller(nodes.survivor) as caller,
    ):
        first = await nodes.post_once(nodes.victim)
        await nodes.killed.wait()
        status, body = await caller.call("POST", "/v1/tasks", json=BODY, headers={"Idempotency-Key": "one"})
        assert status in (201, 202), body
        task = orjson.loads(body)["task"]["id"]
        log = await nodes.ended(caller, task)
        tasks = await nodes.tasks(caller)

    assert first in (task, None)
    assert tasks == [task]
    assert log.snapshot.state == ("lost" if point in LOST else "succeeded")
    assert len(nodes.started) == (point not in LOST)
