"""The client's choice of transport (WebSocket, event stream or polling) behind proxies that block some of them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import orjson
import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import (
    BLANK,
    FOLLOW,
    FOLLOW_ALL,
    LOST_CONNECTION,
    SOCKET_LIVE,
    advance,
    is_gapless,
    release,
    seqs,
    start_held,
    subscription,
    until,
)
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


FOLLOW_TAG = """async ([tag, token]) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  board.subscribeTag(tag, token);
}"""


async def ping(relay: Running, page: Page) -> None:
    """Send a ping to every viewer: the relay's clock does not advance with the page's."""
    before = await page.evaluate("updates.length")
    for viewer in relay.context.hub._viewers:
        viewer.write(viewer.framing.encode(orjson.dumps({"type": "ping"}), None))
    await until(page, f"updates.length > {before}")


async def openings(page: Page) -> list[str]:
    """Return the types of the messages that open or end a task, in order."""
    kinds: list[str] = await page.evaluate("updates.flatMap(({ message }) => message?.type ?? [])")
    return [kind for kind in kinds if kind in ("snapshot", "resumed", "done")]


@pytest.mark.parametrize("stream", ["", "collected"])
@pytest.mark.parametrize("socket", ["refused", "swallowed"])
async def test_the_first_state_arrives_within_two_seconds_behind_any_proxy(
    socket: str, stream: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A plain call fetches it while the transports are tried, be they refused, unanswered or buffered."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    setattr(box, socket, {"ws"})
    box.collected = {"sse"} if stream else set()
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate('() => void import("/static/relay.js")')
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.evaluate(FOLLOW, subscription(relay, task))

        await page.clock.run_for(500)
        await until(page, "client.state !== null")
        assert await page.evaluate("client.state.state") == "running"
        await page.clock.run_for(1_500)
        best = "poll" if stream else "sse"
        await advance(page, f"client.wire === '{best}' && ['live', 'polling'].includes(client.connection)")
        release(sandbox, task)
        await advance(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert is_gapless(await seqs(page))  # an event is reported once, whichever transport delivered it


async def test_an_unanswered_plain_call_does_not_delay_the_websocket(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The WebSocket goes live although the call for the first state is never answered."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.swallowed = {"poll"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))

        await until(page, SOCKET_LIVE)
        assert await page.evaluate("client.state.state") == "running"


async def test_the_event_stream_is_tried_when_websocket_and_plain_calls_fail(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It may be the only transport that works, so the client waits only briefly for plain calls."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws", "poll"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        for _ in range(25):
            await until(page, "client.connection !== 'connecting'")
            await page.clock.run_for(200)

        await until(page, "client.connection === 'live'")
        assert await page.evaluate("[client.wire, client.state.state]") == ["sse", "running"]


async def test_without_a_proxy_only_the_websocket_is_used(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Apart from one plain call for the first state: no event stream, no polling and no second snapshot."""
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        await until(page, SOCKET_LIVE)
        await page.clock.run_for(20_000)

        assert box.requests["ws"] == 1
        assert box.requests["poll"] == 1
        assert box.requests["sse"] == 0
        assert await openings(page) == ["snapshot"]
        await page.goto("about:blank")


async def test_the_working_transport_is_remembered_for_the_next_page(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """After a reload the client starts with the event stream instead of a WebSocket that is refused."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        before = box.requests["ws"]

        await page.reload()
        await page.evaluate(FOLLOW, subscription(relay, task))

        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        assert box.requests["ws"] == before


@pytest.mark.parametrize("storage", ["forbidden", "old", "odd"])
async def test_an_unusable_stored_choice_is_ignored(storage: str, sandbox: Sandbox, relay: Running, page: Page) -> None:
    """With forbidden storage, an expired entry or an unknown one, the WebSocket is tried first."""
    task = await start_held(relay, sandbox)
    value = {"old": "poll 1000", "odd": "carrier pigeon 99999999999"}.get(storage, "")
    forbid = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    keep = f"localStorage.setItem('relay.wire {relay.url}/', '{value}')"
    await page.add_init_script(forbid if storage == "forbidden" else keep)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, subscription(relay, task))

    await until(page, SOCKET_LIVE)


async def test_the_event_stream_replaces_a_blocked_websocket(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The client detects it, and follows the task to its end."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))

        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert await openings(page) == ["snapshot", "done"]


async def test_polling_replaces_a_blocked_event_stream(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The client reports `polling`, and still delivers every event."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))

        await until(page, "client.wire === 'poll' && client.connection === 'polling'")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert is_gapless(await seqs(page))


async def test_a_connection_without_data_is_abandoned(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A proxy that accepts connections and forwards nothing ends in polling."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.swallowed = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))

        async with asyncio.timeout(60):
            while await page.evaluate("client.connection !== 'polling'"):
                await page.clock.fast_forward(16_000)

    assert await page.evaluate("client.wire") == "poll"
    assert await page.evaluate("client.state.state") == "running"


async def test_a_better_transport_is_used_once_it_works(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It is tried beside the current one, so the connection is never reported as lost."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        seen = await page.evaluate("updates.length")

        box.refused = set()
        async with asyncio.timeout(60):
            while await page.evaluate("client.wire !== 'ws'"):
                await page.clock.fast_forward(14_000)
                await ping(relay, page)

        assert await page.evaluate(f"updates.slice({seen}).every(({{ connection }}) => connection === 'live')")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")


async def test_an_unreachable_relay_does_not_change_the_transport(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """When no transport is answered, the client keeps retrying the WebSocket."""
    complaints.append(LOST_CONNECTION)
    async with make_relay() as relay:
        await page.goto(relay.url + BLANK)
        options = subscription(relay, await start_held(relay, sandbox))
        await page.evaluate('() => void import("/static/relay.js")')
        await until(page, "customElements.get('relay-task') !== undefined")
    await page.evaluate(FOLLOW, options)

    await until(page, "updates.filter(({ connection }) => connection === 'offline').length >= 4")

    assert await page.evaluate("[...new Set(updates.map(({ wire }) => wire))]") == ["ws"]


async def test_a_board_of_a_tag_falls_back_to_the_event_stream(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It shows the tasks of the tag and their changes."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox, "shoot")
    await start_held(relay, sandbox, "else")
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW_TAG, ["shoot", relay.api_key])

        await until(page, "board.connection === 'live'")
        release(sandbox, task)
        await until(page, "[...board.states.values()].map(({ state }) => state).join() === 'succeeded'")


async def test_a_board_of_all_tasks_falls_back_to_polling(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It shows tasks that start later, too."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW_ALL, relay.api_key)

        await until(page, "board.connection === 'polling'")
        await start_held(relay, sandbox)
        await until(page, "board.states.size === 2")
        release(sandbox, task)
        await until(page, "[...board.states.values()].some(({ done }) => done)")


@pytest.mark.parametrize("blocked", ["", "ws", "ws sse"])
async def test_every_transport_works_under_a_base_path(
    blocked: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The client derives `https://example.com/relay/` from the URL of its own module."""
    complaints += [LOST_CONNECTION, "404"]
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.prefix = b"/relay"
    box.refused = set(blocked.split())
    async with box.open():
        await page.goto(f"{box.url}/relay/livez")
        await page.evaluate(FOLLOW.replace("/static/", f"{box.url}/relay/static/"), subscription(relay, task))

        best = {"": "ws", "ws": "sse", "ws sse": "poll"}[blocked]
        await until(page, f"client.wire === '{best}' && ['live', 'polling'].includes(client.connection)")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")
        assert await page.evaluate("client.state.done.verdict") == "succeeded"


async def test_retry_after_is_honoured(sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]) -> None:
    """The client does not reconnect earlier, even when no other transport works."""
    complaints += [LOST_CONNECTION, "503"]
    await page.clock.install()
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    box.swallowed = {"poll"}
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.evaluate(FOLLOW, subscription(relay, task) | {"wire": "sse"})
        await page.clock.run_for(500)
        await until(page, "client.connection === 'offline'")
        box.answer = b""

        await page.clock.run_for(99_000)
        assert await page.evaluate("client.connection") == "offline"
        assert box.requests["sse"] == 1
        await page.clock.run_for(2_000)

        await until(page, "client.connection === 'live'")
