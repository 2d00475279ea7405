"""Third-party clients for Python and Node read a whole task log over both transports."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.core.codec import decode_event, decode_snapshot
from relay.core.snapshot import apply
from relay.sandbox import Sandbox
from tests.clients.readers import ASYNC, BLOCKING

Message = dict[str, Any]

FOLDER = Path(__file__).parent
NODE = (
    "eventsource",
    "eventsource-client",
    "eventsource-parser",
    "fetch-event-source",
    "undici-eventsource",
    "undici-websocket",
    "ws",
    "isomorphic-ws",
    "reconnecting-websocket",
)
PROMPT = "a cat [sandbox: hold_at=task_queue]"


async def by_node(client: str, url: str, token: str) -> list[Message]:
    node = shutil.which("node")
    assert node is not None, "run .ci/clients"
    process = await asyncio.create_subprocess_exec(
        *(node, "--no-warnings", str(FOLDER / "read.js"), client, url, token),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return [json.loads(line) for line in output.splitlines()]


async def read(client: str, url: str, token: str) -> list[Message]:
    if client in BLOCKING:
        return await asyncio.to_thread(BLOCKING[client], url, token)
    return await (ASYNC[client](url, token) if client in ASYNC else by_node(client, url, token))


@pytest.mark.parametrize("client", [*BLOCKING, *ASYNC, *NODE])
async def test_a_third_party_client_reads_the_whole_log(relay: Running, sandbox: Sandbox, client: str) -> None:
    """After the snapshot it receives every event once and in order, as in the journal."""
    body = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": PROMPT}}
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    async with (
        aiohttp.ClientSession(relay.url, headers=headers) as starter,
        starter.post("/v1/tasks", json=body) as answer,
    ):
        made = await answer.json()
    task = made["task"]["id"]
    reading = asyncio.create_task(read(client, f"{relay.url}/v1/tasks/{task}", made["token"]))
    async with asyncio.timeout(60):
        while not (relay.context.hub.channels or reading.done()):  # noqa: ASYNC110 -- the hub has no event for it
            await asyncio.sleep(0.001)
    sandbox.release(made["task"]["upstream_id"])
    async with asyncio.timeout(60):
        messages = [message for message in await reading if message["type"] != "ping"]

    first, *later = messages
    assert first["type"] == "snapshot"
    state = decode_snapshot(orjson.dumps(first["task"]))
    history = await relay.journal.read(task, after=state.seq, limit=1000)
    assert later == [orjson.loads(entry.body) for entry in history.entries]
    assert later[-1]["type"] == "done"
    for message in later:
        state = apply(state, decode_event(orjson.dumps(message)))
    assert state == await relay.journal.snapshot(task)
