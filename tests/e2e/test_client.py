"""The client without the element: what it lives through, whose right it uses, and how many share one socket."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page
from yarl import URL

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.hub.viewer import NO_SUCH_TASK, TOKEN_EXPIRED, TOKEN_INVALID, Viewer
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

IMAGE = "bytedance/text-to-image-seedream-v4"
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"
FAR_FUTURE = 4_000_000_000.0
SOCKET = "client.wire === 'ws' && client.connection === 'live'"

FOLLOW = """async ({ tokens = [], asks = false, ...options }) => {
  const { RelayClient } = await import("/static/relay.js");
  window.asked = [];
  const getToken = async (aim) => {
    const token = tokens[asked.push(aim) - 1];
    if (token === "out of order") throw new Error("the shop's server is out of order");
    return token;
  };
  window.client = new RelayClient({ ...options, ...(asks && { getToken }) });
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
"""`tokens` are what `getToken` answers with, one after the other."""

FOLLOW_EACH = """async (subscriptions) => {
  const { RelayClient } = await import("/static/relay.js");
  window.clients = subscriptions.map((options) => new RelayClient(options));
}"""

BOARD = """async () => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.updates = [];
  board.addEventListener("update", ({ detail }) => updates.push(detail));
}"""

TYPES = "updates.flatMap(({ message }) => (message ? [message.type] : []))"
OPENINGS = f"{TYPES}.filter((type) => type === 'snapshot' || type === 'resumed')"


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(30):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def viewers(relay: Running, count: int) -> list[Viewer]:
    """Wait until so many connections are there, and return them."""
    async with asyncio.timeout(30):
        while relay.context.hub.viewers != count:  # noqa: ASYNC110 -- the hub tells nobody who comes and goes
            await asyncio.sleep(0)
    return list(relay.context.hub._viewers)


async def held(relay: Running, sandbox: Sandbox, *tags: str) -> Snapshot:
    """Start a task that waits where it has just started, until it is released."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}, tags=tags))).snapshot


def release(sandbox: Sandbox, task: Snapshot) -> None:
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


def token(relay: Running, task: Snapshot, ttl_s: float = 600) -> str:
    return relay.context.access.mint(task.id, scope="view", ttl_s=ttl_s)[0]


def cut(viewer: Viewer) -> None:
    """Cut a viewer's connection as a network does: without a word."""
    transport = viewer.write.__self__  # type: ignore[attr-defined]
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


async def events(page: Page) -> list[int]:
    """Return the seq of every event that the client was told, in order."""
    seqs: list[int] = await page.evaluate(
        "updates.flatMap(({ message }) => (message?.seq && message.type !== 'resumed' ? [message.seq] : []))"
    )
    return seqs


async def test_a_relay_that_restarts_is_found_again_and_nothing_is_lost(
    tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """While it is away the client says since when; back again it resumes over the same wire, without a gap."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        task = await held(relay, sandbox)
        await page.goto(relay.url)
        await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
        await until(page, SOCKET)

    await until(page, "updates.some(({ connection }) => connection === 'offline')")
    since = await page.evaluate("updates.find(({ connection }) => connection === 'offline').offlineSince")
    await until(page, "updates.filter(({ connection }) => connection === 'offline').length > 1")
    assert await page.evaluate("updates.at(-1).offlineSince") == since  # it does not begin anew with each try
    async with make_relay(store=store, port=URL(relay.url).port):
        await until(page, SOCKET)
        assert await page.evaluate("updates.at(-1).offlineSince") is None
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]
    seqs = await events(page)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))


async def test_a_network_that_goes_and_comes_back_is_survived(
    sandbox: Sandbox, relay: Running, context: BrowserContext, page: Page, complaints: list[str]
) -> None:
    """Offline it says so, and online again it goes on where it was."""
    complaints.append(LOST_CONNECTION)
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)

    await context.set_offline(True)
    for viewer in list(relay.context.hub._viewers):  # perhaps the page has hung up already
        cut(viewer)
    await until(page, "client.connection === 'offline'")
    await context.set_offline(False)

    await until(page, SOCKET)
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_page_that_comes_out_of_the_cache_resynchronises_at_once(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """It does not trust the connection that it had, and asks for what it has missed over a new one."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)
    (before,) = await viewers(relay, 1)

    await page.evaluate("void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    await until(page, f"{OPENINGS}.length === 2")
    (after,) = await viewers(relay, 1)
    assert after is not before
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_wire_on_which_nothing_is_heard_is_given_up(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The relay pings: past that, a connection is dead, whatever the browser thinks of it."""
    await page.clock.install()
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)

    await page.clock.fast_forward(41_000)

    await until(page, "updates.some(({ reason }) => reason === 'nothing was received for too long')")
    await page.clock.fast_forward(1_000)
    await until(page, SOCKET)
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_state_that_is_at_hand_is_gone_on_from(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Whoever has a state, or keeps it elsewhere and has the cursor, is told only what came after."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)
    cursor = await page.evaluate("client.cursor")
    await page.evaluate("client.stop()")

    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task), "cursor": cursor})

    await until(page, SOCKET)
    assert await page.evaluate("client.state") is None
    release(sandbox, task)
    await until(page, "client.connection === 'ended'")
    assert await page.evaluate(f"{TYPES}.at(0)") == "resumed"
    assert await page.evaluate(f"{TYPES}.at(-1)") == "done"
    seqs = await events(page)
    assert seqs == list(range(int(cursor.split(":")[1]) + 1, seqs[-1] + 1))


async def test_a_token_is_renewed_in_place_before_it_expires(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The page is asked for a fresh token in time, and the connection that stands goes on with it."""
    await page.clock.install()
    task = await held(relay, sandbox)
    fresh, expires_at = relay.context.access.mint(task.id, scope="view", ttl_s=6_000)
    await page.goto(relay.url)
    short = token(relay, task, ttl_s=25)
    await page.evaluate(FOLLOW, {"task": task.id, "token": short, "asks": True, "tokens": [fresh]})
    await until(page, SOCKET)
    (viewer,) = await viewers(relay, 1)

    await page.clock.fast_forward(21_000)

    async with asyncio.timeout(30):
        while viewer.subscriptions[task.id].expires_at != expires_at:  # noqa: ASYNC110 -- the server tells nobody
            await asyncio.sleep(0)
    assert await page.evaluate("asked") == [{"task": task.id}]
    assert await page.evaluate(OPENINGS) == ["snapshot"]


async def test_a_token_that_the_relay_takes_for_expired_is_renewed(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Told so for its subscription, or by the close code, the client comes back with a fresh one and resumes."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    tokens = [token(relay, task), token(relay, task, 700), token(relay, task, 800)]
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": tokens})
    await until(page, SOCKET)
    assert await page.evaluate("asked.length") == 1

    (viewer,) = await viewers(relay, 1)
    relay.context.hub._end_rights(viewer, FAR_FUTURE)
    await until(page, f"asked.length === 2 && {SOCKET}")
    (viewer,) = await viewers(relay, 1)
    relay.context.hub.send_away(viewer, TOKEN_EXPIRED)

    await until(page, f"asked.length === 3 && {SOCKET} && {OPENINGS}.length === 3")
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed", "resumed"]


async def test_a_socket_that_was_refused_for_a_token_is_opened_again_with_a_fresh_one(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Once: a token that has just been fetched and is refused, too, is no token."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    tokens = [token(relay, task), token(relay, task, 700), "nonsense", "nonsense"]
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": tokens})
    await until(page, SOCKET)

    for opened in (2, 3):
        (viewer,) = await viewers(relay, 1)
        relay.context.hub.send_away(viewer, TOKEN_INVALID)
        await until(page, f"{OPENINGS}.length === {opened} || client.connection === 'refused'")

    assert await page.evaluate("[client.connection, asked.length]") == ["refused", 3]
    assert await page.evaluate(OPENINGS) == ["snapshot", "resumed"]


async def test_a_page_that_fails_to_bring_a_token_is_asked_again(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """An exception is a fault that may pass; a token that is not there is none, and for good."""
    complaints.append("getToken failed")
    task = await held(relay, sandbox)
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": ["out of order", token(relay, task)]})
    await until(page, SOCKET)
    assert await page.evaluate("updates[0].reason") == "getToken failed; trying again"
    await page.evaluate("client.stop()")
    await page.evaluate(FOLLOW, {"task": task.id, "asks": True, "tokens": []})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("[asked.length, updates.at(-1).fault]") == [1, "unauthorized"]


async def test_a_token_without_renewal_ends_in_a_refusal(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Where nobody can be asked for a fresh token the client says what happened and stops for good."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)

    (viewer,) = await viewers(relay, 1)
    relay.context.hub._end_rights(viewer, FAR_FUTURE)

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("updates.at(-1).fault") == "token_expired"
    await viewers(relay, 0)


async def test_a_renewal_that_brings_nonsense_ends_only_its_own(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The relay closes the whole socket for it: the others come back, and nobody else is refused."""
    first, second = await held(relay, sandbox), await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW_EACH, [{"task": task.id, "token": token(relay, task)} for task in (first, second)])
    await until(page, "clients.every(({ connection }) => connection === 'live')")

    await page.evaluate("clients[0].renew('nonsense')")

    await until(page, "clients[0].connection === 'refused'")
    await until(page, "clients[1].connection === 'live'")


@pytest.mark.parametrize("wire", ["ws", "sse", "poll"])
async def test_a_refusal_is_final_over_every_wire(wire: str, relay: Running, page: Page, complaints: list[str]) -> None:
    """No such task: the client says so once and leaves."""
    complaints.append("404")
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, {"task": "nothing", "token": relay.api_key, "wire": wire})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("updates.at(-1).fault") == "not_found"
    assert await page.evaluate("updates.at(-1).reason") != ""
    await viewers(relay, 0)


async def test_twenty_tasks_share_one_socket(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """However many clients a page has, the relay has one connection of it, and none after their end."""
    tasks = [await held(relay, sandbox) for _ in range(20)]
    await page.goto(relay.url)

    await page.evaluate(FOLLOW_EACH, [{"task": task.id, "token": token(relay, task)} for task in tasks])

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    assert len(await viewers(relay, 1)) == 1
    for task in tasks:
        release(sandbox, task)
    await until(page, "clients.every(({ state }) => state?.done?.verdict === 'succeeded')")
    assert await page.evaluate("new Set(clients.map(({ state }) => state.id)).size") == 20
    await viewers(relay, 0)


async def test_clients_of_one_task_share_one_subscription(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """One that joins later has the whole state at once, and one that leaves takes nothing from the others."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "token": token(relay, task)})
    await until(page, SOCKET)

    await page.evaluate(FOLLOW_EACH, [{"task": task.id, "token": token(relay, task)}] * 3)

    await until(page, "clients.every(({ connection }) => connection === 'live')")
    (viewer,) = await viewers(relay, 1)
    assert list(viewer.subscriptions) == [task.id]
    await page.evaluate("client.stop()")
    release(sandbox, task)
    await until(page, "clients.every(({ state }) => state.done)")


async def test_a_bad_token_beside_a_good_one_ends_only_itself(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Even of the same task, and even when the bad one came first."""
    complaints.append("401")
    task = await held(relay, sandbox)
    await page.goto(relay.url)

    await page.evaluate(
        FOLLOW_EACH, [{"task": task.id, "token": "nonsense"}, {"task": task.id, "token": token(relay, task)}]
    )

    await until(page, "clients[0].connection === 'refused' && clients[1].connection === 'live'")
    await viewers(relay, 1)


async def test_a_board_follows_again_after_a_refusal(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """One refused subscription, or a whole connection that was, is no reason to reload the page."""
    complaints.append("401")
    task = await held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(BOARD)

    await page.evaluate("(task) => board.subscribe(task, 'nonsense')", task.id)
    await until(page, "updates.some(({ message }) => message?.type === 'error')")
    assert await page.evaluate("[board.connection, updates.at(-1).message.code]") == ["ended", "unauthorized"]
    await page.evaluate("([task, token]) => board.subscribe(task, token)", [task.id, token(relay, task)])
    await until(page, "board.connection === 'live'")
    (viewer,) = await viewers(relay, 1)
    relay.context.hub.send_away(viewer, NO_SUCH_TASK)
    await until(page, "board.connection === 'ended'")
    await page.evaluate("([task, token]) => board.subscribe(task, token)", [task.id, token(relay, task)])

    await until(page, "board.connection === 'live'")
    release(sandbox, task)
    await until(page, "[...board.states.values()].every(({ done }) => done)")
    assert await page.evaluate("board.connection") == "ended"


async def test_a_board_shows_a_tag_and_what_joins_it(
    tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """All tasks of a tag over one socket: those that are there, one that comes later, and none of another tag."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        old = [await held(relay, sandbox, "shoot") for _ in range(3)]
        await held(relay, sandbox, "else")
        await page.goto(relay.url)
        await page.evaluate(BOARD)
        await page.evaluate("(key) => board.subscribeTag('shoot', key)", relay.api_key)
        await until(page, "updates.some(({ message }) => message?.type === 'listed')")
        assert await page.evaluate("[...board.states.keys()].sort()") == sorted(task.id for task in old)
        new = await held(relay, sandbox, "shoot")
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
