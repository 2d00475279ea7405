"""What the tests of whole tasks share: a request, and waiting for a task's committed state."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp

from relay.app import Running
from relay.core.events import Done
from relay.core.snapshot import Snapshot
from relay.providers.wiro.signing import Signer
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

MODEL = "bytedance/text-to-image-seedream-v4"

CHECKED = {"prompt": "a cat", "size": "2048x2048", "maxImages": 1, "watermark": "false"}
"""What is sent for `request()`: its input with the model's defaults."""

WAIT_S = 60.0

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


def request(prompt: str = "a cat") -> Start:
    return Start(model=MODEL, input={"prompt": prompt})


async def committed(relay: Running, task: str) -> Snapshot:
    """Return a task's committed state."""
    snapshot = await relay.journal.snapshot(task)
    assert snapshot is not None
    return snapshot


async def reached(relay: Running, task: str, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait until a condition holds for a task's committed state, and return that state."""
    changed = asyncio.Event()
    stop = relay.journal.listen(lambda _appended: changed.set())
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition(snapshot := await committed(relay, task)):
                await changed.wait()
                changed.clear()
            return snapshot
    finally:
        stop()


async def ended(relay: Running, task: str) -> Snapshot:
    """Wait for a task's end, and return its state."""
    return await reached(relay, task, lambda snapshot: snapshot.done is not None)


def done_of(snapshot: Snapshot) -> Done:
    """Return how a task has ended."""
    assert snapshot.done is not None
    return snapshot.done


async def release(sandbox: Sandbox, upstream_id: str | None) -> None:
    """Let an upstream task continue once it has reached the stage that it stops at."""
    assert upstream_id is not None
    await sandbox.until(upstream_id, lambda task: task.holding_at)
    sandbox.release(upstream_id)


def addresses(sandbox: Sandbox) -> dict[str, object]:
    """Return the settings that point a relay to a sandbox."""
    return {"wiro_api_url": sandbox.api_url, "wiro_socket_url": sandbox.socket_url, "media_sources": sandbox.origin}


async def start_elsewhere(session: aiohttp.ClientSession, sandbox: Sandbox) -> str:
    """Start an upstream task equal to that of `request()` without the relay; return its socket token."""
    headers = Signer(sandbox.api_key, sandbox.api_secret).headers()
    async with session.post(f"{sandbox.api_url}/Run/{MODEL}", json=CHECKED, headers=headers) as answer:
        token: str = (await answer.json())["socketaccesstoken"]
        return token
