"""Chromium, headless, as the rows about pages use it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def executable() -> str | None:
    """Return the path of an installed Chromium; None if only Playwright has one."""
    return next(filter(None, map(shutil.which, COMMANDS)), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser on the cores of this process."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(), args=list(FLAGS), chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        await browser.close()


async def main_threads_s(browser: Browser) -> float:
    """Return the CPU time of the main threads of all pages: the scheduler's account."""
    session = await browser.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    await session.detach()
    # The main thread of a process has the id of the process.
    threads = [Path(f"/proc/{each['id']}/task/{each['id']}") for each in processes if each["type"] == "renderer"]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
