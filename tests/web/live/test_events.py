"""`/v1/events`: several topics as one event stream or as a poll. (Also requests.)"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.live import events

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Tell = Callable[..., Snapshot]
Later = Callable[[float], None]
Blocks = Callable[[aiohttp.ClientResponse], AsyncIterator[tuple[str | None, bytes]]]

HELD = "hold_at=task_queue"
STREAM = {"Accept": "text/event-stream"}
SHOP = "shop"


@pytest.fixture
async def page(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client without credentials."""
    async with aiohttp.ClientSession(relay.url) as session:
        yield session


def timeless(messages: list[Message]) -> list[Message]:
    """Return the messages without times and pings."""
    return [
        {key: value for key, value in message.items() if key != "at"}
        for message in messages
        if message["type"] != "ping"
    ]


async def polled(client: aiohttp.ClientSession, *subscriptions: Message) -> list[Message]:
    async with client.post("/v1/events", json={"subscriptions": subscriptions}) as answer:
        assert answer.status == 200, await answer.text()
        messages: list[Message] = (await answer.json())["messages"]
        return messages


async def run_to_the_end(client: aiohttp.ClientSession, start: Start, **fields: object) -> Message:
    """Run a task to its end; return the response to its start."""
    made = await start(**fields)
    async with client.get(f"/v1/tasks/{made['task']['id']}/events", headers=STREAM) as answer:
        await answer.read()
    return made


async def test_a_stream_on_several_tasks_ends_with_the_last_of_them(
    client: aiohttp.ClientSession, start: Start, sandbox: Sandbox, blocks: Blocks, tell: Tell
) -> None:
    """It ends with a ping that has an id, and reconnecting with that id gets 204."""
    made = [await start(HELD) for _ in range(3)]
    tasks = [each["task"]["id"] for each in made]
    received: list[tuple[str | None, Message]] = []
    async with client.get("/v1/events", params=[("task", task) for task in tasks], headers=STREAM) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        async for cursor, data in blocks(answer):
            received.append((cursor, orjson.loads(data)))
            if len(received) == 3:
                for each in made:
                    sandbox.release(each["task"]["upstream_id"])
    async with client.get("/v1/events", params={"task": "x"}, headers=STREAM | {"Last-Event-ID": "ended"}) as again:
        assert again.status == 204

    assert [cursor for cursor, _ in received if cursor is not None] == ["ended"]
    assert received[-1] == ("ended", {"type": "ping", "at": received[-1][1]["at"]})
    for task in tasks:
        own = [one for _, one in received if task in (one.get("task"), one["type"] == "snapshot" and one["task"]["id"])]
        done = tell(own).done
        assert done is not None
        assert done.verdict == "succeeded"


async def test_a_tag_keeps_the_stream_open(client: aiohttp.ClientSession, start: Start, blocks: Blocks) -> None:
    """Its list leaves out a task that has its own subscription."""
    one = (await start(HELD, tags=[SHOP]))["task"]["id"]
    params = [("tag", SHOP), ("task", one)]
    async with client.get("/v1/events", params=params, headers=STREAM) as answer:
        reading = blocks(answer)
        said = [orjson.loads((await anext(reading))[1]) for _ in range(2)]
        made = await start(HELD, tags=[SHOP])
        while (joined := orjson.loads((await anext(reading))[1]))["type"] != "snapshot":
            pass

    assert [message["type"] for message in said] == ["snapshot", "listed"]
    assert said[0]["task"]["id"] == one
    assert joined["task"]["id"] == made["task"]["id"]


async def test_all_tasks_need_an_api_key_in_the_header(
    client: aiohttp.ClientSession, page: aiohttp.ClientSession, relay: Running, start: Start
) -> None:
    """A token is refused for that subscription, and a key in the query for the whole request."""
    made = await start(HELD, tags=["any"])
    said = await polled(client, {"all": True})
    assert [message["type"] for message in said] == ["snapshot", "listed"]
    assert said[-1] == {"type": "listed", "all": True}
    (error,) = await polled(page, {"all": True, "token": made["token"]})
    assert (error["all"], error["code"]) == (True, "forbidden")
    async with page.get("/v1/events", params={"all": "true", "token": relay.api_key}) as answer:
        assert answer.status == 401
    (snapshot, _) = await polled(page, {"all": True, "token": relay.api_key})
    assert snapshot["task"]["id"] == made["task"]["id"]


async def test_a_poll_resumes_each_task_from_its_cursor(
    client: aiohttp.ClientSession, start: Start, tell: Tell
) -> None:
    """It has the missed events, or a snapshot if the cursor is not valid any more."""
    made = await run_to_the_end(client, start)
    task, seq = made["task"]["id"], made["task"]["seq"]
    known = tell(await polled(client, {"task": task}))
    same, missed, fresh = [
        await polled(client, {"task": task, "cursor": cursor})
        for cursor in (f"{known.epoch}:{known.seq}", f"{known.epoch}:{seq}", "another:1")
    ]

    assert [message["type"] for message in same] == ["resumed"]
    assert missed[0]["events"] == len(missed) - 1 == known.seq - seq
    assert tell(fresh) == known


async def test_a_failed_subscription_does_not_affect_the_others(
    client: aiohttp.ClientSession, page: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """Each has its own token, or else the credential of the request; the error names the topic."""
    made, other = await start(HELD), await start(HELD)
    expired, _ = relay.context.access.mint(other["task"]["id"], scope="view", ttl_s=-1)
    said = await polled(
        page,
        {"task": "nobody", "token": relay.api_key},
        {"task": other["task"]["id"], "token": made["token"]},
        {"task": other["task"]["id"], "token": expired},
        {"tag": SHOP},
        {"task": made["task"]["id"], "token": made["token"]},
    )
    assert [message.get("code", message["type"]) for message in said] == [
        "not_found",
        "forbidden",
        "token_expired",
        "unauthorized",
        "snapshot",
    ]
    assert said[3]["tag"] == SHOP


async def test_a_stream_without_any_successful_subscription_ends_for_good(
    client: aiohttp.ClientSession, blocks: Blocks
) -> None:
    """The same request would fail again."""
    async with client.get("/v1/events", params={"task": "nobody"}, headers=STREAM) as answer:
        said = [(cursor, orjson.loads(data)["type"]) async for cursor, data in blocks(answer)]
    assert said == [(None, "error"), ("ended", "ping")]


async def test_an_expired_token_ends_only_its_subscription(
    page: aiohttp.ClientSession, start: Start, relay: Running, blocks: Blocks, later: Later
) -> None:
    """Another subscription continues with its own token."""
    one, other = await start(HELD, ttl=60), await start(HELD, ttl=600)
    wanted = [{"task": made["task"]["id"], "token": made["token"]} for made in (one, other)]
    async with page.post("/v1/events", json={"subscriptions": wanted}, headers=STREAM) as answer:
        reading = blocks(answer)
        for _ in range(2):
            await anext(reading)
        later(61)
        while (error := orjson.loads((await anext(reading))[1]))["type"] != "error":
            pass
        assert (error["task"], error["code"]) == (one["task"]["id"], "token_expired")
        later(600)
        rest = [(cursor, orjson.loads(data)) async for cursor, data in reading]
    assert [message["code"] for _, message in rest if message["type"] == "error"] == ["token_expired"]
    assert rest[-1][0] == "ended"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ([], ""),
        ([("all", "false")], "all"),
        ([("all", "true"), ("all", "true")], "all"),
        ([("tasks", "x")], "tasks"),
        ([("task", "")], "task"),
        ([("tag", "ok"), ("tag", "a\nb")], "tag"),
        ([("task", "x"), ("token", "a"), ("token", "b")], "token"),
    ],
    ids=str,
)
async def test_an_invalid_query_gets_422_with_the_field(
    client: aiohttp.ClientSession, params: list[tuple[str, str]], field: str
) -> None:
    """This holds for a stream and for a poll."""
    for headers in ({}, STREAM):
        async with client.get("/v1/events", params=params, headers=headers) as answer:
            problem = await answer.json()
        assert (answer.status, [error["field"] for error in problem["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        [{}],
        [{"task": "x", "tag": "y"}],
        [{"all": False}],
        [{"all": 1}],
        [{"task": "x", "tokn": "y"}],
        [{"task": 1}],
        [{"tag": " "}],
    ],
    ids=str,
)
async def test_an_invalid_body_gets_422_with_the_field(client: aiohttp.ClientSession, wanted: list[Message]) -> None:
    """It is an error of the request and not of one subscription."""
    async with client.post("/v1/events", json={"subscriptions": wanted}) as answer:
        problem = await answer.json()
    assert answer.status == 422
    assert all(error["field"].startswith("subscriptions") for error in problem["errors"])


async def test_too_many_subscriptions_get_422_with_the_limit(client: aiohttp.ClientSession, relay: Running) -> None:
    """The whole request is refused."""
    relay.context.config = relay.context.config.model_copy(update={"subscription_limit": 2})
    async with client.get("/v1/events", params=[("task", str(number)) for number in range(3)]) as answer:
        problem = await answer.json()
    assert answer.status == 422
    assert "3 are too many: one request may have 2" in problem["detail"]


async def test_an_invalid_credential_of_the_request_gets_401(page: aiohttp.ClientSession, start: Start) -> None:
    """It is not ignored, even if every subscription has its own token."""
    made = await start(HELD)
    wanted = {"subscriptions": [{"task": made["task"]["id"], "token": made["token"]}]}
    async with page.post("/v1/events", json=wanted, headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401
    async with page.get("/v1/events", params={"task": made["task"]["id"]}) as answer:
        assert answer.status == 401
    async with page.get("/v1/events", params={"task": made["task"]["id"], "token": made["token"]}) as answer:
        assert [message["type"] for message in (await answer.json())["messages"]] == ["snapshot"]


async def test_a_stream_needs_a_viewer_slot_and_a_poll_does_not(
    client: aiohttp.ClientSession, relay: Running, start: Start, blocks: Blocks
) -> None:
    """Without a free slot a stream is one ping with a time to reconnect."""
    task = (await start(HELD))["task"]["id"]
    relay.context.viewers = ConnectionCounts(1, 1)
    async with client.get("/v1/events", params={"task": task}, headers=STREAM) as first:
        await anext(blocks(first))
        async with client.get("/v1/events", params={"task": task}, headers=STREAM) as second:
            body = await second.read()
        assert (second.status, body.count(b"\n\n")) == (200, 1)
        assert body.startswith(b"retry: ")
        assert b'{"type":"ping"' in body
        assert len(await polled(client, {"task": task})) == 1
        await relay.context.hub.drain(0)
        *_, (cursor, last) = [block async for block in blocks(first)]
        assert (cursor, orjson.loads(last)["type"]) == (None, "ping")


async def test_a_poll_that_is_too_large_reports_what_it_leaves_out(
    client: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is kept in memory until it is sent."""
    tasks = [(await start(HELD))["task"]["id"] for _ in range(2)]
    monkeypatch.setattr(events, "POLL_BYTES", 10)
    first, second = await polled(client, *({"task": task} for task in tasks))
    assert (first["type"], second["code"], second["task"]) == ("snapshot", "rate_limited", tasks[1])


async def test_a_failing_journal_ends_the_stream_and_fails_the_poll(
    client: aiohttp.ClientSession, relay: Running, start: Start, monkeypatch: pytest.MonkeyPatch, blocks: Blocks
) -> None:
    """The stream ends without an id, so the client reconnects."""
    task = (await start(HELD))["task"]["id"]

    async def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(relay.journal, "snapshot", fail)
    async with client.get("/v1/events", params={"task": task}, headers=STREAM) as answer:
        assert [(cursor, orjson.loads(data)["type"]) async for cursor, data in blocks(answer)] == [(None, "ping")]
    async with client.get("/v1/events", params={"task": task}) as answer:
        assert answer.status == 500


async def test_nothing_is_left_of_a_client_that_leaves(
    client: aiohttp.ClientSession, relay: Running, start: Start
) -> None:
    """This holds after a poll and after a stream."""
    task = (await start(HELD))["task"]["id"]
    await polled(client, {"task": task}, {"tag": SHOP}, {"all": True})
    assert (relay.context.hub.viewers, relay.context.hub.channels) == (0, 0)
    async with client.get("/v1/events", params={"task": task, "tag": SHOP}, headers=STREAM) as answer:
        await answer.content.readany()
    async with asyncio.timeout(60):
        while relay.context.hub.channels:  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)
    assert relay.context.viewers.total == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_websocket_stream_and_poll_start_with_the_same_messages(
    client: aiohttp.ClientSession, start: Start, blocks: Blocks, data: st.DataObject
) -> None:
    """This holds for any subscriptions in any order."""
    async with client.get("/v1/tasks") as listed:
        tasks = (await listed.json())["tasks"]
    if not tasks:
        tasks = [
            (await run_to_the_end(client, start, tags=[SHOP]))["task"],
            (await start(HELD, tags=[SHOP, "b"]))["task"],
            (await start(HELD))["task"],
        ]
    cursors = st.sampled_from([None, "nonsense", *(f"{task['epoch']}:{seq}" for task in tasks for seq in (1, 2, 99))])
    one = st.one_of(
        st.builds(
            lambda task, cursor: {"task": task, "cursor": cursor},
            st.sampled_from([*(task["id"] for task in tasks), "no"]),
            cursors,
        ),
        st.builds(lambda tag: {"tag": tag}, st.sampled_from([SHOP, "b", "none"])),
        st.just({"all": True}),
    )
    wanted = data.draw(st.lists(one, min_size=1, max_size=5))
    answer = timeless(await polled(client, *wanted))
    async with client.ws_connect("/v1/ws") as socket:
        for each in wanted:
            await socket.send_json({"type": "subscribe"} | each)
        spoken: list[Message] = []
        while len(timeless(spoken)) < len(answer):
            spoken.append(orjson.loads(await socket.receive_str()))
    async with client.post("/v1/events", json={"subscriptions": wanted}, headers=STREAM) as stream:
        streamed: list[Message] = []
        reading = blocks(stream)
        while len(timeless(streamed)) < len(answer):
            streamed.append(orjson.loads((await anext(reading))[1]))
    assert timeless(spoken) == answer
    assert timeless(streamed) == answer
