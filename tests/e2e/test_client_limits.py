"""Pages with more subscriptions than the limit of one connection: all of them are served, over any transport."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import (
    ALL_DONE,
    ALL_LIVE,
    BLANK,
    FOLLOW_ALL,
    FOLLOW_EACH,
    LOST_CONNECTION,
    release,
    start_held,
    subscription,
    until,
)
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


FOLLOW_TAGS = """async ([tags, key]) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.faults = [];
  board.addEventListener("update", ({ detail: { message } }) => message?.type === "error" && faults.push(message));
  for (const tag of tags) board.subscribeTag(tag, key);
}"""


@pytest.mark.parametrize("blocked", ["", "ws", "ws sse"])
async def test_subscriptions_beyond_the_limit_use_another_connection(
    blocked: str, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """With a limit of three, ten tasks all go live and reach their end."""
    complaints += [LOST_CONNECTION, "status of 422"]
    async with make_relay(subscription_limit=3) as relay:
        box, tasks = Middlebox(relay), [await start_held(relay, sandbox) for _ in range(10)]
        box.refused = set(blocked.split())
        async with box.open():
            await page.goto(box.url + BLANK)
            await page.evaluate(FOLLOW_EACH, [subscription(relay, task) for task in tasks])

            await until(page, ALL_LIVE)
            assert box.open_streams <= 2
            for task in tasks:
                release(sandbox, task)
            await until(page, ALL_DONE)
            await page.goto("about:blank")


async def test_215_tasks_share_two_sockets(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The default limit is 200 subscriptions per connection."""
    tasks = [await start_held(relay, sandbox) for _ in range(215)]
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW_EACH, [subscription(relay, task) for task in tasks])

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    assert len(sockets) == 2


async def test_a_board_may_follow_more_tags_than_the_limit(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """The board reports no error."""
    complaints += [LOST_CONNECTION, "status of 422"]
    tags = [f"tag-{n}" for n in range(7)]
    async with make_relay(subscription_limit=3) as relay:
        tasks = [await start_held(relay, sandbox, tag) for tag in tags]
        await page.goto(relay.url + BLANK)
        await page.evaluate(FOLLOW_TAGS, [tags, relay.api_key])

        await until(page, "board.connection === 'live' && board.states.size === 7")
        for task in tasks:
            release(sandbox, task)
        await until(page, "[...board.states.values()].every(({ done }) => done)")
        assert await page.evaluate("faults") == []
        await page.goto("about:blank")


async def test_following_all_tasks_counts_as_one_subscription(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page
) -> None:
    """All of them stay live although there are more than the limit, and one that starts later joins them."""
    async with make_relay(subscription_limit=3) as relay:
        tasks = [await start_held(relay, sandbox) for _ in range(8)]
        await page.goto(relay.url + BLANK)
        await page.evaluate(FOLLOW_ALL, relay.api_key)
        await until(page, "updates.some(({ message }) => message?.type === 'listed' && message.all)")

        tasks.append(await start_held(relay, sandbox))
        await until(page, "board.states.size === 9 && board.connection === 'live'")
        await until(page, "[...board.states.values()].every(({ state }) => state === 'running')")
        for task in tasks:
            release(sandbox, task)
        await until(page, "[...board.states.values()].every(({ done }) => done)")
        assert await page.evaluate("typeof updates.at(-1).clockOffset_s") == "number"
        await page.goto("about:blank")


async def test_following_all_tasks_needs_an_api_key(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """With a viewer token the board ends and reports `forbidden`."""
    complaints.append("403")
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW_ALL, subscription(relay, task)["token"])

    await until(page, "updates.some(({ message }) => message?.type === 'error' && message.all)")
    assert await page.evaluate("[board.connection, updates.at(-1).message.code]") == ["ended", "forbidden"]


async def test_a_board_reports_the_offset_of_the_browsers_clock(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A page adds `clockOffset_s` to its own time to get the relay's."""
    await start_held(relay, sandbox)
    await page.clock.install(time=0)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW_ALL, relay.api_key)

    await until(page, "board.connection === 'live'")
    here = "Date.now() / 1000 + board.clockOffset_s"
    assert await page.evaluate(here) == pytest.approx(relay.context.clock(), abs=60)
