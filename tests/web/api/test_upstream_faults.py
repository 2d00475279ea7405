"""What a start returns when the platform fails, refuses or does not answer in time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from relay.app import Running

Message = dict[str, Any]

IMAGE = "bytedance/text-to-image-seedream-v4"


@pytest.fixture
async def relay(make_relay: Callable[..., AbstractAsyncContextManager[Running]]) -> AsyncIterator[Running]:
    """A relay with a short request timeout."""
    async with make_relay(request_timeout_s=0.3) as started:
        yield started


async def start(client: aiohttp.ClientSession, switches: str, **fields: object) -> tuple[int, str, Message]:
    body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}} | fields
    async with client.post("/v1/tasks", json=body) as answer:
        made: Message = await answer.json()
        return answer.status, answer.content_type, made


@pytest.mark.parametrize(
    ("switches", "status", "code", "said"),
    [
        ("run_http=401:envelope", 502, "upstream_rejected", "WIRO_API_SECRET"),
        ("run_error=7:Nothing doing", 502, "upstream_rejected", "Nothing doing"),
        ("run_error=97:Insufficient balance", 402, "insufficient_balance", "Insufficient balance"),
        ("run_http=429:envelope", 429, "rate_limited", "rate limiting"),
    ],
)
async def test_a_refusal_is_a_problem_with_the_task_and_the_platforms_message(
    client: aiohttp.ClientSession, switches: str, status: int, code: str, said: str
) -> None:
    """Nothing was started, and the task of the attempt has failed."""
    answered, kind, problem = await start(client, switches)

    assert (answered, kind, problem["code"]) == (status, "application/problem+json", code)
    assert said in problem["detail"]
    assert problem["upstream"]["message"]
    async with client.get(f"/v1/tasks/{problem['task']}") as answer:
        assert (await answer.json())["done"]["verdict"] == "failed"


async def test_an_unknown_model_is_a_field_error(client: aiohttp.ClientSession) -> None:
    """The platform reports it, and the problem names the field."""
    status, _, problem = await start(client, "", model="nobody/nothing")

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == ["model"]


@pytest.mark.parametrize("switches", ["run_http=200:html", "run_http=hang", "run_http=drop", "run_http=200:truncated"])
async def test_an_unclear_answer_is_unconfirmed(client: aiohttp.ClientSession, switches: str) -> None:
    """The platform may have started the task: 202 with the reason, and no second run."""
    status, _, made = await start(client, switches)

    assert status == 202
    assert made["unconfirmed"]
    assert made["task"]["id"]
    assert made["token"]
