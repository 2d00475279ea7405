"""
A relay that runs out of file descriptors closes idle connections, serves the others, and logs it once a minute.

`file_descriptors` is tested here too.
"""

import asyncio
import resource
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.shell import inherited_environment

PATIENCE_S = 60.0
KEY = "a-management-key-for-tests"
IMAGE = "bytedance/text-to-image-seedream-v4"


@asynccontextmanager
async def served(sandbox: Sandbox, folder: Path, log: Path, files: int) -> AsyncIterator[str]:
    """Run `relay serve` with few descriptors and its log in a file. Yields its URL."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    inherited = inherited_environment()
    environ = inherited | {
        "RELAY_PORT": "0",
        "RELAY_API_KEYS": KEY,
        "RELAY_LOG_FORMAT": "json",
        "RELAY_DRAIN": "0.2",
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
        "PYTHONPATH": ":".join(sys.path),
    }
    with log.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relay", "serve"),
            env=environ,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=err,
            preexec_fn=limit,
        )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            if b"listens on " in line:
                yield line.decode().split()[-1]
                break
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(("files", "held", "idle", "ready"), [(256, 60, 250, 200), (100, 90, 0, 503)])
async def test_a_relay_without_descriptors_serves_without_flooding_its_log(
    sandbox: Sandbox, tmp_path: Path, files: int, held: int, idle: int, ready: int
) -> None:
    """Idle connections make room, tasks without a descriptor for a stream are polled, and all of them end."""
    log = tmp_path / "log"
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        asyncio.timeout(PATIENCE_S),
        served(sandbox, tmp_path, log, files) as url,
        aiohttp.ClientSession(url, headers=headers) as client,
        AsyncExitStack() as stack,
    ):
        tasks = []
        for _ in range(held):
            body = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
            async with client.post("/v1/tasks", json=body) as answer:
                assert answer.status == 201
                tasks.append((await answer.json())["task"]["id"])
        address = urlsplit(url)
        for _ in range(idle):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            await asyncio.get_running_loop().sock_connect(silent, (address.hostname, address.port))

        assert await status_of(url, "/livez") == 200
        while await status_of(url, "/readyz") != ready:  # noqa: ASYNC110 -- tasks that were started may open streams still
            await asyncio.sleep(0)
        for upstream in list(sandbox.tasks.values()):
            sandbox.release(upstream.id)
        for task in tasks:
            while await state_of(client, task) not in ("succeeded", "failed"):  # noqa: ASYNC110 -- a stream may be refused
                await asyncio.sleep(0)
            assert await state_of(client, task) == "succeeded"

    lines = log.read_text().splitlines()
    assert not [line for line in lines if "Traceback" in line]
    assert len([line for line in lines if "connections." in line]) <= 3


async def state_of(client: aiohttp.ClientSession, task: str) -> str:
    async with client.get(f"/v1/tasks/{task}") as answer:
        state: str = (await answer.json())["state"]
        return state


async def status_of(url: str, path: str) -> int:
    """Request a path over a new connection, as a health check does."""
    async with aiohttp.ClientSession(url) as stranger, stranger.get(path) as answer:
        return answer.status
