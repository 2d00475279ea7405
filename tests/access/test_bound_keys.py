"""API keys that are bound to a tag: they start, see and mint for this tag only."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.app import Running
from tests.conftest import API_KEY, MakeRelay

KEY = "the-key-that-is-bound-to-a-tag"
READER = "the-key-that-only-reads-a-tag"
TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    async with make_relay(api_keys=(API_KEY, f"shop={KEY}:start:u", f"looker={READER}:read:u")) as started:
        yield started


@pytest.fixture
async def bound(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


async def test_a_bound_key_starts_and_sees_its_tag_only(
    bound: aiohttp.ClientSession, client: aiohttp.ClientSession
) -> None:
    """Its lists without a tag are those of its tag."""
    async with client.post("/v1/tasks", json=TASK | {"tags": ["v"]}) as answer:
        other = (await answer.json())["task"]["id"]
    async with bound.post("/v1/tasks", json=TASK) as answer:
        made = (await answer.json())["task"]
    assert made["tags"] == ["u"]
    own = made["id"]
    for path in ("/v1/tasks", "/v1/tasks?tag=u"):
        async with bound.get(path) as answer:
            assert [each["id"] for each in (await answer.json())["tasks"]] == [own]
    async with bound.get("/v1/tasks/counts") as answer:
        assert sum((await answer.json())["states"].values()) == 1
    for allowed in (f"/v1/tasks/{own}", f"/v1/tasks/{own}/input", "/v1/models"):
        async with bound.get(allowed) as answer:
            assert answer.status == 200, allowed
    for refused in (
        f"/v1/tasks/{other}",
        f"/v1/tasks/{other}/input",
        "/v1/tasks?tag=v",
        "/v1/stats",
        "/v1/usage",
        "/v1/audit",
    ):
        async with bound.get(refused) as answer:
            assert answer.status == 403, refused
    for path, body in (
        ("/v1/tasks", TASK | {"tags": ["v"]}),
        (f"/v1/tasks/{other}/cancel", {}),
        (f"/v1/tasks/{other}/again", {}),
        (f"/v1/tasks/{other}/tokens", {}),
        ("/v1/tokens", {"tag": "v"}),
        ("/v1/tasks/attach", {"socket_token": "t"}),
        ("/v1/files", {}),
        ("/v1/tokens/revoke", {"tag": "v"}),
    ):
        async with bound.post(path, json=body) as answer:
            assert answer.status == 403, path
    for path, body in (("/v1/tokens", {"tag": "u", "scope": "start"}), (f"/v1/tasks/{own}/tokens", {})):
        async with bound.post(path, json=body) as answer:
            assert answer.status == 200, path
    async with bound.post(f"/v1/tasks/{own}/cancel") as answer:
        assert answer.status == 202


async def test_a_bound_key_follows_its_tag_only(bound: aiohttp.ClientSession) -> None:
    async with bound.ws_connect("/v1/ws") as socket:
        answers = []
        for wanted in ({"tag": "u"}, {"tag": "v"}, {"all": True}):
            await socket.send_json({"type": "subscribe"} | wanted)
            answers.append(await socket.receive_json())
    assert [each["type"] for each in answers] == ["listed", "error", "error"]
    assert {each["code"] for each in answers[1:]} == {"forbidden"}


async def test_a_bound_reader_starts_nothing(relay: Running) -> None:
    async with aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {READER}"}) as reader:
        async with reader.post("/v1/tasks", json=TASK) as answer:
            assert answer.status == 403
        async with reader.post("/v1/tokens", json={"tag": "u", "scope": "start"}) as answer:
            assert answer.status == 403
        async with reader.post("/v1/tokens", json={"tag": "u"}) as answer:
            assert answer.status == 200
