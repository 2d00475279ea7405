"""The nginx configuration in deploy/nginx works: on a separate port and under a path, in a real nginx."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from relay.app import Running
from tests.conftest import API_KEY, MakeRelay
from tests.service import free_port

CONFIGURATION = (Path(__file__).parents[2] / "deploy/nginx/relay.conf").read_text(encoding="utf-8")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
BODY = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
KEY = {"Authorization": f"Bearer {API_KEY}"}

Message = dict[str, Any]
Proxied = Callable[..., AbstractAsyncContextManager[tuple[str, Running]]]


def block(start: str) -> str:
    """Return the only block of the configuration that begins with `start`."""
    (found,) = re.findall(rf"^( *)({re.escape(start)}.*?^\1}}$)", CONFIGURATION, re.MULTILINE | re.DOTALL)
    return str(found[1])


@asynccontextmanager
async def nginx(folder: Path, location: str, port: int) -> AsyncIterator[None]:
    """Run an nginx with this location, from its first connection to its end."""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 64; }}\n"
        f"http {{ access_log off;\n{temporary}{block('map ')}\n"
        f"server {{ listen 127.0.0.1:{port};\n{location}\n}}\n}}\n",
        encoding="utf-8",
    )
    assert NGINX is not None, "run .ci/needs test"
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert process.returncode is None, (folder / "error.log").read_text(encoding="utf-8")
                    await asyncio.sleep(0)
                else:
                    writer.close()
                    break
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
def proxied(make_relay: MakeRelay, tmp_path: Path) -> Proxied:
    """Put a relay behind the documented nginx, optionally under a path, and yield the public URL."""

    @asynccontextmanager
    async def start(path: str = "", *, strips: bool = True, **settings: object) -> AsyncIterator[tuple[str, Running]]:
        port = free_port()
        outside = f"http://127.0.0.1:{port}{path}"
        if path:
            settings |= {"public_url": f"{outside}/"}
        async with make_relay(**settings) as relay:
            location = block("location ").replace("http://relay;", f"{relay.url}{'/' if path and strips else ''};")
            async with nginx(tmp_path, location.replace("location / ", f"location {path}/ "), port):
                yield outside, relay

    return start


@pytest.mark.parametrize(("path", "strips"), [("", True), ("/relay", True), ("/relay", False), ("/a/b", True)], ids=str)
async def test_every_wire_works_through_the_documented_proxy(proxied: Proxied, path: str, strips: bool) -> None:
    """From a page of that address: a start, both wires, a page and its files. A foreign page is still refused."""
    async with proxied(path, strips=strips) as (outside, _relay):
        parts = urlsplit(outside)
        origin = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        async with aiohttp.ClientSession(headers=KEY | origin) as page:
            async with page.post(f"{outside}/v1/tasks", json=BODY) as answer:
                assert answer.status == 201
                made = await answer.json()
                if path:
                    assert answer.headers["Location"] == f"{outside}/v1/tasks/{made['task']['id']}"
                    assert made["links"]["view"].startswith(f"{outside}/t/")
            task = made["task"]["id"]
            async with page.ws_connect(f"{outside}/v1/tasks/{task}/ws") as viewer:
                assert (await viewer.receive_json())["task"]["id"] == task
            async with page.get(f"{outside}/v1/events?all=true", headers={"Accept": "text/event-stream"}) as stream:
                line = b""
                while not line.startswith(b"data: "):
                    line = await stream.content.readline()
                assert orjson.loads(line.removeprefix(b"data: "))["type"] == "snapshot"
            async with page.get(f"{outside}/t/{task}/") as shown:
                assert (shown.status, str(shown.url)) == (200, f"{outside}/t/{task}")
            async with page.get(f"{outside}/static/relay.js") as module:
                assert module.status == 200
            async with page.get(f"{outside}/") as board:
                assert board.status == 200
            for foreign in ("http://127.0.0.1", "http://else.example"):
                async with page.get(f"{outside}/v1/tasks", headers={"Origin": foreign}) as refused:
                    assert refused.status == 403
