"""Subscriptions to tags and to all tasks: who may have them, and what they are sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.hub.close_codes import DRAINING
from relay.sandbox import Sandbox

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Later = Callable[[float], None]
Socket = aiohttp.ClientWebSocketResponse

HELD = "hold_at=task_queue"
SHOP = "shop:7"
OTHER = "shop:8"


@pytest.fixture
def make_token(relay: Running) -> Callable[..., str]:
    """Return a function that mints tokens for a tag."""

    def mint(tag: str = SHOP, scope: str = "view", ttl_s: float = 600) -> str:
        return relay.context.access.mint_tag(tag, scope=scope, ttl_s=ttl_s)[0]

    return mint


@pytest.fixture
async def page(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client without credentials."""
    async with aiohttp.ClientSession(relay.url) as session:
        yield session


async def next_message(socket: Socket) -> Message:
    """Return the next message that is not a ping."""
    while (message := orjson.loads(await socket.receive_str()))["type"] == "ping":
        pass
    return dict(message)


async def subscribe(socket: Socket, **about: object) -> None:
    await socket.send_json({"type": "subscribe"} | about)


async def listed(socket: Socket) -> list[str]:
    """Read up to `listed`, skipping events; return the tasks of the list."""
    tasks = []
    while (message := await next_message(socket))["type"] != "listed":
        assert message["type"] != "error", message
        if message["type"] == "snapshot":
            tasks.append(message["task"]["id"])
    return tasks


async def next_error(socket: Socket) -> Message:
    """Return the next error, skipping events."""
    while (message := await next_message(socket))["type"] != "error":
        assert message["type"] != "listed", message
    return message


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("store", ["memory:", "sqlite:///{folder}/relay.db"], ids=["memory", "sqlite"])
async def test_a_tag_shows_its_tasks_from_start_to_end(
    make_relay: Any, sandbox: Sandbox, tmp_path: Path, store: str
) -> None:
    """This covers existing and new tasks, their progress but not their output, and the lists afterwards."""
    async with (
        make_relay(store=store.format(folder=tmp_path)) as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client,
        aiohttp.ClientSession(relay.url) as page,
    ):

        async def start(*tags: str) -> str:
            body = {"model": "bytedance/text-to-image-seedream-v4", "tags": tags}
            prompt = f"a cat [sandbox: {HELD}, stderr_lines=5]"
            async with client.post("/v1/tasks", json=body | {"input": {"prompt": prompt}}) as answer:
                made = await answer.json()
                assert answer.status == 201, made
                sandbox_tasks[made["task"]["id"]] = made["task"]["upstream_id"]
                return str(made["task"]["id"])

        sandbox_tasks: dict[str, str] = {}
        token, _ = relay.context.access.mint_tag(SHOP, scope="view", ttl_s=600)
        there, strange = await start(SHOP), await start(OTHER)
        async with page.ws_connect("/v1/ws", protocols=["relay.v1", f"relay.token.{token}"]) as socket:
            await subscribe(socket, tag=SHOP)
            assert await listed(socket) == [there]
            joined = await start("more", SHOP)
            for upstream_id in sandbox_tasks.values():
                sandbox.release(upstream_id)
            messages: list[Message] = []
            while sum(message["type"] == "done" for message in messages) < 2:
                messages.append(await next_message(socket))

        assert next(message for message in messages if about(message) == joined)["type"] == "snapshot"
        assert {about(message) for message in messages} == {there, joined} != {strange}
        for task in (there, joined):
            received = [message for message in messages if about(message) == task and message["type"] != "snapshot"]
            seqs = [message["seq"] for message in received]
            assert seqs == sorted(set(seqs))
            assert received[-1]["type"] == "done"
            assert any("progress" in message["data"] for message in received if message["type"] == "output")
            assert not any(
                {"log", "append"} & {*message["data"]} for message in received if message["type"] == "output"
            )

        async with page.ws_connect("/v1/ws", headers=bearer(token)) as socket:
            await subscribe(socket, tag=SHOP)
            snapshots = [(await next_message(socket))["task"] for _ in range(2)]
            assert (await next_message(socket)) == {"type": "listed", "tag": SHOP}
        async with page.get("/v1/tasks", params={"tag": SHOP}, headers=bearer(token)) as answer:
            assert (await answer.json())["tasks"] == snapshots


def about(message: Message) -> str:
    """Return the task that a message is about."""
    return str(message["task"]["id"] if message["type"] == "snapshot" else message["task"])


async def test_the_list_leaves_out_what_the_client_has_read_before(
    client: aiohttp.ClientSession, start: Start, sandbox: Sandbox
) -> None:
    """What happened between the read and the subscription is in the list, and later events follow."""
    ended, changing = await start("", tags=[SHOP]), await start(HELD, tags=[SHOP])
    await until_done(client, ended)
    async with client.get("/v1/tasks", params={"tag": SHOP}) as answer:
        read = (await answer.json())["tasks"]
    known = {task["id"]: f"{task['epoch']}:{task['seq']}" for task in read}
    assert len(known) == 2
    sandbox.release(changing["task"]["upstream_id"])
    await until_done(client, changing)

    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP, known=known)
        assert await listed(socket) == [changing["task"]["id"]]
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == [changing["task"]["id"], ended["task"]["id"]]


async def until_done(client: aiohttp.ClientSession, made: Message) -> None:
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, task=made["task"]["id"])
        while not is_done(await next_message(socket)):
            pass


def is_done(message: Message) -> bool:
    return message["type"] == "done" or (message["type"] == "snapshot" and message["task"]["done"] is not None)


async def test_a_tag_needs_an_api_key_or_its_own_token(
    page: aiohttp.ClientSession, start: Start, relay: Running, make_token: Callable[..., str]
) -> None:
    """Any other credential fails that one subscription."""
    made = await start(HELD, tags=[SHOP])
    refused = {
        make_token(OTHER): "forbidden",
        make_token(scope="cancel input"): "forbidden",
        made["token"]: "forbidden",
        "nonsense": "unauthorized",
    }
    async with page.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert (await next_error(socket))["code"] == "unauthorized"
        for token, code in refused.items():
            await subscribe(socket, tag=SHOP, token=token)
            error = await next_error(socket)
            assert (error["tag"], error["code"]) == (SHOP, code)
            assert error["detail"]
        for token in (relay.api_key, make_token()):
            await subscribe(socket, tag=SHOP, token=token)
            assert await listed(socket) == [made["task"]["id"]]
    async with page.ws_connect("/v1/ws", headers=bearer(make_token())) as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == [made["task"]["id"]]
        await subscribe(socket, tag=OTHER)
        assert (await next_error(socket))["code"] == "forbidden"


async def test_the_token_of_a_tag_is_valid_for_each_of_its_tasks(
    page: aiohttp.ClientSession, start: Start, relay: Running, make_token: Callable[..., str]
) -> None:
    """This covers state, events, stream and WebSocket, within the scopes of the token."""
    mine, others = (await start(HELD, tags=[SHOP]))["task"]["id"], (await start(HELD, tags=[OTHER]))["task"]["id"]
    headers = bearer(make_token())
    for path, status in ((mine, 200), (f"{mine}/events", 200), (f"{mine}/input", 403), (others, 403), ("none", 403)):
        async with page.get(f"/v1/tasks/{path}", headers=headers) as answer:
            assert answer.status == status, path
    stream = headers | {"Accept": "text/event-stream"}
    async with page.get(f"/v1/tasks/{mine}/events", headers=stream) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
    async with page.ws_connect(f"/v1/tasks/{mine}/ws", headers=headers) as socket:
        assert (await next_message(socket))["type"] == "snapshot"
    async with page.post(f"/v1/tasks/{mine}/cancel", headers=headers) as answer:
        assert answer.status == 403
    async with page.post(f"/v1/tasks/{mine}/cancel", headers=bearer(make_token(scope="cancel"))) as answer:
        assert answer.status == 202


async def test_an_api_key_can_mint_a_token_for_a_tag(client: aiohttp.ClientSession, relay: Running) -> None:
    """A token cannot mint another, and the tag has to be valid."""
    async with client.post("/v1/tokens", json={"tag": SHOP, "ttl": 60}) as answer:
        minted = await answer.json()
    async with client.get("/v1/tasks", params={"tag": SHOP}, headers=bearer(minted["token"])) as listed:
        assert (answer.status, listed.status) == (200, 200)
    assert 0 < minted["expires_at"] - time.time() <= 60
    for token, body, status in ((minted["token"], {"tag": SHOP}, 403), (relay.api_key, {"tag": "no\ntag"}, 422)):
        async with client.post("/v1/tokens", json=body, headers=bearer(token)) as refused:
            assert refused.status == status


async def test_the_token_of_a_tag_can_list_only_that_tag(
    page: aiohttp.ClientSession, start: Start, make_token: Callable[..., str]
) -> None:
    """Other lists need an API key."""
    made = await start(HELD, tags=[SHOP])
    await start(HELD, tags=[OTHER])
    asked = [
        ({"tag": SHOP}, make_token(), 200),
        ({"tag": SHOP, "state": "queued", "limit": "1"}, make_token(), 200),
        ({"tag": OTHER}, make_token(), 403),
        ({}, make_token(), 403),
        ({"tag": SHOP}, make_token(scope="cancel"), 403),
        ({"tag": SHOP}, made["token"], 403),
    ]
    for params, token, status in asked:
        async with page.get("/v1/tasks", params=params, headers=bearer(token)) as answer:
            assert answer.status == status, params
            if status == 200:
                assert [task["id"] for task in (await answer.json())["tasks"]] == [made["task"]["id"]]


async def test_a_tag_counts_as_one_subscription(client: aiohttp.ClientSession, start: Start, relay: Running) -> None:
    """At the limit a further one fails, unsubscribing makes room, and subscribing again is allowed."""
    made = await start(HELD)
    relay.context.config = relay.context.config.model_copy(update={"subscription_limit": 2})
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        await subscribe(socket, task=made["task"]["id"])
        assert (await next_message(socket))["type"] == "snapshot"
        await subscribe(socket, tag=OTHER)
        error = await next_error(socket)
        assert (error["tag"], error["code"]) == (OTHER, "forbidden")
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        await socket.send_json({"type": "unsubscribe", "tag": SHOP})
        await subscribe(socket, tag=OTHER)
        assert await listed(socket) == []


async def test_nothing_is_sent_after_unsubscribing_from_a_tag(client: aiohttp.ClientSession, start: Start) -> None:
    """Subscribing again starts with a new list."""
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        await socket.send_json({"type": "unsubscribe", "tag": SHOP})
        await subscribe(socket, tag=OTHER)
        assert await listed(socket) == []
        made = await start(HELD, tags=[SHOP])
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == [made["task"]["id"]]


async def test_auth_extends_a_subscription_to_a_tag(
    page: aiohttp.ClientSession, start: Start, relay: Running, make_token: Callable[..., str], later: Later
) -> None:
    """Without it the subscription ends when its token expires, and the others continue."""
    made = await start(HELD, tags=[SHOP, OTHER], ttl=60)
    short, task = make_token(ttl_s=60), made["task"]["id"]
    async with page.ws_connect("/v1/ws") as left, page.ws_connect("/v1/ws") as renewed:
        for socket in (left, renewed):
            await subscribe(socket, tag=SHOP, token=short)
            assert await listed(socket) == [task]
            await subscribe(socket, tag=OTHER, token=make_token(OTHER))
            assert await listed(socket) == [task]
        await subscribe(renewed, task=task, token=made["token"])
        assert (await next_message(renewed))["type"] == "snapshot"
        await renewed.send_json({"type": "auth", "token": make_token(ttl_s=6000)})
        await subscribe(renewed, tag="nobody's")
        assert (await next_error(renewed))["code"] == "forbidden"  # so `auth` has been read
        later(61)

        error = await next_error(left)
        assert (error["tag"], error["code"]) == (SHOP, "token_expired")
        await subscribe(left, tag=SHOP, token=short)
        assert (await next_error(left))["code"] == "token_expired"
        await subscribe(left, tag=SHOP, token=make_token())
        assert await listed(left) == [task]
        (viewer,) = [viewer for viewer in relay.context.hub._viewers if ("task", task) in viewer.subscriptions]
        # the token of the tag covers its tasks as well
        assert {*viewer.subscriptions} == {("tag", SHOP), ("tag", OTHER), ("task", task)}


async def test_a_draining_relay_closes_with_4001(client: aiohttp.ClientSession, relay: Running) -> None:
    """The client reconnects to the next process."""
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        await relay.context.hub.drain(0)
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, DRAINING.code)
    assert (relay.context.hub.viewers, relay.context.hub.channels) == (0, 0)


async def test_a_failing_journal_closes_with_1011(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reconnects later."""

    async def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(relay.journal, "page", fail)
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
    assert relay.context.hub.channels == 0


async def test_the_channel_of_a_tag_is_removed_when_the_tab_is_closed(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """It has no other viewer."""
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        assert relay.context.hub.channels == 1
    async with asyncio.timeout(10):
        while relay.context.hub.channels:  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)


async def test_all_tasks_need_an_api_key_in_the_header(
    page: aiohttp.ClientSession, start: Start, relay: Running, make_token: Callable[..., str]
) -> None:
    """Tokens are refused, and so is a key in the query, which would end up in logs."""
    made = await start(HELD, tags=[SHOP])
    task = made["task"]["id"]
    async with page.ws_connect("/v1/ws") as socket:
        for token in (make_token(), made["token"]):
            await socket.send_json({"type": "subscribe", "all": True, "token": token})
            error = await next_error(socket)
            assert (error["all"], error["code"], "task" in error, "tag" in error) == (True, "forbidden", False, False)
        await socket.send_json({"type": "subscribe", "all": True})
        assert (await next_error(socket))["code"] == "unauthorized"
        await socket.send_json({"type": "subscribe", "all": True, "token": relay.api_key})
        assert await listed(socket) == [task]
    async with page.ws_connect("/v1/ws", params={"token": relay.api_key}) as socket:
        assert (await socket.receive()).data == 4500


async def test_all_tasks_are_one_subscription(client: aiohttp.ClientSession, start: Start, sandbox: Sandbox) -> None:
    """There may be more tasks than a connection may subscribe to one by one."""
    async with client.ws_connect("/v1/ws") as socket:
        await socket.send_json({"type": "subscribe", "all": True})
        assert await listed(socket) == []
        made = [await start(HELD, tags=tags) for tags in ([], [SHOP])]
        for each in made:
            sandbox.release(each["task"]["upstream_id"])
        missing = {each["task"]["id"] for each in made}
        while missing:
            if (message := await next_message(socket))["type"] == "done":
                missing.remove(message["task"])
        await socket.send_json({"type": "unsubscribe", "all": True})
        await subscribe(socket, tag=OTHER)
        assert await listed(socket) == []
        await start(HELD)
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == [made[1]["task"]["id"]]


async def test_all_tasks_count_against_the_limit_of_subscriptions(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """The error names the limit, and subscribing again is allowed."""
    relay.context.config = relay.context.config.model_copy(update={"subscription_limit": 1})
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, tag=SHOP)
        assert await listed(socket) == []
        await socket.send_json({"type": "subscribe", "all": True})
        error = await next_error(socket)
        assert (error["all"], error["code"]) == (True, "forbidden")
        assert "1 subscription" in error["detail"]
        await socket.send_json({"type": "unsubscribe", "tag": SHOP})
        for _ in range(2):
            await socket.send_json({"type": "subscribe", "all": True})
            assert await listed(socket) == []
