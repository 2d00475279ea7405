"""No secret appears in the log of a run at level debug."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.shell import inherited_environment

KEY = "management-key-that-nobody-may-read"
TOKEN_SECRET = "token-secret-that-nobody-may-read-either"
PRIVATE = "PRIVATE-WORDS-OF-A-PROMPT"
IMAGE = "bytedance/text-to-image-seedream-v4"


@pytest.fixture
async def process(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`relay serve` at level debug with its log in a pipe."""
    environ = inherited_environment()
    environ |= {
        "RELAY_PORT": "0",
        "RELAY_STORE": f"sqlite:///{tmp_path / 'relay.db'}",
        "RELAY_API_KEYS": KEY,
        "RELAY_TOKEN_SECRET": TOKEN_SECRET,
        "RELAY_LOG_LEVEL": "debug",
        "RELAY_LOG_FORMAT": "json",
        "RELAY_DRAIN": "0.2",
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONASYNCIODEBUG": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "relay",
        "serve",
        env=environ,
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1_000_000,
    )
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def started(process: asyncio.subprocess.Process, lines: list[str]) -> str:
    """Return the URL of the relay."""
    assert process.stderr is not None
    async for line in process.stderr:
        lines.append(line.decode())
        if '"relay.started"' in lines[-1]:
            return lines[-1].partition('"url": "')[2].partition('"')[0]
    pytest.fail("".join(lines))


async def knock(url: str, *lines: bytes) -> None:
    """Send raw bytes and read the response."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"\r\n".join([*lines, b"Host: x", b"Connection: close", b"", b""]))
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_no_secret_is_in_any_log_line_of_a_whole_run(
    sandbox: Sandbox, process: asyncio.subprocess.Process
) -> None:
    """Keys, tokens in header, URL and subprotocol, socket tokens and prompts, in valid and invalid calls."""
    lines: list[str] = []
    url = await started(process, lines)
    assert process.stderr is not None
    rest = asyncio.create_task(process.stderr.read())
    body = {"model": IMAGE, "input": {"prompt": f"{PRIVATE} [sandbox: odd_frames=not_json|binary|foreign]"}}
    async with aiohttp.ClientSession(url) as page:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with page.post("/v1/tasks", json=body, headers=headers) as answer:
            made = await answer.json()
        path, token = f"/v1/tasks/{made['task']['id']}", made["token"]
        async with page.get(
            f"{path}/events", params={"token": token}, headers={"Accept": "text/event-stream"}
        ) as answer:
            await answer.read()
        for arguments in (
            {"params": {"token": token}},
            {"protocols": ["relay.v1", f"relay.token.{token}"]},
            {"protocols": [f"relay.token.{token}"]},
            {"protocols": [f"relay.token.{token}x"]},
        ):
            async with page.ws_connect(f"{path}/ws", **arguments) as socket:
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        async with page.ws_connect("/v1/ws") as socket:
            await socket.send_json({"type": "subscribe", "task": made["task"]["id"], "token": token})
            await socket.receive()
            await socket.send_str(f'{{"type":"subscribe","token":"{token}"')
            await socket.receive()
        for switches in ("run_http=401:envelope", "run_http=200:html", "run_error=97:no money", "run_http=drop"):
            bad = {"model": IMAGE, "input": {"prompt": f"{PRIVATE} [sandbox: {switches}]"}}
            async with page.post("/v1/tasks", json=bad, headers=headers) as answer:
                await answer.read()
        async with page.get(f"{path}?token={token}x", headers={"Origin": f"http://[{token}"}) as answer:
            await answer.read()
        async with page.get(f"/hooks/wiro/{token}") as answer:
            await answer.read()
        for secret in (KEY, token):
            odd = {"X-Request-Id": secret, "Idempotency-Key": secret, "X-Forwarded-For": secret, "Prefer": secret}
            for method, odd_path, sent in (
                ("POST", f"/v1/tasks/{secret}/cancel", None),
                ("DELETE", f"/v1/tasks/{secret}?cancel={secret}", None),
                ("GET", f"/v1/models/{secret}/{secret}", None),
                ("GET", f"/v1/audit?key={secret}", None),
                ("POST", "/v1/login", {"code": secret[:64]}),
                ("POST", "/v1/tokens/revoke", {secret: secret}),
                ("POST", "/v1/events", {"subscriptions": [{"task": secret[:64], "token": secret}]}),
            ):
                for credential in (headers, {"Authorization": f"Bearer {secret}x"}):
                    async with page.request(method, odd_path, json=sent, headers=odd | credential) as answer:
                        await answer.read()
    secret = token.encode()
    await knock(url, b"GET /v1/tasks HTTP/1.1", b"Authorization: Bearer " + KEY.encode() + b"\x00")
    await knock(url, b"GET /v1/tasks HTTP/1.1", b"Authorization: Bearer " + KEY.encode() + b"x" * 20_000)
    await knock(url, b"GET /v1/tasks?token=" + secret + b" HTTP/9.9")
    await knock(url, b"GET /v1/tasks?token=" + secret + b"x" * 20_000 + b" HTTP/1.1")
    await knock(url, b"G\x00T /v1/tasks?token=" + secret + b" HTTP/1.1")
    process.terminate()
    written = "".join(lines) + (await rest).decode()

    socket_tokens = [task.token for task in sandbox.tasks.values()]
    assert '"task.ended"' in written
    assert '"request.answered"' in written
    assert socket_tokens
    for word in (KEY, TOKEN_SECRET, token, PRIVATE, sandbox.api_key, sandbox.api_secret, *socket_tokens):
        assert word
        assert not [line for line in written.splitlines() if word in line]
