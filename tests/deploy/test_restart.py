"""Restarts under load on a socket that stays open: no request is refused, and no task is started twice."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.service import Service, free_port
from tests.shell import printed, stopped

pytestmark = pytest.mark.deploy

KEY = "a-key-of-twenty-four-ones"
HEADERS = {"Authorization": f"Bearer {KEY}"}
BODY = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat"}}
REQUESTS = 1000
CLIENTS = 20
RESTARTS = 3


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a relay for this sandbox."""
    return {
        "RELAY_API_KEYS": KEY,
        "RELAY_START_RATE": "100000",
        "RELAY_HOLD_LIMIT": "100000",
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }


async def test_no_request_of_1000_is_refused_in_restarts(tmp_path: Path, sandbox: Sandbox) -> None:
    """
    Twenty clients list tasks and start some, each request on a new connection, while the relay restarts three times.

    Nothing is tried again: every request gets its answer, at the latest from the next process.
    """
    numbers = iter(range(REQUESTS))
    statuses: dict[str, list[int]] = {"GET": [], "POST": []}
    answered: asyncio.Queue[int] = asyncio.Queue()

    async with Service(tmp_path, **settings(sandbox)) as service:

        async def send() -> None:
            for number in numbers:
                method = "POST" if number % 5 == 0 else "GET"
                body = BODY if method == "POST" else None
                headers = HEADERS | {"Idempotency-Key": f"request-{number}"}
                async with (
                    aiohttp.ClientSession(headers=headers) as client,
                    client.request(method, f"{service.url}/v1/tasks", json=body) as answer,
                ):
                    await answer.read()
                    statuses[method].append(answer.status)
                    answered.put_nowait(number)

        await service.start()
        clients = asyncio.gather(*(send() for _ in range(CLIENTS)))
        for _ in range(RESTARTS):
            for _ in range(REQUESTS // (RESTARTS + 1)):
                await answered.get()
            service.stop()
            assert await service.ended() == 0
            await service.start()
        await clients

    assert statuses == {"GET": [200] * (REQUESTS * 4 // 5), "POST": [201] * (REQUESTS // 5)}


async def test_systemd_passes_its_socket(tmp_path: Path, sandbox: Sandbox) -> None:
    """systemd's own test program starts the relay with the first connection. The relay listens nowhere else."""
    port = free_port()
    activate = shutil.which("systemd-socket-activate")
    assert activate is not None, "run .ci/needs test-deploy"
    variables = {**settings(sandbox), "RELAY_PORT": str(free_port()), "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        *(activate, f"--listen=127.0.0.1:{port}", *(f"--setenv={name}={value}" for name, value in variables.items())),
        *(sys.executable, "-m", "relay", "serve"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await printed(process, "(Listening)", stream=process.stderr)
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
        assert await printed(process, r"listens on (\S+)") == f"http://127.0.0.1:{port}"
        assert await stopped(process, signal.SIGTERM) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
