"""Budgets and the usage over the API: what limits a start, what is reserved, what is spent, and what is reported."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.history.distribution import bucket_of
from relay.core.history.tally import Tally
from relay.core.spending import ALL, EVER, Charge
from relay.journal.memory import MemoryJournal
from tests.conftest import API_KEY, MakeRelay

IMAGE = "bytedance/text-to-image-seedream-v4"
NAMED = "a-management-key-with-a-name"
Json = dict[str, Any]
Call = Callable[..., Awaitable[tuple[int, Json]]]
DAY_S = 86_400


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    settings = {
        "api_keys": (API_KEY, f"shop={NAMED}"),
        "spend_limits": "total:30usd,day:900credits",
        "spend_limit_keys": "shop=day:10usd",
    }
    async with make_relay(**settings) as started:
        yield started


@pytest.fixture
async def call(relay: Running) -> AsyncIterator[Call]:
    """Return a function that calls the relay with a credential, and starts a task without a path."""
    async with aiohttp.ClientSession(relay.url) as session:

        async def send(path: str | None = None, credential: str = API_KEY, **fields: Any) -> tuple[int, Json]:
            headers = {"Authorization": f"Bearer {credential}"}
            if path is not None and not fields:
                request = session.get(path, headers=headers)
            else:
                prompt = f"a cat [sandbox: {fields.pop('switches', '')}]"
                body = fields if path else {"model": IMAGE, "input": {"prompt": prompt}} | fields
                request = session.post(path or "/v1/tasks", headers=headers, json=body)
            async with request as answer:
                return answer.status, await answer.json()

        yield send


async def run(call: Call, credential: str = API_KEY, **fields: Any) -> Json:
    """Start a task and return it when it has ended."""
    status, made = await call(None, credential, **fields)
    assert status == 201, made
    return (await call(f"/v1/tasks/{made['task']['id']}?wait=60"))[1]


def spend(relay: Running, amount: float, key: str = "") -> None:
    """Charge a task that has ended today."""
    assert isinstance(relay.journal, MemoryJournal)
    day = math.floor(relay.context.clock() / DAY_S)
    counts = {"count": 1, "verdict:succeeded": 1, "cost:usd": amount}
    relay.journal.accounts.add(Charge(day=day, provider="wiro", model=IMAGE, key=key, tags=(), counts=counts))


def know_cost(relay: Running, amount: float) -> None:
    """Have runs of the model cost an amount."""
    assert isinstance(relay.journal, MemoryJournal)
    day = math.floor(relay.context.clock() / DAY_S)
    counts = {"verdict:succeeded": 5.0, f"usd:{bucket_of(amount)}": 5.0, f"queued:{bucket_of(3.0)}": 5.0}
    relay.journal.tallies.add(Tally(provider="wiro", model=IMAGE, inputs="", day=day, counts=counts))


async def test_what_was_spent_limits_further_starts(call: Call, relay: Running) -> None:
    """By key first, then of all. A holder of a start token learns no amounts of the relay's budgets."""
    now = relay.context.clock()
    spend(relay, 9.5, "shop")
    assert (await run(call, NAMED))["state"] == "succeeded", "no estimate, and something is left"
    spend(relay, 0.5, "shop")
    status, problem = await call(None, NAMED)
    assert (status, problem["code"], problem["title"]) == (402, "budget_exhausted", "Budget exhausted")
    assert "the API key `shop` may spend 10 usd per day" in problem["detail"]
    budget = problem["budget"]
    assert (budget["limit"], budget["left"], budget["unit"], budget["estimate"]) == (10.0, 0.0, "usd", None)
    assert budget["spent"] >= 10
    assert budget["resets_at"] == (now // DAY_S + 1) * DAY_S
    by_shop = (await call("/v1/tokens", NAMED, tag="v", scope="start"))[1]["token"]
    by_other = (await call("/v1/tokens", tag="v", scope="start"))[1]["token"]
    assert (await call(None, by_shop))[0] == 402, "a token uses the budget of the key that has minted it"
    assert (await call(None, by_other))[0] == 201
    spend(relay, 20.0)
    status, problem = await call(None, by_other)
    assert (status, problem["code"]) == (402, "budget_exhausted")
    assert "budget" not in problem
    assert "30" not in problem["detail"]
    assert (await call(None))[1]["budget"]["limit"] == 30


async def test_what_a_running_task_will_cost_is_reserved(call: Call, relay: Running) -> None:
    """And what it has cost is spent. A tag has a budget by the token."""
    know_cost(relay, 0.01)
    minted = (await call("/v1/tokens", tag="u", scope="start view", limits={"spend_usd": 0.025}))[1]["token"]
    held = [await call(None, minted, switches="hold_at=task_start") for _ in range(3)]
    assert [status for status, _ in held] == [201, 201, 402]
    budget = held[2][1]["budget"]
    assert (budget["spent"], budget["limit"], budget["resets_at"]) == (0.0, 0.025, None)
    assert budget["estimate"] == pytest.approx(0.01, rel=0.03)
    assert budget["reserved"] == pytest.approx(2 * budget["estimate"], rel=0.01)
    cost = (await run(call))["done"]["cost"]["amount"]
    assert await relay.journal.accounts.spent(ALL, EVER, "usd") == pytest.approx(cost)


async def test_usage_is_by_day_tag_model_and_key(call: Call) -> None:
    """A task with two tags counts under both. Only keys read it."""
    cost = (await run(call, NAMED, tags=["u", "v"]))["done"]["cost"]["amount"]
    await run(call, switches="exit=1")
    by_key = (await call("/v1/usage?by=key"))[1]
    assert [(each["name"], each["count"], each["failures"]) for each in by_key["usage"]] == [("", 1, 1), ("shop", 1, 0)]
    assert [each["name"] for each in (await call("/v1/usage?by=tag"))[1]["usage"]] == ["u", "v"]
    (model,) = (await call("/v1/usage?by=model"))[1]["usage"]
    assert (model["name"], model["provider"], model["count"]) == (IMAGE, "wiro", 2)
    assert model["cost"] == [{"unit": "usd", "total": pytest.approx(cost, abs=1e-6)}]
    assert model["run_s"] > 0
    day = (await call("/v1/usage"))[1]
    assert [each["name"] for each in day["usage"]] == [day["until"]]
    assert (await call("/v1/usage?until=1000000"))[1]["usage"] == []
    assert (await call("/v1/usage?by=year"))[0] == 422
    token = (await call("/v1/tokens", tag="u", scope="start view"))[1]["token"]
    assert (await call("/v1/usage", token))[0] == 403
