"""Tokens with the scope `view:status`: on each wire, they see neither log, cost, model, provider nor evidence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
HIDDEN = ("bytedance", "seedream", '"wiro"', '"usd"', "exit code")


async def minted(client: aiohttp.ClientSession, path: str, **body: object) -> str:
    async with client.post(path, json={"scope": "view:status"} | body) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["token"])


def check(texts: list[str], full: Message) -> None:
    """Check that texts are about a task and show its status only."""
    lines = [line for entry in full["log"] for line in entry["text"].splitlines() if line.strip()]
    assert lines
    for text in texts:
        assert full["id"] in text
        assert not [each for each in (*HIDDEN, *full["done"]["evidence"], *lines) if each in text], text


async def watch(relay: Running, token: str, wanted: Message, until: str) -> str:
    """Return what a WebSocket receives until a message of a type."""
    received = []
    async with aiohttp.ClientSession(relay.url) as session, session.ws_connect("/v1/ws") as socket:
        await socket.send_json({"type": "subscribe", "token": token} | wanted)
        while True:
            text = await socket.receive_str()
            received.append(text)
            if orjson.loads(text)["type"] in (until, "error"):
                return "\n".join(received)


@pytest.mark.parametrize("live", [True, False], ids=["live", "ended"])
async def test_a_status_token_sees_the_same_on_each_wire(
    relay: Running, client: aiohttp.ClientSession, start: Start, *, live: bool
) -> None:
    """Lists, states, waits, pages of the log, WebSocket, SSE and polls; while the task runs and after its end."""
    made = await start(tags=["u"], title="shown")
    task = made["task"]["id"]
    own = await minted(client, f"/v1/tasks/{task}/tokens")
    tag = await minted(client, "/v1/tokens", tag="u")
    if not live:
        async with client.get(f"/v1/tasks/{task}?wait=60") as answer:
            assert (await answer.json())["done"] is not None
    frames, listed = await asyncio.gather(
        watch(relay, own, {"task": task}, "done" if live else "snapshot"), watch(relay, tag, {"tag": "u"}, "listed")
    )
    texts = [frames, listed]
    async with aiohttp.ClientSession(relay.url) as session:
        for token, path, headers in (
            (own, f"/v1/tasks/{task}?wait=60", {}),
            (own, f"/v1/tasks/{task}/events?limit=1000", {}),
            (own, f"/v1/tasks/{task}/events", {"Accept": "text/event-stream"}),
            (own, f"/v1/events?task={task}", {"Accept": "text/event-stream"}),
            (own, f"/v1/events?task={task}", {}),
            (tag, "/v1/tasks?tag=u", {}),
            (tag, "/v1/events?tag=u", {}),
        ):
            async with session.get(path, headers={"Authorization": f"Bearer {token}"} | headers) as answer:
                assert answer.status == 200, path
                texts.append(await answer.text())
        for path in (f"/v1/tasks/{task}/input", "/v1/tasks", "/v1/models"):
            async with session.get(path, headers={"Authorization": f"Bearer {own}"}) as answer:
                assert answer.status == 403, path
        async with session.get(f"/v1/tasks/{task}", headers={"Authorization": f"Bearer {own}"}) as answer:
            shown = await answer.json()
    async with client.get(f"/v1/tasks/{task}") as answer:
        check(texts, await answer.json())
    assert (shown["state"], shown["title"], shown["done"]["verdict"]) == ("succeeded", "shown", "succeeded")
    assert shown["outputs"][0]["href"]


async def test_a_status_token_neither_renews_nor_widens_a_full_view(
    relay: Running, client: aiohttp.ClientSession, start: Start
) -> None:
    """And both may be on one connection."""
    made = await start("hold_at=task_start")
    task = made["task"]["id"]
    own = await minted(client, f"/v1/tasks/{task}/tokens")
    async with aiohttp.ClientSession(relay.url) as session, session.ws_connect("/v1/ws") as socket:
        await socket.send_json({"type": "subscribe", "task": task, "token": made["token"]})
        full = await socket.receive_json()
        await socket.send_json({"type": "auth", "token": own})
        await socket.send_json({"type": "subscribe", "task": task, "token": own})
        while (reduced := await socket.receive_json())["type"] != "snapshot":
            pass  # events of the first subscription
    assert full["task"]["model"]
    assert (reduced["task"]["model"], reduced["task"]["provider"]) == ("", "")
