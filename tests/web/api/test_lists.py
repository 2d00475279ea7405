"""
`GET /v1/tasks`: filters, pages, and invalid queries.

`task_queries` is tested here too.
"""

import time
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import Event, Source, Stall

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Params = list[tuple[str, str]]

HELD = "hold_at=task_queue"
VIDEO = "bytedance/image-to-video-seedance-v1"
OPEN = ("submitting", "held", "queued", "preparing", "running", "finishing")


async def listed(client: aiohttp.ClientSession, *params: tuple[str, str]) -> list[str]:
    async with client.get("/v1/tasks", params=[*params]) as answer:
        assert answer.status == 200, await answer.text()
        return [task["id"] for task in (await answer.json())["tasks"]]


async def test_filters_find_an_old_task(client: aiohttp.ClientSession, start: Start) -> None:
    """By state, tag or search, behind many newer tasks."""
    stuck = (await start(HELD, tags=["long-video"]))["task"]["id"]
    for _ in range(3):
        made = await start("", tags=["other"])
        async with client.get(
            f"/v1/tasks/{made['task']['id']}/events", headers={"Accept": "text/event-stream"}
        ) as done:
            await done.read()
    assert stuck not in await listed(client, ("limit", "3"))
    assert await listed(client, *(("state", state) for state in OPEN), ("limit", "3")) == [stuck]
    for query in ("long-video", "LONG", "vid lo", stuck[:5]):
        assert await listed(client, ("q", query), ("limit", "3")) == [stuck]
    assert await listed(client, ("q", "long other")) == []


async def test_several_states_match_any_of_them(client: aiohttp.ClientSession, start: Start) -> None:
    """A repeated `state` is a list."""
    waits = (await start(HELD))["task"]["id"]
    runs = (await start("hold_at=task_start"))["task"]["id"]
    async with client.ws_connect(f"/v1/tasks/{runs}/ws") as socket:
        while (await listed(client, ("state", "running"))) != [runs]:
            await socket.receive()
    assert await listed(client, ("state", "queued"), ("state", "running")) == [runs, waits]
    assert await listed(client, ("state", "running"), ("state", "queued")) == [runs, waits]
    assert await listed(client, ("state", "queued")) == [waits]


async def test_filters_are_combined_over_several_pages(client: aiohttp.ClientSession, start: Start) -> None:
    """Model, time, tag and words together."""
    made = [await start(HELD, tags=["Frühling", f"n{number}"]) for number in range(5)]
    await start(HELD)
    tasks = [each["task"]["id"] for each in reversed(made)]
    second = str(made[1]["task"]["created_at"])
    common = [("model", made[0]["task"]["model"].upper()), ("q", unicodedata.normalize("NFD", "FRÜH seedream"))]
    found: list[str] = []
    cursor: Params = []
    while True:
        params = [*common, ("since", second), ("limit", "2"), *cursor]
        async with client.get("/v1/tasks", params=params) as answer:
            body = await answer.json()
        found += [task["id"] for task in body["tasks"]]
        if body["next"] is None:
            break
        cursor = [("cursor", body["next"])]
    assert found == tasks[:4]
    assert await listed(client, ("until", second), ("tag", "Frühling")) == [tasks[4]]
    assert await listed(client, ("model", VIDEO)) == []


async def test_a_title_is_shown_and_found(client: aiohttp.ClientSession, start: Start) -> None:
    """In the state, in the first event, in a list and in the next run, unless that names another."""
    task = (await start(HELD, title=" Cover of issue 7 "))["task"]
    assert task["title"] == "Cover of issue 7"
    assert await listed(client, ("q", "issue cov")) == [task["id"]]
    async with client.get(f"/v1/tasks/{task['id']}/events") as answer:
        assert (await answer.json())["events"][0]["data"]["title"] == task["title"]
    for body, title in (({}, task["title"]), ({"title": "Back"}, "Back"), ({"title": " "}, None)):
        async with client.post(f"/v1/tasks/{task['id']}/again", json=body) as answer:
            assert (await answer.json())["task"]["title"] == title
    async with client.post("/v1/tasks", json={"model": VIDEO, "input": {}, "title": "a\nb"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "title")


async def test_a_list_has_prompts_for_callers_that_may_read_inputs(client: aiohttp.ClientSession, start: Start) -> None:
    """For keys and for tokens with `input`; a token that may only view gets states alone."""
    task = (await start("", tags=["shop"]))["task"]["id"]
    async with client.get(f"/v1/tasks/{task}", params={"wait": "60"}) as answer:
        assert (await answer.json())["done"]
    for scope, more in (("", True), ("view input", True), ("view cancel", False)):
        headers = {}
        if scope:
            async with client.post("/v1/tokens", json={"tag": "shop", "scope": scope}) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        async with client.get("/v1/tasks", params={"tag": "shop"}, headers=headers) as answer:
            (listed_task,) = (await answer.json())["tasks"]
        assert ("prompt" in listed_task, "first_output" in listed_task) == (more, more)
        if more:
            async with client.get(f"/v1/tasks/{task}/input") as answer:
                assert listed_task["prompt"] == (await answer.json())["input"]["prompt"]
            assert listed_task["first_output"] == listed_task["outputs"][0]


async def test_what_needs_attention_is_listed_first(
    client: aiohttp.ClientSession, relay: Running, start: Start
) -> None:
    """A stuck task behind newer ones that run or have ended; also page by page, and if the list is limited."""
    stuck, waits = [(await start(HELD))["task"]["id"] for _ in range(2)]
    done = (await start("", tags=["over"]))["task"]["id"]
    async with client.get(f"/v1/tasks/{done}", params={"wait": "60"}) as answer:
        assert (await answer.json())["done"]
    journal = relay.context.tasks.lists._journal
    state = await journal.snapshot(stuck)
    assert state is not None
    await journal.append(
        [
            Event(
                type="stall",
                task=stuck,
                seq=state.seq + 1,
                state=state.state,
                at=time.time(),
                source=Source.RELAY,
                data=Stall(silent_s=60.0, checked="nothing new"),
            )
        ]
    )
    order = ("order", "attention")
    assert await listed(client, order) == [stuck, waits, done]
    assert await listed(client) == [done, waits, stuck]
    found: list[str] = []
    params: Params = [order, ("limit", "1")]
    while params[-1][1] is not None:
        async with client.get("/v1/tasks", params=params) as answer:
            body = await answer.json()
        found += [task["id"] for task in body["tasks"]]
        params = [order, ("limit", "1"), ("cursor", body["next"])]
    assert found == [stuck, waits, done]
    assert await listed(client, order, ("tag", "over")) == [done]
    assert await listed(client, order, ("stalled", "false")) == [waits, done]
    assert await listed(client, order, ("stalled", "true"), ("state", "succeeded")) == []
    assert await listed(client, ("stalled", "true")) == [stuck]
    async with client.get("/v1/tasks/counts") as answer:
        counts = await answer.json()
    states = dict.fromkeys([*OPEN, "succeeded", "failed", "canceled", "lost"], 0)
    assert counts == {"states": {**states, "queued": 2, "succeeded": 1}, "stalled": 1, "at_least": []}
    async with client.get("/v1/tasks", params={"order": "attention", "cursor": "7~1~x"}) as answer:
        assert answer.status == 400


async def test_tasks_of_a_tag_are_counted_for_its_token(client: aiohttp.ClientSession, start: Start) -> None:
    """A token of another tag, or for all tasks, is not enough."""
    await start(HELD, tags=["shop"])
    await start(HELD)
    async with client.post("/v1/tokens", json={"tag": "shop"}) as answer:
        bearer = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    async with client.get("/v1/tasks/counts", params={"tag": "shop", "q": "sho"}, headers=bearer) as answer:
        assert sum((await answer.json())["states"].values()) == 1
    for tag in ({}, {"tag": "other"}):
        async with client.get("/v1/tasks/counts", params=tag, headers=bearer) as answer:
            assert answer.status == 403
    async with client.get("/v1/tasks/counts", params={"limit": "1"}) as answer:
        assert answer.status == 422


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ([("state", "stuck")], "state", "'submitting', 'held'"),
        ([("state", "queued"), ("state", "gone")], "state", "'submitting', 'held'"),
        ([("tag", "a"), ("tag", "b")], "tag", "must be given once, not 2 times"),
        ([("q", "a"), ("q", "b")], "q", "must be given once, not 2 times"),
        ([("limit", "1"), ("limit", "1")], "limit", "must be given once, not 2 times"),
        ([("tag", "")], "tag", "must not be empty"),
        ([("tag", "x" * 65)], "tag", "64 characters; this one has 65"),
        ([("since", "yesterday")], "since", "valid number"),
        ([("since", "nan")], "since", "finite number"),
        ([("since", "1764000000000")], "since", "must be in unix seconds; 1764000000000 looks like milliseconds"),
        ([("since", "5"), ("until", "4")], "", "`since` (5) must not be later than `until` (4)"),
        ([("q", "a" * 257)], "q", "256 characters"),
        ([("q", " ".join(map(str, range(17))))], "", "`q` must have at most 16 words, not 17"),
        ([("limit", "0")], "limit", "greater than or equal to 1"),
        ([("stat", "queued")], "stat", "not permitted"),
    ],
    ids=str,
)
async def test_an_invalid_query_names_its_parameter(
    client: aiohttp.ClientSession, params: Params, field: str, said: str
) -> None:
    """An ignored filter would return the wrong tasks."""
    async with client.get("/v1/tasks", params=params) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"]) == (422, "invalid_input")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert said in problem["detail"]


@pytest.mark.parametrize("query", ["", " ", "-", "%ED%A0%80", "%00", "'", '"', "%25", "*", "a%00b"])
async def test_any_text_can_be_searched_for(client: aiohttp.ClientSession, query: str) -> None:
    """It has no special characters."""
    async with client.get(f"/v1/tasks?q={query}") as answer:
        assert answer.status == 200, await answer.text()


async def test_a_tag_is_any_printable_text(client: aiohttp.ClientSession, start: Start) -> None:
    """It is normalized in starts, lists, tokens and subscriptions."""
    composed = unicodedata.normalize("NFC", "Frühling & Söhne 🚀")
    spelt = unicodedata.normalize("NFD", f"  {composed} ")
    made = await start(HELD, tags=[spelt])
    task = made["task"]["id"]
    assert made["task"]["tags"] == [composed]
    assert await listed(client, ("tag", spelt)) == await listed(client, ("tag", composed)) == [task]
    async with client.post("/v1/tokens", json={"tag": spelt}) as answer:
        token = (await answer.json())["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with client.get("/v1/tasks", params={"tag": composed}, headers=bearer) as answer:
        assert answer.status == 200
    async with client.ws_connect("/v1/ws", headers=bearer) as socket:
        await socket.send_json({"type": "subscribe", "tag": spelt})
        assert (await socket.receive_json())["task"]["id"] == task
        assert await socket.receive_json() == {"type": "listed", "tag": composed}
