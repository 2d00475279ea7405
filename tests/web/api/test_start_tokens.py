"""Start tokens: what they start, what they see, and their limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest

from relay.app import Running
from relay.sandbox import Sandbox
from tests.conftest import API_KEY, MakeRelay

IMAGE = "bytedance/text-to-image-seedream-v4"
SECRET = "a-secret-that-signs-tokens-in-tests"
NAMED = "a-management-key-with-a-name"
Json = dict[str, Any]
Call = Callable[..., Awaitable[tuple[int, Json]]]
Mint = Callable[..., Awaitable[str]]


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    settings = {
        "api_keys": (API_KEY, f"shop={NAMED}"),
        "token_secret": SECRET,
        "trusted_proxies": "127.0.0.1",
        "start_address_rate": 1,
    }
    async with make_relay(**settings) as started:
        yield started


@pytest.fixture
async def call(relay: Running) -> AsyncIterator[Call]:
    """Return a function that calls the relay with a credential."""
    async with aiohttp.ClientSession(relay.url) as session:

        async def send(method: str, path: str, credential: str = API_KEY, **given: Any) -> tuple[int, Json]:
            headers = {"Authorization": f"Bearer {credential}"} | given.pop("headers", {})
            async with session.request(method, path, headers=headers, **given) as answer:
                body: Json = await answer.json()
                return answer.status, body | ({"retry": answer.headers.get("Retry-After")})

        yield send


@pytest.fixture
def mint(call: Call) -> Mint:
    async def mint_one(key: str = API_KEY, **fields: Any) -> str:
        status, body = await call("POST", "/v1/tokens", key, json={"tag": "u", "scope": "start view cancel"} | fields)
        assert status == 200, body
        return str(body["token"])

    return mint_one


def task(switches: str = "", **fields: Any) -> Json:
    return {"json": {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}} | fields}


async def test_everything_started_carries_the_tag_and_nothing_else_is_seen(call: Call, mint: Mint) -> None:
    """Nor is an earlier task of another tag run again, and no token outlives the one with which it was made."""
    token = await mint(ttl=600)
    _, other = await call("POST", "/v1/tasks", **task(tags=["v"]))
    status, made = await call("POST", "/v1/tasks", token, **task("hold_at=task_start"))
    assert (status, made["task"]["tags"]) == (201, ["u"])
    own = made["task"]["id"]
    claims = jwt.decode(made["token"], SECRET, algorithms=["HS256"])
    assert (claims["task"], claims["scope"]) == (own, "view")
    assert claims["exp"] <= jwt.decode(token, SECRET, algorithms=["HS256"])["exp"]
    assert (await call("GET", f"/v1/tasks/{own}", token))[0] == 200
    assert [each["id"] for each in (await call("GET", "/v1/tasks?tag=u", token))[1]["tasks"]] == [own]
    for method, path in (
        ("GET", f"/v1/tasks/{other['task']['id']}"),
        ("POST", f"/v1/tasks/{other['task']['id']}/again"),
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks?tag=v"),
        ("GET", f"/v1/tasks/{own}/input"),
        ("GET", "/v1/stats"),
        ("POST", "/v1/tokens"),
        ("POST", "/v1/tasks/attach"),
        ("POST", f"/v1/tasks/{own}/tokens"),
        ("DELETE", f"/v1/tasks/{own}"),
    ):
        assert (await call(method, path, token))[0] == 403, path
    assert (await call("POST", f"/v1/tasks/{own}/cancel", token))[0] == 202
    await call("GET", f"/v1/tasks/{own}?wait=60", token)
    status, again = await call("POST", f"/v1/tasks/{own}/again", token, json={"input": {"prompt": "a dog"}})
    assert (status, again["task"]["tags"]) == (201, ["u"])


async def test_the_model_is_checked_before_anything_else(call: Call, mint: Mint, sandbox: Sandbox) -> None:
    """The token reads only the models that it may start."""
    token = await mint(models=["bytedance/*"])
    wrong = {"json": {"model": "google/nano-banana", "input": 3, "nonsense": True}}
    status, problem = await call("POST", "/v1/tasks", token, **wrong)
    assert (status, problem["code"]) == (403, "forbidden")
    assert "bytedance/*" in problem["detail"]
    form = aiohttp.FormData()
    form.add_field("task", '{"model": "google/nano-banana"}', content_type="application/json")
    form.add_field("image", b"x" * 10_000, filename="a.png")
    assert (await call("POST", "/v1/tasks", token, data=form))[0] == 403
    listed = {each["model"] for each in (await call("GET", "/v1/models", token))[1]["models"]}
    everything = {each["model"] for each in (await call("GET", "/v1/models"))[1]["models"]}
    assert listed == {name for name in everything if name.startswith("bytedance/")}
    assert (await call("GET", f"/v1/models/{IMAGE}", token))[0] == 200
    assert (await call("GET", "/v1/models/google/nano-banana", token))[0] == 403
    assert (await call("POST", "/v1/estimate", token, json={"model": IMAGE}))[0] == 200
    assert (await call("POST", "/v1/estimate", token, json={"model": "google/nano-banana"}))[0] == 403
    viewer = await mint(scope="view")
    assert (await call("GET", "/v1/models", viewer))[0] == 403
    assert (await call("POST", "/v1/tasks", viewer, **task()))[0] == 403
    assert sandbox.runs == ()


async def test_limits_hold_for_starts_at_the_same_time(call: Call, mint: Mint, sandbox: Sandbox) -> None:
    """A refused start of the platform does not count as one in the hour."""
    token = await mint(limits={"running": 2, "per_hour": 3})
    sandbox.next_run(run_error="97:Insufficient balance")
    assert (await call("POST", "/v1/tasks", token, **task()))[0] == 402
    answers = await asyncio.gather(*(call("POST", "/v1/tasks", token, **task("hold_at=task_start")) for _ in range(20)))
    made = [body["task"]["id"] for status, body in answers if status == 201]
    refused = [body for status, body in answers if status == 429]
    assert (len(made), len(refused)) == (2, 18)
    assert refused[0]["code"] == "rate_limited"
    assert "2 unfinished tasks" in refused[0]["detail"]
    for each in made:
        await call("POST", f"/v1/tasks/{each}/cancel", token)
        await call("GET", f"/v1/tasks/{each}?wait=60", token)
    assert (await call("POST", "/v1/tasks", token, **task()))[0] == 201
    status, hourly = await call("POST", "/v1/tasks", token, **task())
    assert (status, hourly["code"]) == (429, "rate_limited")
    assert 3000 < int(hourly["retry"]) <= 3600
    assert (await call("POST", "/v1/tasks", await mint(tag="v"), **task()))[0] == 201


async def test_an_idempotency_key_belongs_to_the_tag(call: Call, mint: Mint, sandbox: Sandbox) -> None:
    key = {"headers": {"Idempotency-Key": "k"}}
    made = [
        (await call("POST", "/v1/tasks", each, **task(), **key))[1]["task"]["id"] for each in (API_KEY, await mint())
    ]
    again = (await call("POST", "/v1/tasks", await mint(), **task(), **key))[1]["task"]["id"]
    other = (await call("POST", "/v1/tasks", await mint(tag="v"), **task(), **key))[1]["task"]["id"]
    assert again == made[1]
    assert len({*made, other}) == 3 == len(sandbox.runs)


async def test_any_backend_mints_and_an_expired_or_revoked_token_starts_nothing(
    call: Call, relay: Running, sandbox: Sandbox
) -> None:
    now = relay.context.clock()
    claims = {"tag": "u", "scope": "start", "models": ["*"], "exp": now + 60}
    minted = jwt.encode(claims, SECRET, algorithm="HS256")
    assert (await call("POST", "/v1/tasks", minted, **task()))[0] == 201
    expired = jwt.encode(claims | {"exp": now - 1}, SECRET, algorithm="HS256")
    forged = jwt.encode(claims, "x" * 40, algorithm="HS256")
    typo = jwt.encode(claims | {"limits": {"runing": 1}}, SECRET, algorithm="HS256")
    for token in (expired, forged, typo):
        assert (await call("POST", "/v1/tasks", token, **task()))[0] == 401
    await call("POST", "/v1/tokens/revoke", json={"tag": "u"})
    assert (await call("POST", "/v1/tasks", minted, **task()))[0] == 401
    assert len(sandbox.runs) == 1


async def test_a_client_address_has_a_limit_over_all_tags(call: Call, mint: Mint) -> None:
    """API keys are not limited by address."""
    tokens = [await mint(tag=f"t{number}") for number in range(2)]
    client = {"headers": {"X-Forwarded-For": "203.0.113.7"}}
    held = task("hold_at=task_start")
    answers = [(await call("POST", "/v1/tasks", token, **held, **client))[0] for token in tokens]
    assert answers == [201, 429]
    assert (await call("POST", "/v1/tasks", tokens[1], **held, headers={"X-Forwarded-For": "203.0.113.8"}))[0] == 201
    assert (await call("POST", "/v1/tasks", **held, **client))[0] == 201


async def test_a_token_is_minted_with_rules_only_for_starts(call: Call) -> None:
    for body in ({"scope": "view", "models": []}, {"scope": "start", "limits": {"runing": 1}}):
        assert (await call("POST", "/v1/tokens", json={"tag": "u"} | body))[0] == 422
    _, made = await call("POST", "/v1/tasks", **task())
    assert (await call("POST", f"/v1/tasks/{made['task']['id']}/tokens", json={"scope": "start"}))[0] == 422


async def test_a_conversation_of_another_tag_is_not_continued(call: Call, mint: Mint, sandbox: Sandbox) -> None:
    chat = "wiro/sandbox-chat"
    _, first = await call(
        "POST", "/v1/tasks", json={"model": chat, "input": {"prompt": "hi", "session_id": "s"}, "tags": ["v"]}
    )
    await call("GET", f"/v1/tasks/{first['task']['id']}?wait=60")
    body = {"model": chat, "input": {"prompt": "go on", "session_id": "s", "previousTaskToken": first["task"]["id"]}}
    status, problem = await call("POST", "/v1/tasks", await mint(), json=body)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert (await call("POST", "/v1/tasks", await mint(tag="v"), json=body))[0] == 201
