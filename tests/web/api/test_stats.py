"""`GET /v1/stats`, `POST /v1/estimate`, `usual` of a model, and `eta` of a task, after some tasks have run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Json = dict[str, Any]
Start = Callable[..., Awaitable[Json]]

IMAGE = "bytedance/text-to-image-seedream-v4"
RUNS = 4


async def read(client: aiohttp.ClientSession, path: str, **given: Any) -> Json:
    async with client.request("POST" if "json" in given else "GET", path, **given) as answer:
        body: Json = await answer.json()
        assert answer.status == 200, body
        return body


async def test_ended_tasks_say_what_is_usual(client: aiohttp.ClientSession, start: Start) -> None:
    """Counts, times and costs, by model and day; for one input; and for the next task."""
    before = await read(client, f"/v1/models/{IMAGE}")
    made = await asyncio.gather(start("exit=1"), *(start() for _ in range(RUNS)))
    ended = await asyncio.gather(*(read(client, f"/v1/tasks/{each['task']['id']}?wait=60") for each in made))
    stats = await read(client, "/v1/stats", params={"model": IMAGE.upper(), "days": "2"})
    usual = (await read(client, f"/v1/models/{IMAGE}"))["usual"]
    four = await read(client, "/v1/estimate", json={"model": IMAGE, "input": {"maxImages": 4}})
    one = await read(client, "/v1/estimate", json={"model": IMAGE})
    held = await start("hold_at=task_start")
    async with client.get(f"/v1/tasks/{held['task']['id']}") as answer:
        eta = (await answer.json())["eta"]

    assert [task["eta"] for task in ended] == [None] * (RUNS + 1)
    (model,) = stats["models"]
    assert (model["provider"], model["model"], model["count"]) == ("wiro", IMAGE, RUNS + 1)
    assert model["verdicts"] == {"succeeded": RUNS, "failed": 1, "canceled": 0, "lost": 0}
    assert model["success_rate"] == RUNS / (RUNS + 1)
    assert 0 < model["run"]["p50_s"] <= model["run"]["p90_s"]
    assert model["run"]["samples"] == RUNS
    assert model["queue"]["samples"] == RUNS + 1
    assert [cost["unit"] for cost in model["cost"]] == ["usd"]
    assert sum(day["count"] for day in model["per_day"]) == RUNS + 1
    assert {each["task"] for each in model["slowest"]} == {task["id"] for task in ended[1:]}
    assert [each["task"] for each in model["failed"]] == [ended[0]["id"]]
    assert before["usual"] is None
    assert usual["samples"] == RUNS
    assert one["usual"]["samples"] == four["usual"]["samples"] == RUNS
    assert one["usual"]["p50_s"] <= four["usual"]["p50_s"]
    assert eta["basis"] == "history"
    assert 0 <= eta["p50_s"] <= eta["p90_s"]


async def test_a_viewer_token_sees_nothing_of_other_tasks(client: aiohttp.ClientSession, start: Start) -> None:
    """Neither one for a task nor one for a tag."""
    made = await start("hold_at=task_start", tags=["shop"])
    tag = await read(client, "/v1/tokens", json={"tag": "shop"})
    for token in (made["token"], tag["token"]):
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get("/v1/stats", headers=headers) as answer:
            assert answer.status == 403
        async with client.post("/v1/estimate", headers=headers, json={"model": IMAGE}) as answer:
            assert answer.status == 403


async def test_an_input_without_history_has_no_estimate(client: aiohttp.ClientSession) -> None:
    """Nothing is made up. An invalid query is refused."""
    body = {"model": "owner/unknown", "provider": "wiro", "input": {"duration": 5}}
    assert await read(client, "/v1/estimate", json=body) == {
        "provider": "wiro",
        "model": "owner/unknown",
        "usual": None,
    }
    assert (await read(client, "/v1/stats"))["models"] == []
    async with client.get("/v1/stats?days=0") as answer:
        assert answer.status == 422
