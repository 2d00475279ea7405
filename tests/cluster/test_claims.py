"""One idempotency key is one task and one run, on whichever node a request arrives."""

import asyncio

import aiohttp

from relay.sandbox import Sandbox
from tests.chaos.relay_process import KEY
from tests.cluster.client import BODY
from tests.cluster.conftest import StartNodes

REQUESTS = 100


async def test_requests_with_one_key_on_all_nodes_start_one_run(
    database: str, start_nodes: StartNodes, sandbox: Sandbox
) -> None:
    """Each of them is answered with that task, also if it arrives before the platform has answered."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "one"}
    async with (
        asyncio.timeout(120),
        start_nodes(database) as nodes,
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as client,
    ):

        async def post(node: str) -> tuple[int, str, str]:
            async with client.post(f"{node}/v1/tasks", json=BODY) as answer:
                body = await answer.json()
                return answer.status, body["task"]["id"], body["task"]["state"]

        answers = await asyncio.gather(*(post(node.url) for _ in range(REQUESTS) for node in nodes))

        assert len({task for _, task, _ in answers}) == 1
        assert {status for status, _, _ in answers} == {201}
        assert "submitting" not in {state for _, _, state in answers}
        assert [run.refused for run in sandbox.runs] == [None]
