"""Rate limits by API key, by viewer token and by connection. Other clients are not affected."""

import asyncio
import hmac
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import orjson
import pytest

from relay.access.grants import Access
from relay.app import Running
from relay.backoff import Bucket
from relay.config.api_keys import ApiKey
from relay.sandbox import Sandbox
from relay.tasks.stopper import STOPS_AT_ONCE

Message = dict[str, Any]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

KEYS = ("the-first-key-of-two-keys", "the-second-key-of-two-keys")
TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def too_many(answer: aiohttp.ClientResponse) -> bool:
    """Return whether a response is a rate limit problem with `Retry-After`."""
    if answer.status != 429:
        return False
    assert (await answer.json())["code"] == "rate_limited"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    return True


async def test_starts_are_limited_by_key(make_relay: MakeRelay) -> None:
    """Starts, attachments and uploads count together, before their bodies are read. Each key has its own limit."""
    async with make_relay(start_rate=2, api_keys=KEYS) as relay, aiohttp.ClientSession(relay.url) as client:
        for _ in range(2):
            async with client.post("/v1/tasks", json=TASK, headers=bearer(KEYS[0])) as answer:
                assert answer.status == 201
        for path in ("/v1/tasks", "/v1/tasks/attach", "/v1/files", "/v1/folders"):
            async with client.post(path, json=TASK, headers=bearer(KEYS[0])) as answer:
                assert await too_many(answer), path
        async with client.post("/v1/tasks", json=TASK, headers=bearer(KEYS[1])) as answer:
            assert answer.status == 201
        async with client.get("/v1/tasks", headers=bearer(KEYS[0])) as answer:
            assert len((await answer.json())["tasks"]) == 3


async def test_minted_tokens_are_limited_by_key(make_relay: MakeRelay) -> None:
    """Tokens for tasks and tags count together, apart from starts."""
    async with (
        make_relay(mint_rate=2, api_keys=KEYS) as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(KEYS[1])) as client,
    ):
        async with client.post("/v1/tasks", json=TASK) as answer:
            task = (await answer.json())["task"]["id"]
        calls: list[tuple[str, Message]] = [(f"/v1/tasks/{task}/tokens", {}), ("/v1/tokens", {"tag": "a"})]
        for path, body in calls:
            async with client.post(path, json=body) as answer:
                assert answer.status == 200
        for path, body in calls:
            async with client.post(path, json=body) as answer:
                assert await too_many(answer), path


async def test_each_of_several_keys_allows_everything(make_relay: MakeRelay) -> None:
    """Two keys are valid while keys are rotated. Parts of a key are not valid."""
    async with make_relay(api_keys=KEYS) as relay, aiohttp.ClientSession(relay.url) as client:
        for key, status in ((KEYS[0], 200), (KEYS[1], 200), (",".join(KEYS), 401), (KEYS[0][:-1], 401)):
            async with client.get("/v1/tasks", headers=bearer(key)) as answer:
                assert answer.status == status


def test_a_key_is_compared_with_every_key_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time discloses neither how much of a key is right nor which key it is."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    access = Access([ApiKey(key=key, name=key[:9]) for key in KEYS], "s" * 32, lambda: 0.0)
    for key in KEYS:
        compared.clear()
        assert access.check(key).name == key[:9]
        assert compared == [(key.encode(), each.encode()) for each in KEYS]


@pytest.mark.parametrize("many", [True, False], ids=["many", "one"])
@pytest.mark.parametrize("what", ["messages", "pings", "pongs"])
async def test_a_client_that_sends_too_many_frames_is_closed_with_4505(
    make_relay: MakeRelay, many: bool, what: str
) -> None:
    """Pings count like messages."""
    async with (
        make_relay(message_rate=0.5) as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client,
    ):
        async with client.post("/v1/tasks", json=TASK) as answer:
            task = (await answer.json())["task"]["id"]
        async with client.ws_connect("/v1/ws" if many else f"/v1/tasks/{task}/ws", autoping=False) as socket:
            for _ in range(6):
                match what:
                    case "messages":
                        await socket.send_json({"type": "auth", "token": relay.api_key})
                    case "pings":
                        await socket.ping(b"are you there")
                    case _:
                        await socket.pong()
            said = [await socket.receive()]
            while said[-1].type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PONG):
                said.append(await socket.receive())
        assert (said[-1].type, said[-1].data) == (aiohttp.WSMsgType.CLOSE, 4505)
        assert said[-1].extra == "more than 0.5 messages per second"
        assert len([each for each in said if each.type is aiohttp.WSMsgType.PONG]) == (5 if what == "pings" else 0)


async def test_a_pong_has_the_payload_of_its_ping(client: aiohttp.ClientSession) -> None:
    """https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3. The relay answers pings itself in order to count them."""
    async with client.ws_connect("/v1/ws", autoping=False) as socket:
        await socket.ping(b"are you there")
        answer = await socket.receive()
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_refused_viewers_are_logged_once_a_minute(
    make_relay: MakeRelay, capfd: pytest.CaptureFixture[str]
) -> None:
    """A flood of refusals does not flood the log. The line has the address of a client."""
    async with make_relay(connection_limit=1, log_format="json") as relay:
        relay.context.viewers.limit = 0
        relay.context.refused_log = Bucket(1, 1e-9, relay.context.clock())
        async with aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client:
            for _ in range(5):
                async with client.ws_connect("/v1/ws") as socket:
                    assert (await socket.receive()).data == 4004
    assert capfd.readouterr().out.count("viewers.refused") == 1


async def test_subscriptions_of_a_connection_are_limited(make_relay: MakeRelay) -> None:
    """Tasks and tags count together."""
    async with (
        make_relay(subscription_limit=2) as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client,
        client.ws_connect("/v1/ws") as socket,
    ):
        for tag, kind in (("a", "listed"), ("b", "listed"), ("c", "error"), ("a", "listed")):
            await socket.send_json({"type": "subscribe", "tag": tag})
            assert orjson.loads(await socket.receive_str())["type"] == kind


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in a loop"])
async def test_repeated_cancels_do_not_reach_the_platform(
    make_relay: MakeRelay, sandbox: Sandbox, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers must not use up the rate limit of the account. Each caller gets the platform's answer."""
    async with make_relay(cancel_rate=1000) as relay, aiohttp.ClientSession(relay.url) as client:
        body = {"model": TASK["model"], "input": {"prompt": "a cat [sandbox: hold_at=task_start, kill_error=later]"}}
        async with client.post("/v1/tasks", json=body, headers=bearer(relay.api_key)) as answer:
            task = (await answer.json())["task"]["id"]
        (truth,) = sandbox.tasks.values()
        await truth.until(lambda each: each.holding_at == "task_start")
        token, _ = relay.context.access.mint(task, scope="view cancel", ttl_s=60)
        async with client.ws_connect(f"/v1/tasks/{task}/ws", params={"token": token}) as viewer:
            while b'"state":"running"' not in (await viewer.receive_str()).encode():
                pass  # until the relay has heard that it runs: before, it would ask for a cancel before a kill
        read, stops, provider = truth.details_read, 0, relay.context.tasks._providers["wiro"]
        stop = provider.stop

        async def counted(*arguments: Any, **more: Any) -> None:
            nonlocal stops
            stops += 1
            await stop(*arguments, **more)

        monkeypatch.setattr(provider, "stop", counted)

        async def cancel() -> tuple[int, str]:
            async with client.post(f"/v1/tasks/{task}/cancel", headers=bearer(token)) as answer:
                return answer.status, (await answer.json())["detail"]

        if at_once:
            said = await asyncio.gather(*(cancel() for _ in range(100)))
        else:
            said = [await cancel() for _ in range(100)]
        assert {status for status, _ in said} == {502}
        assert len(set(said)) == 1
        assert 1 <= stops <= STOPS_AT_ONCE
        assert truth.details_read - read <= 20


async def test_repeated_callbacks_read_the_record_once(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """One read serves all callbacks that arrive before it, and a read follows the last one."""
    async with (
        make_relay(public_url="http://relay.example/") as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client,
    ):
        async with client.post("/v1/tasks", json=TASK) as answer:
            task = (await answer.json())["task"]["id"]
        (truth,) = sandbox.tasks.values()
        hook = (await relay.context.tasks.stored_task(task)).hook
        for _ in range(200):
            async with client.post(f"/hooks/wiro/{hook}", json={}) as answer:
                assert answer.status == 200
        assert truth.details_read <= 20
        follower = relay.context.tasks._supervisor.get(task)
        assert follower is not None
        assert follower._extra_checks.pending


async def test_cancels_of_viewers_are_limited(make_relay: MakeRelay) -> None:
    """A tag token could otherwise cancel thousands of tasks. API keys are not limited."""
    async with make_relay(cancel_rate=2) as relay, aiohttp.ClientSession(relay.url) as client:
        tasks = []
        for _ in range(4):
            async with client.post("/v1/tasks", json=TASK | {"tags": ["a"]}, headers=bearer(relay.api_key)) as answer:
                tasks.append((await answer.json())["task"]["id"])
        token, _ = relay.context.access.mint_tag("a", scope="cancel", ttl_s=60)
        for task in tasks[:2]:
            async with client.post(f"/v1/tasks/{task}/cancel", headers=bearer(token)) as answer:
                assert answer.status == 202
        async with client.post(f"/v1/tasks/{tasks[2]}/cancel", headers=bearer(token)) as answer:
            assert await too_many(answer)
        other, _ = relay.context.access.mint(tasks[2], scope="cancel", ttl_s=60)
        for task, credential in ((tasks[2], other), (tasks[3], relay.api_key)):
            async with client.post(f"/v1/tasks/{task}/cancel", headers=bearer(credential)) as answer:
                assert answer.status == 202
