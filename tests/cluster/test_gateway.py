"""Wiro's calls and socket on any node, whichever follows the task."""

import asyncio
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.chaos.relay_process import KEY
from tests.cluster.conftest import StartNodes

pytestmark = pytest.mark.cluster

RUN = "Run/bytedance/text-to-image-seedream-v4"


async def test_a_socket_on_another_node_than_the_one_that_follows_the_task(
    database: str, start_nodes: StartNodes, sandbox: Sandbox
) -> None:
    """It has the stages, and the record there is final with the last frame."""
    sandbox.next_run(hold_at="task_start")
    async with (
        asyncio.timeout(120),
        start_nodes(database, count=2, gateway="wiro") as (first, second),
        aiohttp.ClientSession(headers={"x-api-key": KEY}) as client,
    ):

        async def post(node: str, path: str, fields: object) -> Any:
            async with client.post(f"{node}/wiro/v1/{path}", json=fields) as answer:
                return await answer.json()

        run = await post(first.url, RUN, {"prompt": "A lake."})
        stages: list[str] = []
        async with client.ws_connect(f"{second.url}/wiro/v1") as socket:
            await socket.send_json({"type": "task_info", "tasktoken": run["socketaccesstoken"]})
            while "task_postprocess_end" not in stages:
                stages.append((await socket.receive_json())["type"])
                if stages[-1] == "task_start":
                    sandbox.release(next(iter(sandbox.tasks)))
        detail = await post(second.url, "Task/Detail", {"tasktoken": run["socketaccesstoken"]})

        assert {"task_start", "task_end", "task_postprocess_start", "task_postprocess_end"} <= {*stages}
        assert (detail["tasklist"][0]["pexit"], len(detail["tasklist"][0]["outputs"])) == ("0", 1)

        sandbox.next_run(hold_at="task_start")
        held = await post(first.url, RUN, {"prompt": "A lake."})
        killed = await post(second.url, "Task/Kill", {"socketaccesstoken": held["socketaccesstoken"]})
        assert killed["tasklist"][0]["status"] == "task_cancel"
