"""
Many tabs of one browser while WebSockets are blocked.

Over HTTP/1.1 a browser opens six connections to a host for all tabs together, so the tabs share one event stream.
"""

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import (
    ALL_DONE,
    ALL_LIVE,
    BLANK,
    FOLLOW_EACH,
    LOST_CONNECTION,
    is_gapless,
    release,
    seqs,
    start_held,
    subscription,
    until,
)
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")


WITHOUT_FREEZE = "addEventListener('freeze', (event) => event.stopImmediatePropagation(), true)"
"""Some browsers freeze a tab without the event."""


@pytest.fixture
def complaints() -> list[str]:
    """Allow the error of a refused WebSocket."""
    return [LOST_CONNECTION]


async def tab(context: BrowserContext, box: Middlebox, subscriptions: list[dict[str, Any]]) -> Page:
    """Open a tab that follows these subscriptions."""
    page = await context.new_page()
    await page.goto(box.url + BLANK)
    await page.evaluate(FOLLOW_EACH, subscriptions)
    return page


async def test_seven_tabs_share_one_stream(sandbox: Sandbox, relay: Running, context: BrowserContext) -> None:
    """All seven go live, and a connection is left for other calls."""
    box, tasks = Middlebox(relay), [await start_held(relay, sandbox) for _ in range(7)]
    box.refused = {"ws"}
    async with box.open():
        tabs = [await tab(context, box, [subscription(relay, task)]) for task in tasks]
        for page in tabs:
            await until(page, f"{ALL_LIVE} && clients[0].wire === 'sse'")

        assert box.open_streams == 1
        assert await tabs[6].evaluate("fetch('/livez').then(({ ok }) => ok)")
        for page, task in zip(tabs, tasks, strict=True):
            release(sandbox, task)
            await until(page, ALL_DONE)


async def test_tabs_with_overlapping_tasks_share_one_stream(
    sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """Two tabs follow five tasks each, and a third one polls as its options say."""
    box, tasks = Middlebox(relay), [await start_held(relay, sandbox) for _ in range(8)]
    box.refused = {"ws"}
    async with box.open():
        first = await tab(context, box, [subscription(relay, task) for task in tasks[:5]])
        second = await tab(context, box, [subscription(relay, task) for task in tasks[3:]])
        third = await tab(context, box, [subscription(relay, tasks[0], wire="poll")])
        for page in (first, second, third):
            await until(page, ALL_LIVE)

        assert box.open_streams == 1
        for task in tasks:
            release(sandbox, task)
        for page in (first, second, third):
            await until(page, ALL_DONE)


async def test_tasks_and_boards_of_a_page_use_one_stream_each(
    sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """Six tasks with their logs share one stream, six tags another."""
    box, tasks = Middlebox(relay), [await start_held(relay, sandbox, f"tag-{n}") for n in range(6)]
    box.refused = {"ws"}
    async with box.open():
        page = await tab(context, box, [subscription(relay, task) for task in tasks])
        await page.evaluate(
            """async (key) => {
              const { RelayBoard } = await import("/static/relay.js");
              window.board = new RelayBoard();
              for (let n = 0; n < 6; n++) board.subscribeTag(`tag-${n}`, key);
            }""",
            relay.api_key,
        )
        await until(page, f"{ALL_LIVE} && board.connection === 'live' && board.states.size === 6")

        assert box.open_streams == 2


@pytest.mark.parametrize("end", ["closed", "frozen", "frozen without a word"])
async def test_another_tab_takes_over_when_the_leader_is_gone(
    end: str, sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """Events of the meantime reach the other tabs once and in order."""
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws"}
    if end == "frozen without a word":
        await context.add_init_script(WITHOUT_FREEZE)
    async with box.open():
        first = await tab(context, box, [subscription(relay, task)])
        await until(first, f"{ALL_LIVE} && clients[0].wire === 'sse'")
        others = [await context.new_page() for _ in range(2)]
        for page in others:
            await page.clock.install()
            await page.goto(box.url + BLANK)
            await page.evaluate(FOLLOW_EACH, [subscription(relay, task)])
            await until(page, f"{ALL_LIVE} && clients[0].wire === 'sse'")
        assert box.open_streams == 1

        if end == "closed":
            await first.close()
        else:
            session = await context.new_cdp_session(first)
            await session.send("Page.setWebLifecycleState", {"state": "frozen"})
        release(sandbox, task)

        async with asyncio.timeout(60):
            while not all([await page.evaluate(ALL_DONE) for page in others]):
                for page in others:
                    await page.clock.run_for(1_000)
        for page in others:
            assert is_gapless(await seqs(page))


async def test_a_bad_token_in_one_tab_does_not_affect_the_others(
    sandbox: Sandbox, relay: Running, context: BrowserContext, complaints: list[str]
) -> None:
    """Nor another client of the same task with a valid token."""
    complaints.append("401")
    box, task, other = Middlebox(relay), await start_held(relay, sandbox), await start_held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        good = await tab(context, box, [subscription(relay, task)])
        await until(good, f"{ALL_LIVE} && clients[0].wire === 'sse'")

        bad = await tab(context, box, [subscription(relay, other) | {"token": "nonsense"}, subscription(relay, other)])
        await until(bad, "clients[0].connection === 'refused' && clients[1].connection === 'live'")

        release(sandbox, task)
        release(sandbox, other)
        await until(good, ALL_DONE)
        await until(bad, "clients[1].state?.done")


@pytest.mark.parametrize("missing", ["navigator.locks", "BroadcastChannel"])
async def test_tabs_that_cannot_share_poll(
    missing: str, sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """A stream per tab would use up the connections; one call fetches all tasks of a tab."""
    script = {
        "navigator.locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
        "BroadcastChannel": "delete window.BroadcastChannel",
    }
    await context.add_init_script(script[missing])
    box, tasks = Middlebox(relay), [await start_held(relay, sandbox) for _ in range(7)]
    box.refused = {"ws"}
    async with box.open():
        tabs = [await tab(context, box, [subscription(relay, task) for task in tasks]) for _ in range(7)]
        for page in tabs:
            await until(page, f"{ALL_LIVE} && clients.every(({{ wire }}) => wire === 'poll')")

        assert box.requests["sse"] == 0
        for task in tasks:
            release(sandbox, task)
        for page in tabs:
            await until(page, ALL_DONE)
