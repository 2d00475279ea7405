"""More subscriptions than one connection may have: whatever the wire, none is left out, and none is refused."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

IMAGE = "bytedance/text-to-image-seedream-v4"
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed|status of 422"

FOLLOW = """async (subscriptions) => {
  const { RelayClient } = await import("/static/relay.js");
  window.clients = subscriptions.map((options) => new RelayClient(options));
}"""
FOLLOW_TAGS = """async ([tags, key]) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.faults = [];
  board.addEventListener("update", ({ detail: { message } }) => message?.type === "error" && faults.push(message));
  for (const tag of tags) board.subscribeTag(tag, key);
}"""
FOLLOW_ALL = """async (key) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.updates = [];
  board.addEventListener("update", ({ detail }) => updates.push(detail));
  board.followAll(key);
}"""
ALL_LIVE = "clients.every(({ state, connection }) => state && ['live', 'polling'].includes(connection))"


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def held(relay: Running, sandbox: Sandbox, *tags: str) -> Snapshot:
    """Start a task that waits where it has just started, until it is released."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}, tags=tags))).snapshot


def wish(relay: Running, task: Snapshot) -> dict[str, Any]:
    return {"task": task.id, "token": relay.context.access.mint(task.id, scope="view", ttl_s=6_000)[0]}


def release(sandbox: Sandbox, task: Snapshot) -> None:
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


@pytest.mark.parametrize("blocked", ["", "ws", "ws sse"])
async def test_what_one_connection_has_no_room_for_goes_another_way(
    blocked: str, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """Ten tasks where a connection may follow three: all of them are live, and reach their end."""
    complaints.append(LOST_CONNECTION)
    async with make_relay(subscription_limit=3) as relay:
        box, tasks = Middlebox(relay), [await held(relay, sandbox) for _ in range(10)]
        box.refused = set(blocked.split())
        async with box.open():
            await page.goto(box.url)
            await page.evaluate(FOLLOW, [wish(relay, task) for task in tasks])

            await until(page, ALL_LIVE)
            assert box.open_streams <= 2
            for task in tasks:
                release(sandbox, task)
            await until(page, "clients.every(({ state }) => state.done)")
            await page.goto("about:blank")


async def test_two_hundred_and_fifteen_tasks_on_one_page_are_all_live(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """By default a connection may follow two hundred: the page has two."""
    tasks = [await held(relay, sandbox) for _ in range(215)]
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, [wish(relay, task) for task in tasks])

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    assert len(sockets) == 2


async def test_a_board_has_as_many_tags_as_it_likes(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """The limit of a connection is nothing that a board is told of."""
    complaints.append(LOST_CONNECTION)
    tags = [f"tag-{n}" for n in range(7)]
    async with make_relay(subscription_limit=3) as relay:
        tasks = [await held(relay, sandbox, tag) for tag in tags]
        await page.goto(relay.url)
        await page.evaluate(FOLLOW_TAGS, [tags, relay.api_key])

        await until(page, "board.connection === 'live' && board.states.size === 7")
        for task in tasks:
            release(sandbox, task)
        await until(page, "[...board.states.values()].every(({ done }) => done)")
        assert await page.evaluate("faults") == []
        await page.goto("about:blank")


async def test_all_tasks_are_one_subscription(sandbox: Sandbox, make_relay: MakeRelay, page: Page) -> None:
    """More running tasks than a connection may have subscriptions, and one that is started later: none freezes."""
    async with make_relay(subscription_limit=3) as relay:
        tasks = [await held(relay, sandbox) for _ in range(8)]
        await page.goto(relay.url)
        await page.evaluate(FOLLOW_ALL, relay.api_key)
        await until(page, "updates.some(({ message }) => message?.type === 'listed' && message.all)")

        tasks.append(await held(relay, sandbox))
        await until(page, "board.states.size === 9 && board.connection === 'live'")
        await until(page, "[...board.states.values()].every(({ state }) => state === 'running')")
        for task in tasks:
            release(sandbox, task)
        await until(page, "[...board.states.values()].every(({ done }) => done)")
        assert await page.evaluate("typeof updates.at(-1).clockOffset_s") == "number"
        await page.goto("about:blank")


async def test_all_tasks_are_not_for_a_viewer(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A token of a task or a tag does not open them, and the board says so."""
    complaints.append("403")
    task = await held(relay, sandbox)
    await page.goto(relay.url)

    await page.evaluate(FOLLOW_ALL, wish(relay, task)["token"])

    await until(page, "updates.some(({ message }) => message?.type === 'error' && message.all)")
    assert await page.evaluate("[board.connection, updates.at(-1).message.code]") == ["ended", "forbidden"]


async def test_a_board_goes_by_the_relays_clock(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A browser whose clock is ten minutes late is told by how much."""
    await held(relay, sandbox)
    await page.clock.install(time=0)
    await page.goto(relay.url)

    await page.evaluate(FOLLOW_ALL, relay.api_key)

    await until(page, "board.connection === 'live'")
    here = "Date.now() / 1000 + board.clockOffset_s"
    assert await page.evaluate(here) == pytest.approx(relay.context.clock(), abs=60)
