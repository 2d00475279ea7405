"""The relay under test: `relay serve` of this checkout in a separate process, with its journal on disk."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.bench import Bench, free_port
from bench.process import Process

ROOT = Path(__file__).parents[1]
KEY = "a-management-key-for-the-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A task of the relay, and a token that opens it."""

    task: str
    token: str = field(repr=False)

    @property
    def socket(self) -> str:
        return f"/v1/tasks/{self.task}/ws"

    @property
    def events(self) -> str:
        return f"/v1/tasks/{self.task}/events"


class RelayServer:
    """A relay that can be killed and started again on the same store and port."""

    def __init__(self, process: Process, port: int, client: aiohttp.ClientSession) -> None:
        self.process = process
        self.port = port
        self._client = client

    async def attach(self, token: str) -> Watched:
        """Have it follow a task of the upstream."""
        return await self._made("/v1/tasks/attach", {"provider": "wiro", "socket_token": token})

    async def start(self, prompt: str) -> Watched:
        """Have it start a task."""
        return await self._made("/v1/tasks", {"model": "bytedance/seedream-v4", "input": {"prompt": prompt}})

    async def snapshot(self, task: str) -> Any:
        """Return a task's state."""
        async with self._client.get(f"/v1/tasks/{task}") as answer:
            return await answer.json()

    async def get(self, path: str) -> int:
        """Read something whole, and return the status."""
        async with self._client.get(path) as answer:
            await answer.read()
            return answer.status

    async def _made(self, path: str, body: Mapping[str, object]) -> Watched:
        async with self._client.post(path, json=body) as answer:
            made = await answer.json()
            if answer.status not in (200, 201, 202):
                raise RuntimeError(f"the relay answered {answer.status}: {made}")
            return Watched(task=made["task"]["id"], token=made["token"])


@asynccontextmanager
async def relay_server(bench: Bench, upstream: Mapping[str, str]) -> AsyncIterator[RelayServer]:
    """Run a relay in front of an upstream."""
    port, folder = free_port(), bench.room("relay")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {
        "PYTHONPATH": str(ROOT),
        "RELAY_PORT": str(port),
        "RELAY_API_KEYS": KEY,
        "RELAY_CONNECTION_LIMIT": "20000",
        "RELAY_DRAIN": "1",
        "RELAY_LOG_FORMAT": "json",
    }
    process = Process(
        [sys.executable, "-m", "relay", "serve"],
        core=bench.server_core,
        port=port,
        folder=folder,
        environment=kept | settings | dict(upstream),
    )
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{port}"
    async with process, aiohttp.ClientSession(url, headers=headers, timeout=aiohttp.ClientTimeout(60)) as client:
        yield RelayServer(process, port, client)
