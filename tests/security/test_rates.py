"""How much one client may say and one key may do: over it there is a clear answer, and others notice nothing."""

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
from relay.errors import RequestError
from relay.sandbox import Sandbox
from relay.tasks.stopper import STOPS_AT_ONCE
from relay.web.http import rate_limits as rates
from relay.web.http.rate_limits import Rate

Message = dict[str, Any]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

KEYS = ("the-first-key-of-two-keys", "the-second-key-of-two-keys")
TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def too_many(answer: aiohttp.ClientResponse) -> bool:
    """Return whether it is the answer for who asked too often, which says when to come back."""
    if answer.status != 429:
        return False
    assert (await answer.json())["code"] == "rate_limited"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    return True


async def test_a_key_starts_only_so_many_tasks_a_minute(make_relay: MakeRelay) -> None:
    """Starts, attachments and uploads are counted together, before anything is read; another key has its own count."""
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


async def test_a_key_mints_only_so_many_tokens_a_minute(make_relay: MakeRelay) -> None:
    """For a task or for a tag: it is one count, and not that of starts."""
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


async def test_each_of_several_keys_opens_everything(make_relay: MakeRelay) -> None:
    """Keys are rotated by having two for a while; what is no key of them is none."""
    async with make_relay(api_keys=KEYS) as relay, aiohttp.ClientSession(relay.url) as client:
        for key, status in ((KEYS[0], 200), (KEYS[1], 200), (",".join(KEYS), 401), (KEYS[0][:-1], 401)):
            async with client.get("/v1/tasks", headers=bearer(key)) as answer:
                assert answer.status == status


def test_a_key_is_compared_with_every_key_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes tells neither how much of it is right nor which of the keys it is."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    access = Access(KEYS, "s" * 32, lambda: 0.0)
    for number, key in enumerate(KEYS):
        compared.clear()
        assert access.check(key).key == number
        assert compared == [(key.encode(), each.encode()) for each in KEYS]


@pytest.mark.parametrize("many", [True, False], ids=["many", "one"])
@pytest.mark.parametrize("what", ["messages", "pings", "pongs"])
async def test_who_says_too_much_is_closed_with_4505(make_relay: MakeRelay, many: bool, what: str) -> None:
    """Whatever it says: a flood of pings costs as much as one of messages."""
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
        assert said[-1].extra == "more than 0.5 messages a second"
        assert len([each for each in said if each.type is aiohttp.WSMsgType.PONG]) == (5 if what == "pings" else 0)


async def test_a_ping_is_answered_with_what_it_said(client: aiohttp.ClientSession) -> None:
    """RFC 6455 section 5.5.3: pongs are ours to send, since pings are ours to count."""
    async with client.ws_connect("/v1/ws", autoping=False) as socket:
        await socket.ping(b"are you there")
        answer = await socket.receive()
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_the_log_says_once_a_minute_that_viewers_are_refused(
    make_relay: MakeRelay, capfd: pytest.CaptureFixture[str]
) -> None:
    """A flood of refusals is none of lines, and one line names somebody."""
    async with make_relay(connection_limit=1, log_format="json") as relay:
        relay.context.viewers._limit = 0
        relay.context.complaints = Bucket(1, 1e-9, relay.context.clock())
        async with aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client:
            for _ in range(5):
                async with client.ws_connect("/v1/ws") as socket:
                    assert (await socket.receive()).data == 4004
    assert capfd.readouterr().out.count("viewers.refused") == 1


async def test_one_connection_subscribes_to_so_many_tasks_and_tags_together(make_relay: MakeRelay) -> None:
    """A tag counts as a task does."""
    async with (
        make_relay(subscription_limit=2) as relay,
        aiohttp.ClientSession(relay.url, headers=bearer(relay.api_key)) as client,
        client.ws_connect("/v1/ws") as socket,
    ):
        for tag, kind in (("a", "listed"), ("b", "listed"), ("c", "error"), ("a", "listed")):
            await socket.send_json({"type": "subscribe", "tag": tag})
            assert orjson.loads(await socket.receive_str())["type"] == kind


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in a loop"])
async def test_however_often_a_task_is_canceled_its_platform_is_asked_seldom(
    make_relay: MakeRelay, sandbox: Sandbox, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer's token must not use up the rate limit of the account; each caller learns what the platform said."""
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


async def test_however_often_the_platform_calls_back_its_record_is_read_seldom(
    make_relay: MakeRelay, sandbox: Sandbox
) -> None:
    """Callbacks are hints: one look serves all that come meanwhile, and the last of them is followed by a look."""
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


async def test_viewers_cancel_only_so_often_a_minute(make_relay: MakeRelay) -> None:
    """A tag's token could stop thousands of tasks at once, in thousands of calls; an API key may."""
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


def test_a_rate_forgets_those_that_have_not_asked_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens can name any number of tags."""
    monkeypatch.setattr(rates, "MOST_BUCKETS", 3)
    rate = Rate(60, "calls")
    for number in range(100):
        rate.spend(number, now=2.0 * number)
    assert len(rate._buckets) <= 3
    for _ in range(59):
        rate.spend(99, now=198.0)
    with pytest.raises(RequestError) as caught:
        rate.spend(99, now=198.0)
    assert caught.value.detail == "Rate limit exceeded: 60 calls a minute. Retry in 1 s."
