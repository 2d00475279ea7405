"""How a page recovers from a reload, a reset connection, a restart of the relay and a lost network."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect
from yarl import URL

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import LOST_CONNECTION, cut, is_gapless, part, release, start_held, token, viewers

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

WIRES = ("ws", "sse")

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
  socket.onopen = () => subscriptions.forEach((each) => socket.send(JSON.stringify({ type: "subscribe", ...each })));
  socket.onmessage = ({ data }) => {
    heard.push(JSON.parse(data));
    if (heard.length === expected) done({ heard, state: socket.readyState });
  };
  socket.onclose = ({ code, reason }) => done({ heard, state: socket.readyState, code, reason });
})"""


def seqs_of(messages: list[Any]) -> list[int]:
    """Return the `seq` of every event among the messages."""
    return [message["seq"] for message in messages if "seq" in message and message["type"] != "resumed"]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_reloaded_page_shows_the_state_and_continues(
    wire: str, sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """Over either transport."""
    task = await start_held(relay, sandbox)
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "state")).to_have_text("Generating")

    await page.reload()

    await expect(part(page, "state")).to_have_text("Generating")
    release(sandbox, task)
    await expect(part(page, "state")).to_have_text("Succeeded")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_page_resumes_after_a_restart_of_the_relay(
    wire: str, tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page, view: View, complaints: list[str]
) -> None:
    """With the same port and store, without a gap."""
    complaints.append(LOST_CONNECTION)
    store = f"sqlite:///{tmp_path}/relay.db"
    async with make_relay(store=store) as relay:
        task = await start_held(relay, sandbox)
        await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
        await expect(part(page, "state")).to_have_text("Generating")
        await expect(part(page, "connection")).to_have_text("live")

    await expect(part(page, "connection")).not_to_have_text("live")
    async with make_relay(store=store, port=URL(relay.url).port):
        await expect(part(page, "connection")).to_have_text("live")
        release(sandbox, task)
        await expect(part(page, "state")).to_have_text("Succeeded")

    messages = await page.evaluate("messages")
    first, *others = [message["type"] for message in messages if message["type"] in ("snapshot", "resumed")]
    assert first == "snapshot"
    assert set(others) == {
        "resumed"
    }  # perhaps twice: a client may come back before the first relay has closed its port
    assert is_gapless(seqs_of(messages))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_page_resumes_after_a_reset_connection(
    wire: str, sandbox: Sandbox, relay: Running, page: Page, view: View, complaints: list[str]
) -> None:
    """Events of the meantime arrive once and in order."""
    complaints.append(LOST_CONNECTION)
    task = await start_held(relay, sandbox)
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "state")).to_have_text("Generating")

    cut(*await viewers(relay, 1))
    release(sandbox, task)

    await expect(part(page, "state")).to_have_text("Succeeded")
    messages = await page.evaluate("messages")
    assert "resumed" in [message["type"] for message in messages]
    assert is_gapless(seqs_of(messages))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_page_resumes_when_the_network_is_back(
    wire: str,
    sandbox: Sandbox,
    relay: Running,
    context: BrowserContext,
    page: Page,
    view: View,
    complaints: list[str],
) -> None:
    """Meanwhile it says that the connection is lost."""
    complaints.append(LOST_CONNECTION)
    task = await start_held(relay, sandbox)
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


async def test_a_native_event_source_resumes_and_closes_at_the_end(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """It resumes with Last-Event-ID; after `done` a 204 stops it from reconnecting."""
    complaints.append(LOST_CONNECTION)
    task = await start_held(relay, sandbox)
    await page.goto(relay.url)
    await page.evaluate(NATIVE, f"/v1/tasks/{task.id}/events?token={token(relay, task)}")
    await page.evaluate(UNTIL_RECEIVED, "snapshot")

    cut(*await viewers(relay, 1))
    await page.evaluate(UNTIL_RECEIVED, "resumed")
    release(sandbox, task)
    await page.evaluate(UNTIL_RECEIVED, "done")
    await page.evaluate(UNTIL_CLOSED)

    received = await page.evaluate("received")
    assert [message["type"] for message in received].count("snapshot") == 1
    events = [message for message in received if "seq" in message and message["type"] != "resumed"]
    assert is_gapless(seqs_of(received))
    assert events[-1]["type"] == "done"
    assert all(event["lastEventId"] == f"{relay.journal.epoch}:{event['seq']}" for event in events)


async def test_a_refused_subscription_does_not_affect_the_others(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """One bad token and one unknown task among twenty subscriptions of a socket."""
    tasks = [await start_held(relay, sandbox, stage="task_queue") for _ in range(20)]
    subscriptions = [{"task": task.id, "token": token(relay, task)} for task in tasks]
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
