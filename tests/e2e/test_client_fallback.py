"""Which wire serves: WebSocket, event stream or polling, as what stands between page and relay lets through."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import orjson
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
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"

FOLLOW = """async (options) => {
  const { RelayClient } = await import("/static/relay.js");
  window.client = new RelayClient(options);
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
SEQS = "updates.flatMap(({ message }) => (message?.seq && message.type !== 'resumed' ? [message.seq] : []))"
FOLLOW_TAG = """async ([tag, token]) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  board.subscribeTag(tag, token);
}"""

FOLLOW_ALL = """async (key) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  board.followAll(key);
}"""


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def held(relay: Running, sandbox: Sandbox, *tags: str) -> Snapshot:
    """Start a task that waits where it has just started, until it is released."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}, tags=tags))).snapshot


def wish(relay: Running, task: Snapshot) -> dict[str, str]:
    return {"task": task.id, "token": relay.context.access.mint(task.id, scope="view", ttl_s=6_000)[0]}


def release(sandbox: Sandbox, task: Snapshot) -> None:
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


async def ping(relay: Running, page: Page) -> None:
    """Let the relay speak: its clock stands while the page's is moved on."""
    before = await page.evaluate("updates.length")
    for viewer in relay.context.hub._viewers:
        viewer.write(viewer.form.wrap(orjson.dumps({"type": "ping"}), None))
    await until(page, f"updates.length > {before}")


async def told(page: Page) -> list[str]:
    """Return the kinds of the messages that the client was told, without the events between first and last."""
    kinds: list[str] = await page.evaluate("updates.flatMap(({ message }) => message?.type ?? [])")
    return [kind for kind in kinds if kind in ("snapshot", "resumed", "done")]


@pytest.mark.parametrize("stream", ["", "collected"])
@pytest.mark.parametrize("socket", ["refused", "swallowed"])
async def test_the_first_state_is_there_within_two_seconds_whatever_a_proxy_does(
    socket: str, stream: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A plain call brings it while the wires race: one that is refused, one that hangs, one that is held back."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    setattr(box, socket, {"ws"})
    box.collected = {"sse"} if stream else set()
    async with box.open():
        await page.goto(box.url)
        await page.evaluate('() => void import("/static/relay.js")')
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.evaluate(FOLLOW, wish(relay, task))

        await page.clock.run_for(500)
        await until(page, "client.state !== null")
        assert await page.evaluate("client.state.state") == "running"
        await page.clock.run_for(1_500)
        best = "poll" if stream else "sse"
        async with asyncio.timeout(60):
            while await page.evaluate(f"client.wire !== '{best}' || !['live', 'polling'].includes(client.connection)"):
                await page.clock.run_for(500)
        release(sandbox, task)
        async with asyncio.timeout(60):
            while await page.evaluate("client.connection !== 'ended'"):
                await page.clock.run_for(500)

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    seqs = await page.evaluate(SEQS)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))  # whatever wire brought an event, it is told once


async def test_a_slow_plain_call_keeps_no_wire_waiting(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Where the WebSocket works it serves, though the answer to the call never comes."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.swallowed = {"poll"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))

        await until(page, "client.wire === 'ws' && client.connection === 'live'")
        assert await page.evaluate("client.state.state") == "running"


async def test_a_stream_is_tried_where_plain_calls_fail_and_the_websocket_too(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It may be the only wire that passes, so the client waits only a moment for plain calls."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws", "poll"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))
        for _ in range(25):
            await until(page, "client.connection !== 'connecting'")
            await page.clock.run_for(200)

        await until(page, "client.connection === 'live'")
        assert await page.evaluate("[client.wire, client.state.state]") == ["sse", "running"]


async def test_where_everything_works_the_websocket_serves_alone(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """One plain call for the first state is all that comes besides: no stream, no polling, and no second snapshot."""
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))
        await until(page, "client.wire === 'ws' && client.connection === 'live'")
        await page.clock.run_for(20_000)

        assert box.requests["ws"] == 1
        assert box.requests["poll"] == 1
        assert box.requests["sse"] == 0
        assert await told(page) == ["snapshot"]


async def test_what_works_is_remembered_for_the_next_page(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A page that is loaded again begins with the stream, and does not wait for the WebSocket to be refused."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))
        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        before = box.requests["ws"]

        await page.reload()
        await page.evaluate(FOLLOW, wish(relay, task))

        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        assert box.requests["ws"] == before


@pytest.mark.parametrize("storage", ["forbidden", "old", "odd"])
async def test_a_memory_that_is_of_no_use_is_none(storage: str, sandbox: Sandbox, relay: Running, page: Page) -> None:
    """No right to store anything, an entry that has expired, an entry of something else: the best wire is tried."""
    task = await held(relay, sandbox)
    value = {"old": "poll 1000", "odd": "carrier pigeon 99999999999"}.get(storage, "")
    forbid = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    keep = f"localStorage.setItem('relay.wire {relay.url}/', '{value}')"
    await page.add_init_script(forbid if storage == "forbidden" else keep)
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, wish(relay, task))

    await until(page, "client.wire === 'ws' && client.connection === 'live'")


async def test_where_websockets_are_blocked_the_event_stream_serves(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The client finds out by itself, and the task is followed to its end."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))

        await until(page, "client.wire === 'sse' && client.connection === 'live'")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    assert await told(page) == ["snapshot", "done"]


async def test_where_no_stream_passes_either_polling_serves(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The worst way is slow, says so, and tells the same story to its end."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))

        await until(page, "client.wire === 'poll' && client.connection === 'polling'")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")

    assert await page.evaluate("client.state.done.verdict") == "succeeded"
    seqs = await page.evaluate(SEQS)
    assert len(seqs) > 0
    assert seqs == list(range(seqs[0], seqs[-1] + 1))


async def test_a_proxy_that_holds_streams_back_is_not_waited_for(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """A wire that stands and brings nothing is as good as none."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.swallowed = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))

        async with asyncio.timeout(60):
            while await page.evaluate("client.connection !== 'polling'"):
                await page.clock.fast_forward(16_000)

    assert await page.evaluate("client.wire") == "poll"
    assert await page.evaluate("client.state.state") == "running"


async def test_a_better_way_is_taken_when_it_opens(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It is tried beside the worse one, which serves until then: nobody sees an interruption."""
    complaints.append(LOST_CONNECTION)
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))
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


async def test_a_relay_that_is_away_is_not_taken_for_a_blocked_wire(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """When nothing answers at all, the WebSocket is what is tried again."""
    complaints.append(LOST_CONNECTION)
    async with make_relay() as relay:
        await page.goto(relay.url)
        wanted = wish(relay, await held(relay, sandbox))
        await page.evaluate('() => void import("/static/relay.js")')
        await until(page, "customElements.get('relay-task') !== undefined")
    await page.evaluate(FOLLOW, wanted)

    await until(page, "updates.filter(({ connection }) => connection === 'offline').length >= 4")

    assert await page.evaluate("[...new Set(updates.map(({ wire }) => wire))]") == ["ws"]


async def test_a_board_by_tag_is_streamed_where_websockets_are_blocked(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """What is there is shown, and what happens to it."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox, "shoot")
    await held(relay, sandbox, "else")
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW_TAG, ["shoot", relay.api_key])

        await until(page, "board.connection === 'live'")
        release(sandbox, task)
        await until(page, "[...board.states.values()].map(({ state }) => state).join() === 'succeeded'")


async def test_a_board_of_all_tasks_is_polled_where_nothing_can_be_streamed(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The last way serves boards, too, and what joins them."""
    complaints.append(LOST_CONNECTION)
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW_ALL, relay.api_key)

        await until(page, "board.connection === 'polling'")
        await held(relay, sandbox)
        await until(page, "board.states.size === 2")
        release(sandbox, task)
        await until(page, "[...board.states.values()].some(({ done }) => done)")


@pytest.mark.parametrize("blocked", ["", "ws", "ws sse"])
async def test_a_relay_under_a_path_is_reached_by_every_wire(
    blocked: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """`https://example.com/relay/`: where the relay is follows from where its module came from."""
    complaints += [LOST_CONNECTION, "404"]
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.prefix = b"/relay"
    box.refused = set(blocked.split())
    async with box.open():
        await page.goto(f"{box.url}/relay/livez")
        await page.evaluate(FOLLOW.replace("/static/", f"{box.url}/relay/static/"), wish(relay, task))

        best = {"": "ws", "ws": "sse", "ws sse": "poll"}[blocked]
        await until(page, f"client.wire === '{best}' && ['live', 'polling'].includes(client.connection)")
        release(sandbox, task)
        await until(page, "client.connection === 'ended'")
        assert await page.evaluate("client.state.done.verdict") == "succeeded"


async def test_retry_after_is_honoured(sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]) -> None:
    """The relay says when to come back, and the client does not before that, although nothing else serves."""
    complaints += [LOST_CONNECTION, "503"]
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    box.swallowed = {"poll"}
    async with box.open():
        await page.goto(box.url)
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.evaluate(FOLLOW, wish(relay, task) | {"wire": "sse"})
        await page.clock.run_for(500)
        await until(page, "client.connection === 'offline'")
        box.answer = b""

        await page.clock.run_for(99_000)
        assert await page.evaluate("client.connection") == "offline"
        assert box.requests["sse"] == 1
        await page.clock.run_for(2_000)

        await until(page, "client.connection === 'live'")
