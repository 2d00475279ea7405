"""Calls to the simulated Wiro."""

from typing import Any

import aiohttp

from relay.sandbox import Sandbox

IMAGE = "bytedance/text-to-image-seedream-v4"
CHAT = "wiro/sandbox-chat"
OTHER_KEY = "other-key"

Body = dict[str, Any]


async def post(http: aiohttp.ClientSession, url: str, body: object, **headers: str) -> Body:
    """Post JSON and return the JSON of the response."""
    async with http.post(url, json=body, headers=headers) as response:
        parsed: Body = await response.json()
        return parsed


async def run(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", model: str = IMAGE, **fields: object
) -> tuple[str, str]:
    """Run a model with switches in the prompt, and return the id and the token of the task."""
    body = {"prompt": f"a cat [sandbox: {switches}]"} | fields
    started = await post(http, f"{sandbox.api_url}/Run/{model}", body)
    return str(started["taskid"]), str(started["socketaccesstoken"])


async def detail(sandbox: Sandbox, http: aiohttp.ClientSession, task_id: str) -> Body:
    """Return a task's entry in Task/Detail."""
    entry: Body = (await post(http, f"{sandbox.api_url}/Task/Detail", {"taskid": task_id}))["tasklist"][0]
    return entry


async def finished(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", model: str = IMAGE, **fields: object
) -> list[Body]:
    """Run a task to its end and return its outputs."""
    task_id, _ = await run(sandbox, http, switches, model, **fields)
    await sandbox.until(task_id, lambda task: task.verdict)
    outputs: list[Body] = (await detail(sandbox, http, task_id))["outputs"]
    return outputs


def refusal(body: Body) -> tuple[int, str]:
    """Return the code and the message of an error envelope."""
    assert body["result"] is False
    (error,) = body["errors"]
    return error["code"], error["message"]
