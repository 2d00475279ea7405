"""Each reverse proxy with the file in deploy/, in front of a relay: TLS, HTTP/2, every wire, uploads, and addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from relay import log
from relay.app import Running
from relay.hub import rounds
from relay.sandbox import Sandbox
from tests.conftest import API_KEY, MakeRelay
from tests.deploy.proxies import PROXIES, choose_ports, program, proxied
from tests.service import free_port
from tests.shell import PATIENCE_S

pytestmark = [pytest.mark.deploy, pytest.mark.parametrize("name", PROXIES)]

IMAGE = "bytedance/text-to-image-seedream-v4"
KEY = {"Authorization": f"Bearer {API_KEY}"}
CLIENT = "127.0.0.2"
"""Another address than that of the proxy, which is the only trusted one."""

UPLOAD_BYTES = 20 * 2**20
IDLE = "6s"
"""In place of the 90 s after which the files let a proxy close an idle stream."""

Message = dict[str, Any]


@asynccontextmanager
async def behind(
    name: str, make_relay: MakeRelay, folder: Path, *, timeout: str | None = None
) -> AsyncIterator[tuple[aiohttp.ClientSession, Running, str]]:
    """Run a relay behind a proxy. Yields a client of the proxy, the relay, and the proxy's address without TLS."""
    https = free_port()
    outside = f"https://localhost:{https}"
    async with make_relay(public_url=outside, trusted_proxies="127.0.0.1") as relay:
        ports = choose_ports(relay.url, https)
        connector = aiohttp.TCPConnector(ssl=False, family=socket.AF_INET, local_addr=(CLIENT, 0))
        async with (
            proxied(PROXIES[name], folder, ports, timeout=timeout),
            aiohttp.ClientSession(outside, connector=connector, headers=KEY | {"Origin": outside}) as client,
        ):
            await until_healthy(client)
            yield client, relay, f"http://localhost:{ports.http}"


async def until_healthy(client: aiohttp.ClientSession) -> None:
    """Wait until the proxy has a certificate and knows that the relay is ready."""
    while True:
        with suppress(aiohttp.ClientSSLError):
            async with client.get("/readyz") as answer:
                if answer.status == 200:
                    return


async def start(client: aiohttp.ClientSession, switches: str) -> str:
    """Start a task and return its id."""
    async with client.post(
        "/v1/tasks", json={"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}}
    ) as made:
        assert made.status == 201
        return str((await made.json())["task"]["id"])


async def next_message(stream: aiohttp.ClientResponse) -> Message:
    """Return the next message of an event stream that is not a ping."""
    async for line in stream.content:
        if line.startswith(b"data: ") and (message := orjson.loads(line[6:]))["type"] != "ping":
            return dict(message)
    raise AssertionError("the stream has ended")


async def test_everything_works_behind_the_proxy(
    name: str, make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, HTTP/2, REST, WebSocket, an event stream with Last-Event-ID, an upload, and the client's address."""
    monkeypatch.setattr(log, "is_logged", lambda *_: True)
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE_S), behind(name, make_relay, tmp_path) as (client, relay, plain):
            await check_pages(client, plain)
            await check_http_2(f"{relay.context.config.public_url}livez")
            await check_streams(client, sandbox)
            await check_upload(client)
            async with client.post("/v1/tasks", json={}, headers={"X-Forwarded-For": "6.6.6.6"}) as refused:
                assert refused.status == 422
    (line,) = [line for line in logs if line.get("status") == 422]
    assert line["client_address"] == CLIENT


async def check_pages(client: aiohttp.ClientSession, plain: str) -> None:
    """The dashboard and its files; a foreign page is refused; plain HTTP leads to HTTPS."""
    for path in ("/", "/static/relay.js"):
        async with client.get(path) as page:
            assert page.status == 200
    async with client.get("/v1/tasks", headers={"Origin": "https://other.example"}) as refused:
        assert refused.status == 403
    async with client.get(f"{plain}/", allow_redirects=False) as redirect:
        assert redirect.status in (301, 308)
        assert redirect.headers["Location"].startswith("https://localhost")


async def check_http_2(url: str) -> None:
    """A client that prefers HTTP/2 gets it."""
    process = await asyncio.create_subprocess_exec(
        *(program("curl"), "--insecure", "--silent", "--http2", "--write-out", " %{http_version}", url),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out == b'{"status":"ok"} 2'


async def check_streams(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """Each event arrives while its stream is open, and a stream that reconnects continues after its last event."""
    task = await start(client, "hold_at=task_start")
    path = f"/v1/tasks/{task}"
    accept = {"Accept": "text/event-stream"}
    async with client.ws_connect(f"{path}/ws") as viewer, client.get(f"{path}/events", headers=accept) as stream:
        snapshot = await next_message(stream)
        assert snapshot["type"] == "snapshot"
        event = snapshot["task"]
        assert (await viewer.receive_json())["task"]["id"] == task
        while event["state"] != "running":
            event = {"state": event["state"], **await next_message(stream)}
        seq, epoch = event["seq"], snapshot["task"]["epoch"]
        upstream = await upstream_id(client, task)
        await sandbox.until(upstream, lambda truth: truth.holding_at == "task_start")
        sandbox.release(upstream)
        while (await viewer.receive_json())["type"] != "done":
            pass
    async with client.get(f"{path}/events", headers=accept | {"Last-Event-ID": f"{epoch}:{seq}"}) as resumed:
        assert (await next_message(resumed))["type"] == "resumed"
        assert (await next_message(resumed))["seq"] == seq + 1


async def upstream_id(client: aiohttp.ClientSession, task: str) -> str:
    """Return the id of a task on the platform."""
    async with client.get(f"/v1/tasks/{task}") as answer:
        return str((await answer.json())["upstream_id"])


async def check_upload(client: aiohttp.ClientSession) -> None:
    """A file of 20 MB arrives whole."""
    form = aiohttp.FormData()
    form.add_field("file", BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(UPLOAD_BYTES)), filename="big.png")
    async with client.post("/v1/files", data=form) as answer:
        assert answer.status == 201, await answer.text()


async def test_an_idle_stream_outlives_the_timeout(
    name: str, make_relay: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a timeout of 6 s instead of 90 s, and a ping each second or two instead of each 12 s or 24 s."""
    monkeypatch.setattr(rounds, "ROUND_S", 1)
    async with (
        asyncio.timeout(PATIENCE_S),
        behind(name, make_relay, tmp_path, timeout=IDLE) as (client, _relay, _plain),
    ):
        task = await start(client, "hold_at=task_queue")
        path = f"/v1/tasks/{task}"
        async with (
            client.ws_connect(f"{path}/ws", autoping=False) as viewer,
            client.get(f"{path}/events", headers={"Accept": "text/event-stream"}) as stream,
        ):
            pings = 0
            while pings < 5:
                message = await viewer.receive()
                assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING), message
                pings += message.type is aiohttp.WSMsgType.PING or orjson.loads(message.data)["type"] == "ping"
            pings = 0
            while pings < 9:
                line = await stream.content.readline()
                assert line, "the stream has ended"
                pings += b'"ping"' in line
