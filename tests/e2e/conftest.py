"""
Chromium, a relay and a simulated platform for the end-to-end tests, on one event loop for the whole session.

Starting a browser takes a second, so the tests share one; each has its own context. A test fails if the browser logs an
error or warning that the test did not expect.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

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

PATIENCE_MS = 60_000
"""How long to wait for what takes a moment on an idle machine."""

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start one Chromium for all tests of this worker."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS)), None),
            chromium_sandbox=os.geteuid() != 0,  # Chromium's own sandbox refuses to work for root
        )
        yield browser
        await browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """
    Return the patterns of errors and warnings that the browser may log in this test; a test appends its own.

    Anything else fails the test.
    """
    return []


@asynccontextmanager
async def opened(browser: Browser, complaints: list[str]) -> AsyncIterator[BrowserContext]:
    """
    Open a browser context without cookies, cache or storage.

    Its pages show no motion: drawing an animation takes a third of a core while the page is open.
    """
    logged: list[str] = []

    def on_error(error: WebError) -> None:
        logged.append(f"page: {error.error}")

    def on_console(line: ConsoleMessage) -> None:
        # The full browser requests an icon even for a document that is not HTML.
        if line.type in ("error", "warning") and not line.location.get("url", "").endswith("/favicon.ico"):
            logged.append(f"{line.type}: {line.text} ({line.location.get('url')})")

    context = await browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    context.on("weberror", on_error)
    context.on("console", on_console)
    # `messages`: every message that a <relay-task> receives, in order.
    await context.add_init_script(
        "window.messages = [];"
        'addEventListener("relay-update", ({ detail }) => detail.message && messages.push(detail.message));'
    )
    yield context
    await context.close()
    assert [line for line in logged if not any(re.search(pattern, line) for pattern in complaints)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, complaints: list[str]) -> AsyncIterator[BrowserContext]:
    """Open a context of the test's own."""
    async with opened(browser, complaints) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """Open an empty tab."""
    return await context.new_page()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_page(browser: Browser) -> AsyncIterator[Page]:
    """Open a tab for all tests of a file that only call functions: a new tab takes longer than they do."""
    async with opened(browser, []) as context:
        yield await context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """Start the simulated platform as for other tests, but on the browser's event loop."""
    async with Sandbox(speed=50) as box:
        yield box


@pytest_asyncio.fixture(loop_scope="session")
async def relay(make_relay: Callable[[], AbstractAsyncContextManager[Running]]) -> AsyncIterator[Running]:
    """Start a relay as for other tests, but on the browser's event loop."""
    async with make_relay() as started:
        yield started


@pytest.fixture
def view() -> Callable[[Running, str], str]:
    """Return a function that returns the URL of a task's page, with a token."""

    def address(relay: Running, task: str) -> str:
        token, _ = relay.context.access.mint(task, scope="view", ttl_s=600)
        return relay.url + links(relay.context.config, task, token)["view"]

    return address
