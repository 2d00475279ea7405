"""A relay that is killed while it copies a large result: the next process makes the copy, once, in little memory."""

import asyncio
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.chaos.relay_process import KEY, RelayProcess, free_port

PATIENCE_S = 120.0

PIECE_BYTES = 5 * 2**20
"""How much is in the directory after the first piece."""

MORE_BYTES = 20 * 2**20
"""How much more memory the process may use than when it is idle."""

PICTURE = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "A cozy library"}}


class Client:
    """Calls of one relay, which may not be there yet."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def until_ready(self) -> None:
        while True:
            try:
                async with self._session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)

    async def start(self) -> str:
        async with self._session.post("/v1/tasks", json=PICTURE) as answer:
            assert answer.status == 201
            return str((await answer.json())["task"]["id"])

    async def until_kept(self, task: str) -> dict[str, Any]:
        while True:
            async with self._session.get(f"/v1/tasks/{task}/outputs") as answer:
                (file,) = (await answer.json())["outputs"]
            if file["copy"]["state"] == "kept":
                return dict(file["copy"])
            await asyncio.sleep(0.05)


def memory_bytes(process: RelayProcess, what: str) -> int:
    """Return the memory that a process uses (`VmRSS`), or the most that it has used (`VmHWM`)."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [24 * 2**20, pytest.param(200 * 2**20, marks=pytest.mark.cluster)])
async def test_a_killed_relay_loses_and_duplicates_nothing(size: int, sandbox: Sandbox, tmp_path: Path) -> None:
    """The directory has one file at the end, which is whole."""
    results = tmp_path / "results"
    settings = {"RELAY_ARCHIVE": f"file://{results}", "RELAY_STORE": f"sqlite:///{tmp_path}/relay.db"}
    port = free_port(Random())
    sandbox.next_run(cdn_bytes=size, cdn_bytes_per_s=6 * 2**20)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        asyncio.timeout(PATIENCE_S),
        asyncio.TaskGroup() as group,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session,
    ):
        command = (sys.executable, "-m", "relay", "serve")
        relay = RelayProcess(tmp_path, sandbox, port, group, command=command, settings=settings)
        client = Client(session)
        await relay.start(public=None)
        await client.until_ready()
        idle_bytes = memory_bytes(relay, "VmRSS")
        task = await client.start()
        while sum(sizes(results).values()) < PIECE_BYTES:  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0.01)
        await relay.kill()
        assert "file" not in sizes(results)

        (run,) = sandbox.tasks.values()
        run.identity = replace(run.identity, faults=replace(run.faults, cdn_bytes_per_s=0))
        await relay.start(public=None)
        await client.until_ready()
        kept = await client.until_kept(task)
        more_bytes = memory_bytes(relay, "VmHWM") - idle_bytes
        async with session.get(f"/v1/tasks/{task}/outputs/0/x") as answer:
            digest = hashlib.sha256()
            async for chunk in answer.content.iter_any():
                digest.update(chunk)
        await relay.kill()
    assert (kept["size"], kept["sha256"]) == (size, digest.hexdigest())
    assert sizes(results) == {"file": size}
    assert more_bytes < MORE_BYTES
