"""Tasks of a running relay: start them, and wait for their ends."""

import aiohttp

from relay.app import Running

IMAGE = "bytedance/text-to-image-seedream-v4"


def client_of(relay: Running) -> aiohttp.ClientSession:
    """Return a client session that sends the API key."""
    return aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})


async def start(client: aiohttp.ClientSession, switches: str) -> str:
    """Start a task with switches of the sandbox, and return its id."""
    body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}, "tags": ["backup"]}
    async with client.post("/v1/tasks", json=body) as answer:
        assert answer.status == 201
        return str((await answer.json())["task"]["id"])


async def result(client: aiohttp.ClientSession, task: str) -> str:
    """Wait for the end of a task and return its last state."""
    async with client.ws_connect(f"/v1/tasks/{task}/ws") as viewer:
        message = await viewer.receive_json()
        state = str(message["task"]["state"])
        while message["type"] != "done" and state not in ("succeeded", "failed"):
            message = await viewer.receive_json()
            state = message.get("state", state)
    return state
