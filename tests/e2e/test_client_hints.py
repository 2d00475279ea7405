"""What a browser hints at: networks that come and go, in bursts, while the connection stands or is being made."""

import asyncio

import pytest
from playwright.async_api import Page, WebSocket, WebSocketRoute

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"

FOLLOW = """async (options) => {
  const { RelayClient } = await import("/static/relay.js");
  window.client = new RelayClient(options);
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""

BURST = """async () => {
  window.hinted = false;
  for (let n = 0; n < 20; n++) {
    dispatchEvent(new Event(n % 2 ? "online" : "offline"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  window.hinted = true;
}"""


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(30):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def held(relay: Running, sandbox: Sandbox) -> Snapshot:
    """Start a task that waits where it has just started, until it is released."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot


def wish(relay: Running, task: Snapshot) -> dict[str, str]:
    return {"task": task.id, "token": relay.context.access.mint(task.id, scope="view", ttl_s=6_000)[0]}


async def test_a_burst_of_hints_drops_no_connection_that_works(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The socket is asked for a sign of life, gives it, and stays."""
    task = await held(relay, sandbox)
    sockets: list[str] = []
    frames: list[str | bytes] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket.url)
        socket.on("framesent", lambda frame: frames.append(frame))

    page.on("websocket", opened)
    await page.clock.install()
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, wish(relay, task))
    await until(page, "client.wire === 'ws' && client.connection === 'live'")
    before = len(frames)

    await page.evaluate(f"void ({BURST})()")
    async with asyncio.timeout(30):
        while not await page.evaluate("hinted"):
            await page.clock.run_for(50)
    await page.clock.run_for(1_000)
    async with asyncio.timeout(30):
        while len(frames) == before:  # noqa: ASYNC110 -- the browser tells nobody
            await asyncio.sleep(0.01)
    await page.clock.run_for(10_000)

    assert len(frames) == before + 1  # one question for all twenty
    assert len(sockets) == 1
    assert await page.evaluate("updates.every(({ connection }) => connection !== 'offline')")


async def test_a_connection_that_no_longer_carries_is_found_out(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """On another network the old socket looks open, and nothing comes of it: after the hint it is replaced."""
    complaints.append(LOST_CONNECTION)
    task = await held(relay, sandbox)
    await page.clock.install()
    deaf = False

    def connect(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: None if deaf else server.send(message))

    await page.route_web_socket("**/v1/ws", connect)
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, wish(relay, task))
    await until(page, "client.wire === 'ws' && client.connection === 'live'")
    deaf = True

    await page.evaluate("void dispatchEvent(new Event('online'))")
    await page.clock.run_for(4_000)
    assert await page.evaluate("client.connection") == "live"
    deaf = False
    await page.clock.run_for(3_000)

    await until(page, "updates.some(({ connection }) => connection === 'connecting')")
    await until(page, "client.connection === 'live'")


async def test_a_connection_that_is_being_made_is_not_begun_again(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Whatever is hinted at meanwhile."""
    box, task = Middlebox(relay), await held(relay, sandbox)
    box.swallowed = {"ws", "sse"}
    await page.clock.install()
    async with box.open():
        await page.goto(box.url)
        await page.evaluate(FOLLOW, wish(relay, task))
        await until(page, "client.state !== null")

        await page.evaluate(f"void ({BURST})()")
        await page.clock.run_for(3_000)
        await until(page, "client.connection === 'polling'")

        assert box.requests["ws"] == 1
        assert box.requests["sse"] == 1
        await page.goto("about:blank")
