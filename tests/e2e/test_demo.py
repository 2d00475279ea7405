"""`relay demo`: one command, one link, running tasks."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from relay.cli.demo import TASKS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def demo() -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "relay",
        "demo",
        "--port",
        "0",
        "--no-open",
        "--speed",
        "20",
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def link_of(process: asyncio.subprocess.Process) -> str:
    """Return the first link that the command prints."""
    assert process.stdout is not None
    async for line in process.stdout:
        if found := re.search(rb"http://\S+", line):
            return found[0].decode()
    raise AssertionError("the demo ended without a link")


async def test_the_demo_shows_its_tasks_to_their_end_and_stops_at_ctrl_c(page: Page) -> None:
    """Each task ends as intended, a task's page has its result, and the exit code is 130."""
    async with demo() as process, asyncio.timeout(100):
        await page.goto(await link_of(process))
        rows = page.locator("#list li")
        await expect(rows).to_have_count(len(TASKS))
        await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(len(TASKS) - 1)
        await expect(page.locator('#list li[data-state="failed"]')).to_have_count(1)
        await page.locator("#list li", has_text="image-to-video").get_by_role("link").click()
        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await expect(page.locator("figure video")).to_be_visible()

        await page.close()  # or its pending requests would fail
        process.send_signal(signal.SIGINT)

        assert await process.wait() == 130


async def test_the_demo_shows_the_webhooks_about_its_tasks(page: Page) -> None:
    """A page of the simulated receiver lists them, each with a signature that it has verified."""
    async with demo() as process, asyncio.timeout(100):
        await link_of(process)
        await page.goto(await link_of(process))
        await expect(page.get_by_role("heading", name="Webhooks received")).to_be_visible()
        await expect(page.locator("tbody tr", has_text="task.done")).to_have_count(len(TASKS))
        await expect(page.locator("tbody tr", has_text="wrong")).to_have_count(0)
