"""SIGTERM drains a relay: it refuses new viewers, closes the others with a code, and the next process continues."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from relay.sandbox import Sandbox
from tests.shell import inherited_environment

Message = dict[str, Any]

KEY = "a-management-key-for-draining"
HEADERS = {"Authorization": f"Bearer {KEY}"}
STREAM = {"Accept": "text/event-stream"}
IMAGE = "bytedance/text-to-image-seedream-v4"
PATIENCE_S = 60.0


@asynccontextmanager
async def serving(folder: Path, sandbox: Sandbox, **more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `relay serve` with the store in this folder. Yields the process and its URL."""
    inherited = inherited_environment()
    settings = {
        "RELAY_PORT": "0",
        "RELAY_API_KEYS": KEY,
        "RELAY_DRAIN": "8",
        "RELAY_REQUEST_TIMEOUT": "2",
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "serve"),
        cwd=folder,
        env=inherited | settings | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert process.stdout is not None
            line = (await process.stdout.readline()).decode()
            found = re.search(r"listens on (\S+)", line)
            assert found, line
            yield process, found[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def begin(client: aiohttp.ClientSession, switches: str) -> Message:
    """Start a task and return its snapshot."""
    body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}}
    async with client.post("/v1/tasks", json=body) as answer:
        made: Message = await answer.json()
        return dict(made["task"])


async def told(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[Message], int]:
    """Read until the close. Return the messages without pings, and the close code."""
    said = []
    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        said.append(orjson.loads(message.data))
    return [each for each in said if each["type"] != "ping"], message.data


async def stuck(url: str, path: str, *lines: str) -> asyncio.StreamWriter:
    """Open a stream and never read from it."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {KEY}", *lines, "", ""]
    writer.write("\r\n".join(head).encode())
    await reader.readuntil(b"snapshot")
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a selector transport has it
    return writer


async def test_a_relay_is_not_ready_before_it_drains(sandbox: Sandbox, tmp_path: Path) -> None:
    """During the delay it serves everything, so that a load balancer can take it out before it rejects a request."""
    async with (
        serving(tmp_path, sandbox, RELAY_SHUTDOWN_DELAY="10min") as (process, url),
        aiohttp.ClientSession(url, headers=HEADERS) as client,
    ):
        process.send_signal(signal.SIGTERM)

        status = "ok"
        while status == "ok":
            async with client.get("/readyz") as answer:
                status = (await answer.json())["status"]
        assert (answer.status, status) == (503, "stopping")
        task = await begin(client, "hold_at=task_start")
        async with client.ws_connect(f"/v1/tasks/{task['id']}/ws") as viewer:
            assert (await viewer.receive_json())["task"]["id"] == task["id"]


async def test_sigterm_refuses_new_viewers_and_sends_the_others_to_the_next_process(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """
    While a submission is pending, `/readyz` and starts are 503, and new viewers are closed with 4001.

    Then the other viewers are closed, also those that do not read, and the process ends. The next process with the same
    store follows the task, and a viewer that reconnects with a cursor misses no event.
    """
    async with serving(tmp_path, sandbox) as (process, url), aiohttp.ClientSession(url, headers=HEADERS) as client:
        task = await begin(client, "hold_at=task_start")
        path = f"/v1/tasks/{task['id']}"
        await sandbox.until(task["upstream_id"], lambda truth: truth.holding_at == "task_start")
        async with (
            client.ws_connect(f"{path}/ws") as viewer,
            client.ws_connect("/v1/ws") as board,
            client.get(f"{path}/events", headers=STREAM) as stream,
        ):
            await board.send_json({"type": "subscribe", "task": task["id"]})
            state = (await viewer.receive_json())["task"]
            while state["state"] != "running":
                event = await viewer.receive_json()
                state |= {"seq": event["seq"], "state": event["state"]}
            upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
            deaf = [
                await stuck(url, f"{path}/ws", *upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
                await stuck(url, f"{path}/events", "Accept: text/event-stream"),
            ]
            awaited = asyncio.create_task(begin(client, "run_http=hang"))
            await sandbox.received(2)

            process.send_signal(signal.SIGTERM)

            status = "ok"
            while status == "ok":
                async with client.get("/readyz") as answer:
                    status = (await answer.json())["status"]
            assert (answer.status, status) == (503, "draining")
            async with client.post("/v1/tasks", json={"model": IMAGE, "input": {"prompt": "x"}}) as answer:
                assert (answer.status, (await answer.json())["code"]) == (503, "draining")
            async with client.ws_connect(f"{path}/ws") as late:
                assert await told(late) == ([], 4001)
            async with client.get("/livez") as answer:
                assert answer.status == 200
            assert (await awaited)["state"] == "submitting"  # its outcome is unknown, and it was answered

            for socket in (viewer, board):
                assert (await told(socket))[1] == 4001
            text = await stream.content.read()
            assert text.startswith(b"retry: ")
            assert text.endswith(b"}\n\n")
            await process.wait()
        for writer in deaf:
            writer.transport.abort()
        assert process.returncode == 0

    async with serving(tmp_path, sandbox) as (_, url), aiohttp.ClientSession(url, headers=HEADERS) as client:
        cursor = f"{state['epoch']}:{state['seq']}"
        async with client.ws_connect(f"{path}/ws", params={"cursor": cursor}) as viewer:
            await sandbox.subscribed(task["upstream_id"])
            sandbox.release(task["upstream_id"])
            (first, *rest), code = await told(viewer)
        assert (first["type"], first["seq"]) == ("resumed", state["seq"])
        assert [each["seq"] for each in rest] == list(range(state["seq"] + 1, rest[-1]["seq"] + 1))
        assert (rest[-1]["type"], rest[-1]["data"]["verdict"], code) == ("done", "succeeded", 1000)
