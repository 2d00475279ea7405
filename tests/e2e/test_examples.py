"""The examples of docs/examples run as they are printed, and what they say of the element is true."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from relay.app import Running

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
STATIC = ROOT / "static"
SAID = (EXAMPLES / "README.md").read_text(encoding="utf-8")


def free_port() -> int:
    """Return a free port: the relay must know the page's origin before the page is served."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        assert isinstance(port, int)
        return port


@asynccontextmanager
async def backend(relay: Running, port: int) -> AsyncIterator[None]:
    """Run the example; stop it at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "backend.py"),
        str(port),
        env=os.environ | {"RELAY_URL": relay.url, "RELAY_KEY": relay.api_key},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while not await listens(port):  # noqa: ASYNC110 -- a process says nothing of its port
                await asyncio.sleep(0)
        yield
    finally:
        process.kill()
        await process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.asyncio(loop_scope="session")
async def test_the_backend_starts_a_task_and_the_page_shows_it(
    make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """One click shows the result on a page of another origin, which never has the API key."""
    complaints.append("favicon")
    assert len((EXAMPLES / "page.html").read_text(encoding="utf-8").splitlines()) == 10
    port = free_port()
    async with make_relay(allowed_origins=(f"http://127.0.0.1:{port}",)) as relay, backend(relay, port):
        await page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        await page.goto(f"http://127.0.0.1:{port}/")

        await page.get_by_role("button", name="Draw a lake").click()

        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
        assert relay.api_key not in await page.content()
        await page.goto("about:blank")


def test_every_part_and_property_of_the_element_is_documented() -> None:
    """The list of custom properties is complete, and every one of them exists."""
    made = {"card"}
    for path in STATIC.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        made |= set(re.findall(r'\bpart: "([\w-]+)"', text))
    parts = SAID.partition("\nParts: ")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([\w-]+)`", parts)) == made
    theme = (STATIC / "src/element/theme.css").read_text(encoding="utf-8")
    assert set(re.findall(r"`(--relay-[\w-]+)`", SAID)) == set(re.findall(r"var\((--relay-[\w-]+)", theme))
