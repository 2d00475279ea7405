"""
A real browser, and what it talks to, on one event loop for the whole session.

A browser takes a second to start, so it is shared; each test has a context of its own. A test fails when the browser
complained of anything that the test did not expect.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, WebError, async_playwright, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.web.api.links import links

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""
Commands to look for, as `.ci/browser` does; without any of them Playwright starts its own.

The headless shell takes half the processor time of the full browser.
"""

ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")

PATIENCE_MS = 60_000
"""Nothing here takes so long: whoever waits for it waits for ever."""

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS)), None),
            args=list(ARGUMENTS),
            chromium_sandbox=os.geteuid() != 0,  # Chromium's own sandbox refuses to work for root
        )
        yield browser
        await browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """
    Patterns of what the browser may complain of in this test: errors of pages and consoles, refusals of a policy.

    Anything else that it complains of fails the test.
    """
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, complaints: list[str]) -> AsyncIterator[BrowserContext]:
    """A browser without a past."""
    heard: list[str] = []

    def hear_error(error: WebError) -> None:
        heard.append(f"page: {error.error}")

    def hear_console(line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            heard.append(f"{line.type}: {line.text} ({line.location.get('url')})")

    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    context.on("weberror", hear_error)
    context.on("console", hear_console)
    # Every message that a <relay-task> receives, in order.
    await context.add_init_script(
        "window.messages = [];"
        'addEventListener("relay-update", ({ detail }) => detail.message && messages.push(detail.message));'
    )
    yield context
    await context.close()
    assert [line for line in heard if not any(re.search(pattern, line) for pattern in complaints)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return await context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """As elsewhere, but on the browser's loop."""
    async with Sandbox(speed=50) as box:
        yield box


@pytest_asyncio.fixture(loop_scope="session")
async def relay(make_relay: Callable[[], AbstractAsyncContextManager[Running]]) -> AsyncIterator[Running]:
    """As elsewhere, but on the browser's loop."""
    async with make_relay() as started:
        yield started


@pytest.fixture
def view() -> Callable[[Running, str], str]:
    """Give the address at which a browser sees a task, token and all."""

    def address(relay: Running, task: str) -> str:
        token, _ = relay.context.access.mint(task, scope="view", ttl_s=600)
        return relay.url + links(relay.context.config, task, token)["view"]

    return address
