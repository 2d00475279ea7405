"""Webhooks of a whole relay: a start names a receiver, the receiver hears of the task, and deliveries are listed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from tests.conftest import MakeRelay
from tests.webhooks.receiver import SECRET, Receiver, answer

Message = dict[str, Any]

IMAGE = "bytedance/text-to-image-seedream-v4"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture
async def relay(make_relay: MakeRelay, receiver: Receiver) -> AsyncIterator[Running]:
    """Start a relay that sends all webhooks to the receiver."""
    settings = {
        "webhook_urls": (receiver.url,),
        "webhook_secrets": (SECRET,),
        "webhook_hosts": "hooks.example.com,*.shop.example.com:8443",
    }
    async with make_relay(**settings) as started:
        yield started


async def start(client: aiohttp.ClientSession, **fields: object) -> tuple[int, Message]:
    body = {"model": IMAGE, "input": {"prompt": "a cat"}, "tags": ["shop"]} | fields
    async with client.post("/v1/tasks", json=body) as response:
        return response.status, await response.json()


async def listed(client: aiohttp.ClientSession, **query: str) -> Message:
    async with client.get("/v1/webhooks", params=query) as response:
        assert response.status == 200, await response.text()
        found: Message = await response.json()
        return found


async def test_a_server_hears_of_a_task_from_its_start_to_its_end(
    client: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """In order, each with the state at that moment."""
    _, made = await start(client)
    task = made["task"]["id"]
    await receiver.until(lambda: receiver.of(task)[-1:] == ["task.done"])

    kinds, bodies = receiver.of(task), [each["data"] for each in receiver.accepted]
    assert kinds[0] == "task.started"
    assert kinds.count("task.started") == kinds.count("task.done") == 1
    assert kinds.index("task.results") > kinds.index("task.stage")
    assert bodies[0]["upstream_id"] is not None
    assert bodies[0]["done"] is None
    assert bodies[-1]["done"]["verdict"] == "succeeded"
    assert bodies[-1]["outputs"] == bodies[kinds.index("task.results")]["outputs"] != []
    assert [each["seq"] for each in bodies] == sorted(each["seq"] for each in bodies)
    assert all(each["log"] == each["segments"] == [] for each in bodies)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://other.example.com/", "must have one of the hosts in RELAY_WEBHOOK_HOSTS (hooks.example.com:443, "),
        ("http://hooks.example.com/", "must begin with https://"),
        ("https://user:secret@hooks.example.com/", "without user name"),
        ("https://hooks.example.com:8443/", "must have one of the hosts"),
        ("https://127.0.0.1/", "must have one of the hosts"),
        ("https://hooks.example.com@127.0.0.1/", "without user name"),
        ("", "at least 1 character"),
    ],
)
async def test_a_start_names_only_receivers_that_the_settings_allow(
    url: str, problem: str, client: aiohttp.ClientSession
) -> None:
    """The error names the field, and no task is created."""
    status, body = await start(client, webhook={"url": url})
    assert (status, body["code"]) == (422, "invalid_input")
    assert [each["field"] for each in body["errors"]] == ["webhook.url"]
    assert problem in body["errors"][0]["message"]
    assert "secret" not in body["detail"]
    async with client.get("/v1/tasks") as tasks:
        assert (await tasks.json())["tasks"] == []


@pytest.mark.parametrize("fields", [{}, {"tags": ["shop"]}])
async def test_a_repeat_with_a_start_token_has_no_webhook(
    fields: dict[str, Any], client: aiohttp.ClientSession, relay: Running
) -> None:
    """The earlier task's receiver is not for the holder of the token, also if the repeat names its tag."""
    _, made = await start(client, webhook={"url": "https://hooks.example.com/", "events": ["task.done"]})
    async with client.post("/v1/tokens", json={"tag": "shop", "scope": "start view"}) as minted:
        token = (await minted.json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post(f"/v1/tasks/{made['task']['id']}/again", json=fields, headers=headers) as again:
        assert again.status == 201, await again.text()
        repeated = (await again.json())["task"]["id"]
    async with client.get(f"/v1/tasks/{repeated}", params={"wait": "60"}) as ended:
        assert (await ended.json())["done"]["verdict"] == "succeeded"

    receivers = {each["url"] for each in (await listed(client, task=repeated))["webhooks"]}
    assert all("hooks.example.com" not in each for each in receivers)


async def test_a_start_chooses_the_types_of_its_webhooks(client: aiohttp.ClientSession, receiver: Receiver) -> None:
    """The receivers of the settings get all of them. An unknown type is an error."""
    url = "https://eu.shop.example.com:8443/hook"
    status, made = await start(client, webhook={"url": url, "events": ["task.done", "task.started"]})
    assert status == 201, made
    task = made["task"]["id"]
    await receiver.until(lambda: receiver.of(task)[-1:] == ["task.done"])

    found = (await listed(client, task=task))["webhooks"]
    assert [each["type"] for each in found if each["url"] == url] == ["task.done", "task.started"]
    assert found[0]["status"] == "queued"

    status, body = await start(client, webhook={"url": url, "events": ["task.paused"]})
    assert (status, body["errors"][0]["field"]) == (422, "webhook.events.0")


async def test_without_hosts_a_start_names_the_receivers_of_the_settings_only(
    make_relay: MakeRelay, receiver: Receiver
) -> None:
    """Naming one of them sends nothing twice."""
    async with AsyncExitStack() as opened:
        relay = await opened.enter_async_context(make_relay(webhook_urls=(receiver.url,), webhook_secrets=(SECRET,)))
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        client = await opened.enter_async_context(aiohttp.ClientSession(relay.url, headers=headers))
        _, body = await start(client, webhook={"url": "https://hooks.example.com/"})
        assert body["errors"][0]["message"] == "is not possible: the relay has no RELAY_WEBHOOK_HOSTS"
        _, made = await start(client, webhook={"url": receiver.url, "events": ["task.started"]})
        await receiver.until(lambda: receiver.of(made["task"]["id"])[-1:] == ["task.done"])
        assert set(receiver.attempts.values()) == {1}


async def test_a_server_hears_when_the_results_are_kept(
    make_relay: MakeRelay, receiver: Receiver, tmp_path: Path
) -> None:
    """After the last copy, with the state of the task that has ended."""
    settings = {"webhook_urls": (receiver.url,), "webhook_secrets": (SECRET,), "archive": f"file://{tmp_path}"}
    async with AsyncExitStack() as opened:
        relay = await opened.enter_async_context(make_relay(**settings))
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        client = await opened.enter_async_context(aiohttp.ClientSession(relay.url, headers=headers))
        _, made = await start(client)
        await receiver.until(lambda: receiver.of(made["task"]["id"])[-2:] == ["task.done", "task.archived"])
        assert receiver.accepted[-1]["data"]["state"] == "succeeded"


async def test_deliveries_are_listed_in_pages_and_sent_again(client: aiohttp.ClientSession, receiver: Receiver) -> None:
    """Newest first; a failed one is pending, those behind it are queued, and one call sends it now."""
    receiver.next.append(answer(503, Retry_After="1000"))
    _, made = await start(client)
    task = made["task"]["id"]
    async with client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as events:
        await events.read()
    await receiver.until(lambda: bool(receiver.attempts))
    first: Message = {}
    while not first.get("attempts"):
        found = await listed(client, task=task, limit="200")
        first = found["webhooks"][-1]
    assert found["next"] is None
    assert {each["status"] for each in found["webhooks"][:-1]} == {"queued"}
    assert (first["status"], first["answer"], first["type"]) == ("pending", "HTTP 503", "task.started")
    assert 700 < first["next_in_s"] < 1300
    assert first["url"] == receiver.url

    pages: list[Message] = []
    cursor: dict[str, str] = {}
    while True:
        page = await listed(client, limit="3", **cursor)
        pages += page["webhooks"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [each["id"] for each in pages] == [each["id"] for each in found["webhooks"]]

    async with client.post(f"/v1/webhooks/{first['id']}/again") as response:
        assert response.status == 202
        assert (await response.json())["id"] == first["id"]
    await receiver.until(lambda: receiver.of(task)[-1:] == ["task.done"])
    assert receiver.attempts[first["id"]] == 2


async def test_webhooks_are_for_api_keys(client: aiohttp.ClientSession, relay: Running) -> None:
    """A viewer token is not enough; an unknown id and an invalid query are errors."""
    token, _ = relay.context.access.mint("some-task", scope="view", ttl_s=60)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as viewer:
        assert (await viewer.get("/v1/webhooks")).status == 403
        assert (await viewer.post("/v1/webhooks/msg_1/again")).status == 403
    assert (await client.post("/v1/webhooks/msg_1/again")).status == 404
    for query in ("status=lost", "limit=0", "limit=201", "cursor=x", "cursor=0", "more=1", "task=a&task=b"):
        assert (await client.get(f"/v1/webhooks?{query}")).status == 422
