"""
Many tabs of one browser where WebSockets are blocked: over HTTP/1.1 it has six connections to a host for all of them.

The tabs share one event stream. None of them waits for a connection, and none loses anything when another one goes.
"""

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"

FOLLOW = """async (subscriptions) => {
  const { RelayClient } = await import("/static/relay.js");
  window.clients = subscriptions.map((options) => new RelayClient(options));
  window.updates = [];
  for (const client of clients) client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
ALL_LIVE = "window.clients?.every(({ state, connection }) => state && ['live', 'polling'].includes(connection))"
ALL_DONE = "clients.every(({ state }) => state?.done)"
SEQS = "updates.flatMap(({ message }) => (message?.seq && message.type !== 'resumed' ? [message.seq] : []))"

WITHOUT_FREEZE = "addEventListener('freeze', (event) => event.stopImmediatePropagation(), true)"
"""A tab that is put to sleep without a word, as some browsers do it."""


@pytest.fixture
def complaints() -> list[str]:
    """Every WebSocket here is refused."""
    return [LOST_CONNECTION]


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def held(relay: Running, sandbox: Sandbox, *tags: str) -> Snapshot:
    """Start a task that waits where it has just started, until it is released."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}, tags=tags))).snapshot


def wish(relay: Running, task: Snapshot, **more: str) -> dict[str, Any]:
    return {"task": task.id, "token": relay.context.access.mint(task.id, scope="view", ttl_s=6_000)[0], **more}


def release(sandbox: Sandbox, task: Snapshot) -> None:
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


async def tab(context: BrowserContext, box: Middlebox, subscriptions: list[dict[str, Any]]) -> Page:
    """Open a tab that follows something."""
    page = await context.new_page()
    await page.goto(box.url)
    await page.evaluate(FOLLOW, subscriptions)
    return page


async def test_seven_tabs_share_one_stream(sandbox: Sandbox, relay: Running, context: BrowserContext) -> None:
    """The seventh shows its task like the first, and a connection is left for any other call."""
    box, tasks = Middlebox(relay), [await held(relay, sandbox) for _ in range(7)]
    box.refused = {"ws"}
    async with box.open():
        tabs = [await tab(context, box, [wish(relay, task)]) for task in tasks]
        for page in tabs:
            await until(page, f"{ALL_LIVE} && clients[0].wire === 'sse'")

        assert box.open_streams == 1
        assert await tabs[6].evaluate("fetch('/livez').then(({ ok }) => ok)")
        for page, task in zip(tabs, tasks, strict=True):
            release(sandbox, task)
            await until(page, ALL_DONE)


async def test_tabs_of_many_tasks_starve_nobody(sandbox: Sandbox, relay: Running, context: BrowserContext) -> None:
    """Two tabs of five tasks each, the same ones in part, and one beside them that polls by its own choice."""
    box, tasks = Middlebox(relay), [await held(relay, sandbox) for _ in range(8)]
    box.refused = {"ws"}
    async with box.open():
        first = await tab(context, box, [wish(relay, task) for task in tasks[:5]])
        second = await tab(context, box, [wish(relay, task) for task in tasks[3:]])
        third = await tab(context, box, [wish(relay, tasks[0], wire="poll")])
        for page in (first, second, third):
            await until(page, ALL_LIVE)

        assert box.open_streams == 1
        for task in tasks:
            release(sandbox, task)
        for page in (first, second, third):
            await until(page, ALL_DONE)


async def test_tasks_and_boards_of_one_page_take_two_streams(
    sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """However many tasks and tags there are: one stream for the tasks with their logs, one for the boards."""
    box, tasks = Middlebox(relay), [await held(relay, sandbox, f"tag-{n}") for n in range(6)]
    box.refused = {"ws"}
    async with box.open():
        page = await tab(context, box, [wish(relay, task) for task in tasks])
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
async def test_when_the_tab_that_leads_is_gone_another_goes_on(
    end: str, sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """What happens meanwhile reaches the others once, and in order."""
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws"}
    if end == "frozen without a word":
        await context.add_init_script(WITHOUT_FREEZE)
    async with box.open():
        first = await tab(context, box, [wish(relay, task)])
        await until(first, f"{ALL_LIVE} && clients[0].wire === 'sse'")
        others = [await context.new_page() for _ in range(2)]
        for page in others:
            await page.clock.install()
            await page.goto(box.url)
            await page.evaluate(FOLLOW, [wish(relay, task)])
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
            seqs = await page.evaluate(SEQS)
            assert seqs == list(range(seqs[0], seqs[-1] + 1))


async def test_a_tab_whose_token_is_bad_takes_nobody_along(
    sandbox: Sandbox, relay: Running, context: BrowserContext, complaints: list[str]
) -> None:
    """Also when its task is followed by another tab, with a token that is good."""
    complaints.append("401")
    box, task, other = Middlebox(relay), await held(relay, sandbox), await held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        good = await tab(context, box, [wish(relay, task)])
        await until(good, f"{ALL_LIVE} && clients[0].wire === 'sse'")

        bad = await tab(context, box, [wish(relay, other) | {"token": "nonsense"}, wish(relay, other)])
        await until(bad, "clients[0].connection === 'refused' && clients[1].connection === 'live'")

        release(sandbox, task)
        release(sandbox, other)
        await until(good, ALL_DONE)
        await until(bad, "clients[1].state?.done")


@pytest.mark.parametrize("missing", ["navigator.locks", "BroadcastChannel"])
async def test_tabs_that_cannot_share_poll(
    missing: str, sandbox: Sandbox, relay: Running, context: BrowserContext
) -> None:
    """A stream for each would leave none for the seventh: in one call a page asks for all that it shows."""
    script = {
        "navigator.locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
        "BroadcastChannel": "delete window.BroadcastChannel",
    }
    await context.add_init_script(script[missing])
    box, tasks = Middlebox(relay), [await held(relay, sandbox) for _ in range(7)]
    box.refused = {"ws"}
    async with box.open():
        tabs = [await tab(context, box, [wish(relay, task) for task in tasks]) for _ in range(7)]
        for page in tabs:
            await until(page, f"{ALL_LIVE} && clients.every(({{ wire }}) => wire === 'poll')")

        assert box.requests["sse"] == 0
        for task in tasks:
            release(sandbox, task)
        for page in tabs:
            await until(page, ALL_DONE)
