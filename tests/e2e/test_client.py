"""`RelayClient` and `RelayBoard` without the element: reconnection, tokens and shared sockets."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page
from yarl import URL

from relay.app import Running
from relay.hub.close_codes import NO_SUCH_TASK, TOKEN_EXPIRED, TOKEN_INVALID
from relay.hub.viewer import Viewer
from relay.sandbox import Sandbox
from tests.e2e.follow import (
    BLANK,
    FOLLOW_EACH,
    LOST_CONNECTION,
    SOCKET_LIVE,
    cut,
    is_gapless,
    release,
    seqs,
    start_held,
    subscription,
    token,
    until,
    viewers,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


FOLLOW = """async ({ tokens = [], asks = false, ...options }) => {
  const { RelayClient } = await import("/static/relay.js");
  window.asked = [];
  const getToken = async (aim) => {
    const token = tokens[asked.push(aim) - 1];
    if (token === "fails") throw new Error("the shop's server failed");
    return token;
  };
  window.client = new RelayClient({ ...options, ...(asks && { getToken }) });
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
"""Follow one task; `getToken` returns the `tokens` in order, and records its calls in `asked`."""


BOARD = """async () => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.updates = [];
  board.addEventListener("update", ({ detail }) => updates.push(detail));
}"""

TYPES = "updates.flatMap(({ message }) => (message ? [message.type] : []))"
OPENINGS = f"{TYPES}.filter((type) => type === 'snapshot' || type === 'resumed')"


async def test_the_client_resumes_after_a_restart_of_the_relay(
    tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """Meanwhile it reports since when it is offline; then it resumes over the same transport without a gap."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        task = await start_held(relay, sandbox)
        await page.goto(relay.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        await until(page, SOCKET_LIVE)

    await until(page, "updates.some(({ connection }) => connection === 'offline')")
    since = await page.evaluate("updates.find(({ connection }) => connection === 'offline').offlineSince")
    await until(page, "updates.filter(({ connection }) => connection === 'offline').length > 1")
    assert await page.evaluate("updates.at(-1).offlineSince") == since  # the time of the first failure, not of the last
    async with make_relay(store=store, port=URL(relay.url).port):
        await until(page, SOCKET_LIVE)
        assert await page.evaluate("updates.at(-1).offlineSince") is None
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]
    assert is_gapless(await seqs(page))


async def test_the_client_resumes_when_the_network_is_back(
    sandbox: Sandbox, relay: Running, context: BrowserContext, page: Page, complaints: list[str]
) -> None:
    """It reports `offline` until then."""
    complaints.append(LOST_CONNECTION)
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)

    await context.set_offline(True)
    for viewer in list(relay.context.hub._viewers):  # none if the page has already disconnected
        cut(viewer)
    await until(page, "client.connection === 'offline'")
    await context.set_offline(False)

    await until(page, SOCKET_LIVE)
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_page_restored_from_the_back_forward_cache_reconnects(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """It replaces the old connection at once, and resumes over the new one."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)
    (before,) = await viewers(relay, 1)

    await page.evaluate("void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    await until(page, f"{OPENINGS}.length === 2")
    (after,) = await viewers(relay, 1)
    assert after is not before
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_silent_connection_is_replaced(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The relay pings, so a connection without pings is dead even if the browser reports it as open."""
    await page.clock.install()
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)

    await page.clock.fast_forward(41_000)

    await until(page, "updates.some(({ reason }) => reason === 'nothing was received for too long')")
    await page.clock.fast_forward(1_000)
    await until(page, SOCKET_LIVE)
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_client_with_a_cursor_receives_only_newer_events(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A page that stored the cursor with its state resumes from there."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)
    cursor = await page.evaluate("client.cursor")
    await page.evaluate("client.stop()")

    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task), "cursor": cursor})

    await until(page, SOCKET_LIVE)
    assert await page.evaluate("client.state") is None
    release(sandbox, task)
    await until(page, "client.connection === 'ended'")
    assert await page.evaluate(f"{TYPES}.at(0)") == "resumed"
    assert await page.evaluate(f"{TYPES}.at(-1)") == "done"
    received = await seqs(page)
    assert received == list(range(int(cursor.split(":")[1]) + 1, received[-1] + 1))


async def test_a_token_is_renewed_in_place_before_it_expires(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The client calls `getToken` in time, and the open connection continues with the new token."""
    await page.clock.install()
    task = await start_held(relay, sandbox)
    fresh, expires_at = relay.context.access.mint(task.id, scope="view", ttl_s=6_000)
    await page.goto(relay.url + BLANK)
    short = token(relay, task, ttl_s=20)
    await page.evaluate(FOLLOW, {"task": task.id, "token": short, "asks": True, "tokens": [fresh]})
    await until(page, SOCKET_LIVE)
    (viewer,) = await viewers(relay, 1)

    await page.clock.fast_forward(17_000)  # less than the silence after which a connection counts as dead

    async with asyncio.timeout(60):
        while viewer.subscriptions["task", task.id].expires_at != expires_at:  # noqa: ASYNC110 -- the hub has no event for it
            await asyncio.sleep(0.005)
    assert await page.evaluate("asked") == [{"task": task.id}]
    assert await page.evaluate(OPENINGS) == ["snapshot"]


def expire(relay: Running, viewer: Viewer) -> None:
    """Let the relay find that a viewer's tokens have expired."""
    for each in viewer.subscriptions.values():
        each.expires_at = 0.0
    relay.context.hub._visit([viewer])


async def test_a_token_that_the_relay_reports_as_expired_is_renewed(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Reported for a subscription or by the close code: the client resumes with a new token."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    tokens = [token(relay, task), token(relay, task, 700), token(relay, task, 800)]
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": tokens})
    await until(page, SOCKET_LIVE)
    assert await page.evaluate("asked.length") == 1

    (viewer,) = await viewers(relay, 1)
    expire(relay, viewer)
    await until(page, f"asked.length === 2 && {SOCKET_LIVE}")
    (viewer,) = await viewers(relay, 1)
    relay.context.hub.disconnect(viewer, TOKEN_EXPIRED)

    await until(page, f"asked.length === 3 && {SOCKET_LIVE} && {OPENINGS}.length === 3")
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed", "resumed"]


async def test_a_socket_closed_for_a_bad_token_is_reopened_once(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A second refusal, of a token that has just been fetched, is final."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    tokens = [token(relay, task), token(relay, task, 700), "nonsense", "nonsense"]
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": tokens})
    await until(page, SOCKET_LIVE)

    for opened in (2, 3):
        (viewer,) = await viewers(relay, 1)
        relay.context.hub.disconnect(viewer, TOKEN_INVALID)
        await until(page, f"{OPENINGS}.length === {opened} || client.connection === 'refused'")

    assert await page.evaluate("[client.connection, asked.length]") == ["refused", 3]
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_gettoken_is_called_again_after_an_exception(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """An exception may be temporary; a missing token is final."""
    complaints.append("getToken failed")
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": ["fails", token(relay, task)]})
    await until(page, SOCKET_LIVE)
    assert await page.evaluate("updates[0].reason") == "getToken failed; trying again"
    await page.evaluate("client.stop()")
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": []})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("[asked.length, updates.at(-1).fault]") == [1, "unauthorized"]


async def test_a_token_without_renewal_ends_in_a_refusal(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Without `getToken` the client reports the expired token and stops."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)

    (viewer,) = await viewers(relay, 1)
    expire(relay, viewer)

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("updates.at(-1).fault") == "token_expired"
    await viewers(relay, 0)


async def test_a_renewal_with_an_invalid_token_ends_one_client_only(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """The relay closes the shared socket; the other client reconnects."""
    first, second = await start_held(relay, sandbox), await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW_EACH, [subscription(relay, task) for task in (first, second)])
    await until(page, "clients.every(({ connection }) => connection === 'live')")

    await page.evaluate("clients[0].renew('nonsense')")

    await until(page, "clients[0].connection === 'refused'")
    await until(page, "clients[1].connection === 'live'")


@pytest.mark.parametrize("wire", ["ws", "sse", "poll"])
async def test_an_unknown_task_is_final_over_every_transport(
    wire: str, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The client reports `not_found` once and disconnects."""
    complaints.append("404")
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, {"task": "nothing", "token": relay.api_key, "wire": wire})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("updates.at(-1).fault") == "not_found"
    assert await page.evaluate("updates.at(-1).reason") != ""
    await viewers(relay, 0)


async def test_twenty_tasks_share_one_socket(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The relay has one connection, and none after the last task has ended."""
    tasks = [await start_held(relay, sandbox) for _ in range(20)]
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW_EACH, [subscription(relay, task) for task in tasks])

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    assert len(await viewers(relay, 1)) == 1
    for task in tasks:
        release(sandbox, task)
    await until(page, "clients.every(({ state }) => state?.done?.verdict === 'succeeded')")
    assert await page.evaluate("new Set(clients.map(({ state }) => state.id)).size") == 20
    await viewers(relay, 0)


async def test_clients_of_one_task_share_one_subscription(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A client that joins later gets the whole state; one that stops does not affect the others."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)

    await page.evaluate(FOLLOW_EACH, [subscription(relay, task)] * 3)

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    (viewer,) = await viewers(relay, 1)
    assert list(viewer.subscriptions) == [("task", task.id)]
    await page.evaluate("client.stop()")
    release(sandbox, task)
    await until(page, "clients.every(({ state }) => state.done)")


async def test_a_bad_token_does_not_affect_a_client_with_a_good_one(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Even for the same task, and even if the bad one came first."""
    complaints.append("401")
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW_EACH, [{"task": task.id, "token": "nonsense"}, subscription(relay, task)])

    await until(page, "clients[0].connection === 'refused' && clients[1].connection === 'live'")
    await viewers(relay, 1)


async def test_a_board_can_subscribe_again_after_a_refusal(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Both after a refused subscription and after a refused connection, without a reload."""
    complaints.append("401")
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)
    await page.evaluate(BOARD)

    await page.evaluate("(task) => board.subscribe(task, 'nonsense')", task.id)
    await until(page, "updates.some(({ message }) => message?.type === 'error')")
    assert await page.evaluate("[board.connection, updates.at(-1).message.code]") == ["ended", "unauthorized"]
    await page.evaluate("([task, token]) => board.subscribe(task, token)", [task.id, token(relay, task)])
    await until(page, "board.connection === 'live'")
    (viewer,) = await viewers(relay, 1)
    relay.context.hub.disconnect(viewer, NO_SUCH_TASK)
    await until(page, "board.connection === 'ended'")
    await page.evaluate("([task, token]) => board.subscribe(task, token)", [task.id, token(relay, task)])

    await until(page, "board.connection === 'live'")
    release(sandbox, task)
    await until(page, "[...board.states.values()].every(({ done }) => done)")
    assert await page.evaluate("board.connection") == "ended"


async def test_a_board_shows_the_tasks_of_a_tag_and_later_ones(
    tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """Over one socket, without tasks of other tags, and again after a restart of the relay."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        old = [await start_held(relay, sandbox, "shoot") for _ in range(3)]
        await start_held(relay, sandbox, "else")
        await page.goto(relay.url + BLANK)
        await page.evaluate(BOARD)
        await page.evaluate("(key) => board.subscribeTag('shoot', key)", relay.api_key)
        await until(page, "updates.some(({ message }) => message?.type === 'listed')")
        assert await page.evaluate("[...board.states.keys()].sort()") == sorted(task.id for task in old)
        new = await start_held(relay, sandbox, "shoot")
        await until(page, "board.states.size === 4")
        await viewers(relay, 1)

    await until(page, "board.connection === 'offline'")
    async with make_relay(store=store, port=URL(relay.url).port):
        await until(page, "board.connection === 'live'")
        for task in (*old, new):
            release(sandbox, task)
        await until(page, "[...board.states.values()].every(({ done }) => done)")

    states: list[Any] = await page.evaluate("[...board.states.values()].map(({ done, log }) => [done.verdict, log])")
    assert states == [["succeeded", []]] * 4
