"""Bursts of the browser's `online` and `offline` events, while the client is connected or connecting."""

import asyncio

import pytest
from playwright.async_api import Page, WebSocket, WebSocketRoute

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import BLANK, FOLLOW, LOST_CONNECTION, SOCKET_LIVE, advance, start_held, subscription, until
from tests.e2e.middlebox import Middlebox

pytestmark = pytest.mark.asyncio(loop_scope="session")


BURST = """async () => {
  window.hinted = false;
  for (let n = 0; n < 20; n++) {
    dispatchEvent(new Event(n % 2 ? "online" : "offline"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  window.hinted = true;
}"""


async def test_a_working_connection_survives_a_burst_of_network_events(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """The client pings once for the whole burst, and keeps the socket."""
    task = await start_held(relay, sandbox)
    sockets: list[str] = []
    frames: list[str | bytes] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket.url)
        socket.on("framesent", lambda frame: frames.append(frame))

    page.on("websocket", opened)
    await page.clock.install()
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)
    before = len(frames)

    await page.evaluate(f"void ({BURST})()")
    await advance(page, "hinted", step_ms=50)
    await page.clock.run_for(1_000)
    async with asyncio.timeout(60):
        while len(frames) == before:  # noqa: ASYNC110 -- Playwright has no event to wait for
            await asyncio.sleep(0.01)
    await page.clock.run_for(10_000)

    assert len(frames) == before + 1  # one ping for all twenty events
    assert len(sockets) == 1
    assert await page.evaluate("updates.every(({ connection }) => connection !== 'offline')")


async def test_a_dead_connection_is_replaced_after_a_network_event(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """After a change of network the old socket looks open but delivers nothing."""
    complaints.append(LOST_CONNECTION)
    task = await start_held(relay, sandbox)
    await page.clock.install()
    deaf = False

    def connect(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: None if deaf else server.send(message))

    await page.route_web_socket("**/v1/ws", connect)
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, subscription(relay, task))
    await until(page, SOCKET_LIVE)
    deaf = True

    await page.evaluate("void dispatchEvent(new Event('online'))")
    await page.clock.run_for(4_000)
    assert await page.evaluate("client.connection") == "live"
    deaf = False
    await page.clock.run_for(3_000)

    await until(page, "updates.some(({ connection }) => connection === 'connecting')")
    await until(page, "client.connection === 'live'")


async def test_a_burst_of_network_events_does_not_restart_a_pending_connection(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Each transport is requested once."""
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.swallowed = {"ws", "sse"}
    await page.clock.install()
    async with box.open():
        await page.goto(box.url + BLANK)
        await page.evaluate(FOLLOW, subscription(relay, task))
        await until(page, "client.state !== null")

        await page.evaluate(f"void ({BURST})()")
        await page.clock.run_for(3_000)
        await until(page, "client.connection === 'polling'")
        async with asyncio.timeout(60):  # the page's clock is ahead of the browser, which may still be sending
            while not box.requests["sse"]:  # noqa: ASYNC110 -- the box has no event for it
                await asyncio.sleep(0.01)

        assert box.requests["ws"] == 1
        assert box.requests["sse"] == 1
        await page.goto("about:blank")
