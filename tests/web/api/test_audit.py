"""What is done over the API is in the audit, with who did it, and in the log under the same request id."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from relay.app import Running

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

ADMIN, SHOP = "the-key-of-an-operator-here", "the-key-of-a-shop-backend-1"
KEYS = (f"ops={ADMIN}", f"shop={SHOP}:start")
IMAGE = "bytedance/text-to-image-seedream-v4"
HELD = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}, "tags": ["campaign"]}


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    """Have all lines built, whatever an earlier test has configured."""
    caplog.set_level(logging.DEBUG, logger="web")


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    async with make_relay(api_keys=KEYS) as started:
        yield started


@pytest.fixture
async def page(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session without a credential."""
    async with aiohttp.ClientSession(relay.url) as session:
        yield session


async def audited(page: aiohttp.ClientSession, query: str = "") -> list[dict[str, Any]]:
    async with page.get(f"/v1/audit{query}", headers=bearer(ADMIN)) as answer:
        assert answer.status == 200, await answer.text()
        entries: list[dict[str, Any]] = (await answer.json())["entries"]
        return entries


async def call(page: aiohttp.ClientSession, method: str, path: str, key: str, **how: Any) -> Any:
    """Make a call with the request id `METHOD-SHORT`, and return its JSON."""
    async with page.request(method, path, headers=bearer(key) | how.pop("headers", {}), **how) as answer:
        return await answer.json() if answer.content_type.endswith("json") else None


async def test_each_action_is_recorded_with_who_did_it(page: aiohttp.ClientSession) -> None:
    """The entry has the task, the id of the request, and the id of the token that was minted."""
    made = await call(page, "POST", "/v1/tasks", SHOP, json=HELD, headers={"X-Request-Id": "a-start"})
    task = made["task"]["id"]
    minted = await call(page, "POST", f"/v1/tasks/{task}/tokens", SHOP, json={"scope": "cancel"})
    board = await call(page, "POST", "/v1/tokens", ADMIN, json={"tag": "campaign"})
    await call(page, "POST", f"/v1/tasks/{task}/cancel", minted["token"])
    await call(page, "POST", f"/v1/tasks/{task}/cancel", minted["token"])  # refused or repeated
    again = await call(page, "POST", f"/v1/tasks/{task}/again", SHOP)
    await call(page, "DELETE", f"/v1/tasks/{again['task']['id']}?cancel=1", ADMIN)
    await call(page, "DELETE", "/v1/tasks?tag=campaign&cancel=1", ADMIN)

    entries = [each for each in reversed(await audited(page)) if each["action"] != "cancel"]
    start = entries[0]
    assert (start["request_id"], start["status"], start["address"]) == ("a-start", 201, "127.0.0.1")
    assert [(each["action"], each["key"], each["task"], each["tag"]) for each in entries] == [
        ("start", "shop", task, None),
        ("mint", "shop", task, None),
        ("mint", "ops", None, "campaign"),
        ("again", "shop", again["task"]["id"], None),
        ("delete", "ops", again["task"]["id"], None),
        ("delete", "ops", None, "campaign"),
    ]
    assert [each["jti"] for each in entries[1:3]] == [minted["jti"], board["jti"]]
    assert start["jti"]
    canceled = (await audited(page, "?action=cancel"))[-1]
    assert (canceled["key"], canceled["subject"], canceled["task"]) == (None, f"task:{task}", task)


async def test_a_start_that_the_platform_refuses_is_recorded(page: aiohttp.ClientSession) -> None:
    """It has created a task; an invalid request has not."""
    refused = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: run_error=97:no money]"}}
    problem = await call(page, "POST", "/v1/tasks", SHOP, json=refused)
    await call(page, "POST", "/v1/tasks", SHOP, json={"model": "nothing"})
    (entry,) = await audited(page)
    assert (entry["action"], entry["task"], entry["status"]) == ("start", problem["task"], problem["status"])


async def test_the_audit_is_filtered_and_paged(page: aiohttp.ClientSession) -> None:
    """As lists are. It is for the role `admin`."""
    tags = [f"t{number}" for number in range(5)]
    for tag in tags:
        await call(page, "POST", "/v1/tokens", SHOP, json={"tag": tag})
    await call(page, "POST", "/v1/tokens", ADMIN, json={"tag": "t0"})
    found: list[str] = []
    cursor = ""
    while True:
        body = await call(page, "GET", f"/v1/audit?key=shop&limit=2{cursor}", ADMIN)
        found += [each["tag"] for each in body["entries"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert found == tags[::-1]
    assert [each["key"] for each in await audited(page, "?tag=t0&action=mint")] == ["ops", "shop"]
    assert await audited(page, "?key=") == []
    for wrong in ("key=%00", "task=%00", "action=fly", "limit=0", "since=1764115200000", "color=red"):
        async with page.get(f"/v1/audit?{wrong}", headers=bearer(ADMIN)) as answer:
            assert answer.status == 422, wrong
    async with page.get("/v1/audit", headers=bearer(SHOP)) as answer:
        assert answer.status == 403


async def test_failed_authentications_are_counted_and_not_stored_one_by_one(
    page: aiohttp.ClientSession, relay: Running
) -> None:
    """By header, URL, message, body and sign-in code. A missing and an expired credential are not failures."""
    with capture_logs() as lines:
        for _ in range(3):
            await call(page, "GET", "/v1/tasks", "a-wrong-key")
        await call(page, "GET", f"/v1/tasks?token={ADMIN}", "x")
        async with page.get(f"/v1/tasks/x?token={ADMIN}") as answer:
            assert answer.status == 401
        async with page.post("/v1/login", json={"code": "wrong"}) as answer:
            assert answer.status == 401
        body = {"subscriptions": [{"task": "x", "token": "wrong"}]}
        async with page.post("/v1/events", json=body) as answer:
            assert (await answer.json())["messages"][0]["code"] == "unauthorized"
        async with page.ws_connect("/v1/ws") as socket:
            await socket.send_json({"type": "subscribe", "task": "x", "token": "wrong"})
            assert "unauthorized" in await socket.receive_str()
            await socket.send_json({"type": "auth", "token": "wrong"})
            assert (await socket.receive()).data == 4500
        expired, _ = relay.context.access.mint("x", scope="view", ttl_s=-1)
        await call(page, "GET", "/v1/tasks/x", expired)
        async with page.get("/v1/tasks") as answer:
            assert answer.status == 401
        entries = await audited(page, "?action=auth_failed")
        # A viewer knows the address that its limit counts, and none for loopback.
        assert [(each["address"], each["count"]) for each in entries] == [(None, 1), ("127.0.0.1", 1)]
        assert relay.context.audit._failures.end() == [("127.0.0.1", 6), (None, 1)]
    assert [line["log_level"] for line in lines if line["event"] == "auth.failed"] == ["info", "info"]


async def test_a_request_id_is_in_the_response_the_problem_and_every_line(page: aiohttp.ClientSession) -> None:
    """The client's own if it is safe: an API key is not."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for given, kept in (("abc-DEF_1", True), ("x" * 65, False), ("a b", False), ("a.b.c", False), (ADMIN, False)):
            async with page.post("/v1/tasks", json={}, headers=bearer(SHOP) | {"X-Request-Id": given}) as answer:
                shown = answer.headers["X-Request-Id"]
                assert (shown == given) is kept
                assert (await answer.json())["request_id"] == shown
                assert [line["request_id"] for line in lines if line["event"] == "request.answered"] == [shown]
                lines.clear()
    for path in ("/", "/livez", "/static/relay.js", "/nothing"):
        async with page.get(path) as answer:
            assert answer.headers["X-Request-Id"]


async def test_the_line_about_a_request_names_the_caller_and_the_task(
    page: aiohttp.ClientSession,
) -> None:
    """The key by its name, a token by what it opens."""
    with capture_logs() as lines:
        made = await call(page, "POST", "/v1/tasks", SHOP, json=HELD)
        await call(page, "GET", f"/v1/tasks/{made['task']['id']}", made["token"])
    start, read = (line for line in lines if line["event"] == "request.answered")
    task = made["task"]["id"]
    assert (start["key"], start["task"], start["status"], start["path"]) == ("shop", task, 201, "/v1/tasks")
    assert (read["subject"], read["task"], read["log_level"]) == (f"task:{task}", task, "debug")
    assert read["body_bytes"] > 100
    assert (start["client_address"], "duration_s" in start) == ("127.0.0.1", True)
