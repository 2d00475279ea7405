"""A client of one node: starts tasks, and waits for their ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from relay.core.codec import decode_snapshot
from tests.chaos.caller import Caller
from tests.chaos.judge import TaskLog, check_log, read_log
from tests.chaos.relay_process import KEY

BODY = {"model": "bytedance/seedream-v4", "input": {"prompt": "a fox"}}
BUSY = frozenset({503})
"""The answer while the store is not available, and of a node that has just been declared dead."""
POLL_S = 0.05


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Caller]:
    """Open a client of a node, which repeats a call until its answer is final."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Caller(session, 1, come_back=BUSY)


async def start(caller: Caller, key: str, body: object = BODY) -> str:
    """Start a task, or find the one that was started under a key; return its id."""
    status, answer = await caller.call("POST", "/v1/tasks", json=body, headers={"Idempotency-Key": key})
    assert status in (201, 202), answer
    return str(orjson.loads(answer)["task"]["id"])


async def task_ids(caller: Caller) -> list[str]:
    """Return the ids of all tasks."""
    return [task["id"] for task in orjson.loads(await caller.get("/v1/tasks"))["tasks"]]


async def ended(caller: Caller, task: str) -> TaskLog:
    """Wait until a task has ended, and return its log, which is complete and leads to the state."""
    while decode_snapshot(await caller.get(f"/v1/tasks/{task}")).done is None:  # noqa: ASYNC110 -- no event
        await asyncio.sleep(POLL_S)
    log = await read_log(caller, task)
    check_log(log)
    return log
