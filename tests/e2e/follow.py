"""Hold a task at a stage, follow it with `RelayClient` or `RelayBoard` in a page, and wait for what the page shows."""

import asyncio
from typing import Any

from playwright.async_api import Locator, Page

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.hub.viewer import Viewer
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

IMAGE = "bytedance/text-to-image-seedream-v4"
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"
"""What Chromium writes to the console for every connection that fails."""

BLANK = "/livez"
"""A document of the relay's origin that loads nothing: pages take half of the time of these tests."""

FOLLOW = """async (options) => {
  const { RelayClient } = await import("/static/relay.js");
  window.client = new RelayClient(options);
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
"""Follow one task: `client`, and its `updates` in order."""

FOLLOW_EACH = """async (subscriptions) => {
  const { RelayClient } = await import("/static/relay.js");
  window.clients = subscriptions.map((options) => new RelayClient(options));
  window.updates = [];
  for (const client of clients) client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""
"""Follow tasks with a client each: `clients`, and the `updates` of all of them in order."""

FOLLOW_ALL = """async (key) => {
  const { RelayBoard } = await import("/static/relay.js");
  window.board = new RelayBoard();
  window.updates = [];
  board.addEventListener("update", ({ detail }) => updates.push(detail));
  board.followAll(key);
}"""
"""Follow every task of the relay: `board`, and its `updates` in order."""

SOCKET_LIVE = "client.wire === 'ws' && client.connection === 'live'"
ALL_LIVE = "window.clients?.every(({ state, connection }) => state && ['live', 'polling'].includes(connection))"
ALL_DONE = "clients.every(({ state }) => state?.done)"


def part(page: Page, name: str) -> Locator:
    """Return a part of the page's `<relay-task>` by its name."""
    return page.locator(f'[data-is="{name}"]')


async def until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true in the page."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- the page cannot notify this process
            await asyncio.sleep(0.02)


async def advance(page: Page, condition: str, step_ms: int = 500) -> None:
    """Advance the page's installed clock in steps until a JavaScript expression is true."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):
            await page.clock.run_for(step_ms)


async def seqs(page: Page) -> list[int]:
    """Return the `seq` of every event in the page's `updates`, in order."""
    found: list[int] = await page.evaluate(
        "updates.flatMap(({ message }) => (message?.seq && message.type !== 'resumed' ? [message.seq] : []))"
    )
    return found


def is_gapless(numbers: list[int]) -> bool:
    """Return whether the numbers are consecutive and at least one is there."""
    return len(numbers) > 0 and numbers == list(range(numbers[0], numbers[-1] + 1))


async def start_held(relay: Running, sandbox: Sandbox, *tags: str, stage: str = "task_start") -> Snapshot:
    """Start a task that the simulated platform holds at a stage until `release`."""
    sandbox.next_run(hold_at=stage)
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}, tags=tags))).snapshot


def release(sandbox: Sandbox, task: Snapshot) -> None:
    """Let a held task run to its end."""
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


def token(relay: Running, task: Snapshot, ttl_s: float = 6_000) -> str:
    """Return a viewer token for the task."""
    return relay.context.access.mint(task.id, scope="view", ttl_s=ttl_s)[0]


def subscription(relay: Running, task: Snapshot, **options: str) -> dict[str, Any]:
    """Return what `RelayClient` needs to follow the task."""
    return {"task": task.id, "token": token(relay, task), **options}


async def viewers(relay: Running, count: int) -> list[Viewer]:
    """Wait until the relay has this number of viewers, and return them."""
    async with asyncio.timeout(60):
        while relay.context.hub.viewers != count:  # noqa: ASYNC110 -- the hub has no event for it
            await asyncio.sleep(0.005)
    return list(relay.context.hub._viewers)


def cut(viewer: Viewer) -> None:
    """Reset a viewer's TCP connection without a closing handshake."""
    transport = viewer.write.__self__  # type: ignore[attr-defined]
    assert isinstance(transport, asyncio.Transport)
    transport.abort()
