"""The ways down and up again: WebSocket, event stream, polling, as what stands between page and relay lets through."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import orjson
import pytest
from playwright.async_api import Page
from yarl import URL

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.wishes import Start

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
FOLLOW_EACH = """async (subscriptions) => {
  const { RelayClient } = await import("/static/relay.js");
  window.clients = subscriptions.map((options) => new RelayClient(options));
}"""
FOLLOW_TAG = """async ([tag, token]) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  board.subscribeTag(tag, token);
}"""


class Middlebox:
    """A proxy in front of a relay that has its own mind about what may pass. Every connection carries one request."""

    def __init__(self, relay: Running) -> None:
        self.relay = URL(relay.url)
        self.url = ""
        self.refused: set[str] = set()
        """The wires whose requests are cut off: `ws`, `sse`."""
        self.swallowed: set[str] = set()
        """The wires whose answers are held back: the connection stands, and nothing comes."""
        self.answer = b""
        """An answer that is given in the place of the relay's, once for each request for a stream."""
        self.streams = 0
        self._busy: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._pass(reader, writer)
        finally:
            self._busy.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        wire = wire_of(head)
        self.streams += wire == "sse"
        if wire in self.refused:
            return
        if wire == "sse" and self.answer:
            writer.write(self.answer)
            return
        if wire in self.swallowed:
            await reader.read()
            return
        if wire != "ws":
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
        theirs, ours = await asyncio.open_connection(self.relay.host, self.relay.port)
        ours.write(head)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(pump(reader, ours))
                await pump(theirs, writer)
                up.cancel()
        finally:
            ours.close()


def wire_of(head: bytes) -> str:
    """Return which wire a request is for; empty for any other request."""
    said = head.lower()
    if b"\r\nupgrade: websocket" in said:
        return "ws"
    return "sse" if b"\r\naccept: text/event-stream" in said else ""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until nothing does."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


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
    seqs = await page.evaluate("updates.flatMap(({ message }) => message?.seq ?? [])")
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


async def test_more_streams_than_a_browser_has_connections_leave_room_for_other_calls(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Without HTTP/2 four tasks are streamed and the others polled: no client waits for ever, and nor does the page."""
    complaints.append(LOST_CONNECTION)
    box, tasks = Middlebox(relay), [await held(relay, sandbox) for _ in range(8)]
    box.refused = {"ws"}
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW_EACH, [wish(relay, task) for task in tasks])

        await until(page, "clients.every(({ state }) => state)")
        assert sorted(await page.evaluate("clients.map(({ wire }) => wire)")) == ["poll"] * 4 + ["sse"] * 4
        assert await page.evaluate("fetch('/livez').then(({ ok }) => ok)")


async def test_a_board_by_tag_is_polled_where_websockets_are_blocked(
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

        await until(page, "board.connection === 'polling'")
        release(sandbox, task)
        await until(page, "[...board.states.values()].map(({ state }) => state).join() === 'succeeded'")


async def test_retry_after_is_honoured(sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]) -> None:
    """The relay says when to come back, and not before that does the client."""
    complaints += [LOST_CONNECTION, "503"]
    await page.clock.install()
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with box.open():
        await page.goto(box.url)
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.evaluate(FOLLOW, wish(relay, task) | {"wire": "sse"})
        await until(page, "client.connection === 'offline'")
        box.answer = b""

        await page.clock.run_for(99_000)
        assert await page.evaluate("client.connection") == "offline"
        assert box.streams == 1
        await page.clock.run_for(2_000)

        await until(page, "client.connection === 'live'")
