"""What a page lives through: a reload, a cut connection, a relay that restarts, a network that is gone."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect
from yarl import URL

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.hub.viewer import Viewer
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

IMAGE = "bytedance/text-to-image-seedream-v4"
WIRES = ("ws", "sse")
LOST_CONNECTION = "net::ERR_|WebSocket connection to .* failed"
"""Chromium writes every connection that fails into the console: here they are meant to."""

NATIVE = """(address) => {
  window.received = [];
  window.source = new EventSource(address);
  source.onmessage = ({ data, lastEventId }) => received.push({ ...JSON.parse(data), lastEventId });
}"""
UNTIL_RECEIVED = """(type) => new Promise((done) => {
  const look = () => received.some((message) => message.type === type) && done();
  source.addEventListener("message", look);
  look();
})"""
UNTIL_CLOSED = """() => new Promise((done) => {
  const look = () => source.readyState === EventSource.CLOSED && done();
  source.addEventListener("error", look);
  look();
})"""

FOLLOW_ALL = """({ address, subscriptions, expected }) => new Promise((done) => {
  const heard = [];
  const socket = new WebSocket(address, ["relay.v1"]);
  socket.onopen = () => subscriptions.forEach((wish) => socket.send(JSON.stringify({ type: "subscribe", ...wish })));
  socket.onmessage = ({ data }) => {
    heard.push(JSON.parse(data));
    if (heard.length === expected) done({ heard, state: socket.readyState });
  };
  socket.onclose = ({ code, reason }) => done({ heard, state: socket.readyState, code, reason });
})"""


def part(page: Page, name: str) -> Locator:
    """Find a part of the <relay-task> by its name."""
    return page.locator(f'[data-is="{name}"]')


async def held(relay: Running, sandbox: Sandbox, stage: str) -> Snapshot:
    """Start a task that waits at a stage until it is released."""
    sandbox.next_run(hold_at=stage)
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot


def release(sandbox: Sandbox, task: Snapshot) -> None:
    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)


async def joined(relay: Running) -> Viewer:
    """Wait for the one viewer of the relay."""
    async with asyncio.timeout(60):
        while relay.context.hub.viewers == 0:  # noqa: ASYNC110 -- the hub tells nobody that a viewer has come
            await asyncio.sleep(0)
    (viewer,) = relay.context.hub._viewers
    return viewer


def cut(viewer: Viewer) -> None:
    """Cut a viewer's connection as a network does: without a word."""
    transport = viewer.write.__self__  # type: ignore[attr-defined]
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


def is_gapless(messages: list[Any]) -> bool:
    """Say whether the events among the messages follow each other, none left out and none twice."""
    seqs = [message["seq"] for message in messages if "seq" in message and message["type"] != "resumed"]
    return len(seqs) > 0 and seqs == list(range(seqs[0], seqs[0] + len(seqs)))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_reload_in_the_middle_shows_the_state_and_goes_on(
    wire: str, sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """A page that begins anew has at once what the first one had, and sees the end."""
    task = await held(relay, sandbox, "task_start")
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "state")).to_have_text("Generating")

    await page.reload()

    await expect(part(page, "state")).to_have_text("Generating")
    release(sandbox, task)
    await expect(part(page, "state")).to_have_text("Succeeded")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_relay_that_restarts_in_the_middle_is_found_again(
    wire: str, tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, view: View, complaints: list[str]
) -> None:
    """The same port, the same store, another process: the page comes back by itself and resumes without a gap."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        task = await held(relay, sandbox, "task_start")
        await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
        await expect(part(page, "state")).to_have_text("Generating")
        await expect(part(page, "connection")).to_have_text("live")

    await expect(part(page, "connection")).not_to_have_text("live")
    async with make_relay(store=store, port=URL(relay.url).port):
        await expect(part(page, "connection")).to_have_text("live")
        release(sandbox, task)
        await expect(part(page, "state")).to_have_text("Succeeded")

    messages = await page.evaluate("messages")
    assert [message["type"] for message in messages if message["type"] in ("snapshot", "resumed")] == [
        "snapshot",
        "resumed",
    ]
    assert is_gapless(messages)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_cut_connection_resumes_without_gap_or_repetition(
    wire: str, sandbox: Sandbox, relay: Running, page: Page, view: View, complaints: list[str]
) -> None:
    """What happened while the page was cut off reaches it once, and in order."""
    complaints.append(LOST_CONNECTION)
    task = await held(relay, sandbox, "task_start")
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "state")).to_have_text("Generating")

    cut(await joined(relay))
    release(sandbox, task)

    await expect(part(page, "state")).to_have_text("Succeeded")
    messages = await page.evaluate("messages")
    assert "resumed" in [message["type"] for message in messages]
    assert is_gapless(messages)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_network_that_goes_and_comes_back_is_survived(
    wire: str,
    sandbox: Sandbox,
    relay: Running,
    context: BrowserContext,
    page: Page,
    view: View,
    complaints: list[str],
) -> None:
    """Offline and cut off, the page says so; online again, it goes on by itself."""
    complaints.append(LOST_CONNECTION)
    task = await held(relay, sandbox, "task_start")
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "connection")).to_have_text("live")

    await context.set_offline(True)
    for viewer in list(relay.context.hub._viewers):
        cut(viewer)
    await expect(part(page, "connection")).to_have_text("offline")
    await expect(part(page, "lost")).to_contain_text("Connection lost")
    await context.set_offline(False)

    await expect(part(page, "connection")).to_have_text("live")
    release(sandbox, task)
    await expect(part(page, "state")).to_have_text("Succeeded")


async def test_a_native_event_source_comes_back_by_itself_and_ends_by_itself(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """With nothing but `?token=`: cut off it resumes with Last-Event-ID, and after the end a 204 closes it for good."""
    complaints.append(LOST_CONNECTION)
    task = await held(relay, sandbox, "task_start")
    token, _ = relay.context.access.mint(task.id, scope="view", ttl_s=600)
    await page.goto(relay.url)
    await page.evaluate(NATIVE, f"/v1/tasks/{task.id}/events?token={token}")
    await page.evaluate(UNTIL_RECEIVED, "snapshot")

    cut(await joined(relay))
    await page.evaluate(UNTIL_RECEIVED, "resumed")
    release(sandbox, task)
    await page.evaluate(UNTIL_RECEIVED, "done")
    await page.evaluate(UNTIL_CLOSED)

    received = await page.evaluate("received")
    assert [message["type"] for message in received].count("snapshot") == 1
    events = [message for message in received if "seq" in message and message["type"] != "resumed"]
    assert is_gapless(received)
    assert events[-1]["type"] == "done"
    assert all(event["lastEventId"] == f"{relay.context.journal.epoch}:{event['seq']}" for event in events)


async def test_one_bad_subscription_among_twenty_ends_only_itself(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """A board whose one link has gone bad keeps all the others."""
    tasks = [await held(relay, sandbox, "task_queue") for _ in range(20)]
    subscriptions = [
        {"task": task.id, "token": relay.context.access.mint(task.id, scope="view", ttl_s=600)[0]} for task in tasks
    ]
    bad = {"task": tasks[3].id, "token": subscriptions[4]["token"]}
    await page.goto(relay.url)

    answer = await page.evaluate(
        FOLLOW_ALL,
        {
            "address": relay.url.replace("http", "ws") + "/v1/ws",
            "subscriptions": [*subscriptions[:3], bad, *subscriptions[4:], {"task": "nothing", "token": "nonsense"}],
            "expected": 21,
        },
    )

    assert answer["state"] == 1, answer  # open
    faults = [message for message in answer["heard"] if message["type"] == "error"]
    assert {(fault["task"], fault["code"]) for fault in faults} == {
        (tasks[3].id, "forbidden"),
        ("nothing", "unauthorized"),
    }
    shown = {message["task"]["id"] for message in answer["heard"] if message["type"] == "snapshot"}
    assert shown == {task.id for task in tasks} - {tasks[3].id}
