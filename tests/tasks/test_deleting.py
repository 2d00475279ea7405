"""Deleting tasks: `DELETE /v1/tasks/{id}` and `DELETE /v1/tasks?tag=…`."""

from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.errors import RequestError
from relay.sandbox import Sandbox
from relay.tasks import deleting
from relay.tasks.requests import Idempotency
from tests.tasks.support import MODEL, ended, request

KEY = Idempotency(key="caller k1", digest="digest", unscoped="k1")


async def delete(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    async with client.delete(f"/v1/tasks{path}", headers=headers) as answer:
        return answer.status, {} if answer.status == 204 else await answer.json()


async def finished(relay: Running, prompt: str = "a cat", **more: Any) -> str:
    """Run a task to its end and return its id."""
    started = await relay.context.tasks.start(request(prompt), **more)
    await ended(relay, started.snapshot.id)
    return started.snapshot.id


async def test_a_deleted_task_is_gone(relay: Running, client: aiohttp.ClientSession) -> None:
    """Every call about it is 410, and the list does not have it. Repeated, the deletion is 204 as well."""
    task = await finished(relay)
    assert (await delete(client, f"/{task}"))[0] == 204
    assert (await delete(client, f"/{task}"))[0] == 204
    for method, path in (
        ("GET", ""),
        ("GET", "/input"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/again"),
        ("POST", "/tokens"),
    ):
        async with client.request(method, f"/v1/tasks/{task}{path}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (410, "gone"), path
    async with client.get("/v1/tasks") as answer:
        assert (await answer.json())["tasks"] == []
    stream = {"Accept": "text/event-stream"}
    async with client.get(f"/v1/tasks/{task}/events", headers=stream) as answer:
        assert answer.status == 410
    async with client.get("/v1/events", params={"task": task}) as answer:
        (message,) = (await answer.json())["messages"]
        assert (message["type"], message["code"]) == ("error", "gone")
    async with client.ws_connect(f"/v1/tasks/{task}/ws") as socket:
        await socket.receive()
        assert socket.close_code == 4510


async def test_only_keys_may_delete(relay: Running, client: aiohttp.ClientSession) -> None:
    """An unknown task is 404, and without a tag nothing is deleted."""
    task = await finished(relay)
    token, _ = relay.context.access.mint(task, scope="view cancel input", ttl_s=60)
    assert (await delete(client, f"/{task}", Authorization=f"Bearer {token}"))[0] == 403
    assert (await delete(client, "?tag=a", Authorization=f"Bearer {token}"))[0] == 403
    assert (await delete(client, "/unknown"))[0] == 404
    assert (await delete(client, "/unknown?upstream=1"))[0] == 404
    assert (await delete(client, ""))[0] == 422
    assert (await relay.context.tasks.snapshot(task)).id == task


async def test_a_task_that_runs_is_canceled_first_if_that_is_asked_for(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """Without that it is a conflict. One that cannot be stopped in time is not deleted."""
    sandbox.next_run(hold_at="task_start")
    task = (await relay.context.tasks.start(request())).snapshot.id
    status, problem = await delete(client, f"/{task}")
    assert (status, problem["code"]) == (409, "conflict")
    assert (await delete(client, f"/{task}?cancel=1"))[0] == 204
    assert next(iter(sandbox.tasks.values())).verdict == "canceled"


async def test_a_task_that_does_not_end_is_not_deleted(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform refuses to stop it, or the wait for its end is over."""
    sandbox.next_run(hold_at="task_start", kill_error="it is busy")
    started = (await relay.context.tasks.start(request())).snapshot
    await sandbox.until(started.upstream_id or "", lambda task: task.holding_at)
    assert (await delete(client, f"/{started.id}?cancel=1"))[0] == 502

    async def ignore(_task: str) -> None:
        pass

    monkeypatch.setattr(deleting, "END_S", 0.0)
    monkeypatch.setattr(relay.context.tasks._deleter, "_cancel", ignore)
    assert (await delete(client, f"/{started.id}?cancel=1"))[0] == 409
    assert (await relay.context.tasks.snapshot(started.id)).done is None


async def test_the_platforms_copy_is_deleted_first(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """If the platform refuses, the task stays. Later, the relay does not know its copy any more."""
    task = await finished(relay)
    (copy,) = sandbox.tasks.values()
    assert (await delete(client, f"/{task}?upstream=1"))[0] == 204
    assert copy.record.files_deleted
    assert (await delete(client, f"/{task}?upstream=1"))[0] == 204
    other = await finished(relay)
    assert (await delete(client, f"/{other}"))[0] == 204
    status, problem = await delete(client, f"/{other}?upstream=1")
    assert (status, "not the platform's copy" in problem["detail"]) == (409, True)


async def test_a_copy_that_cannot_be_deleted_keeps_the_task(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be deleted alone. A task that the platform never had has no copy."""
    provider = relay.context.tasks._providers["wiro"]
    task = await finished(relay)
    sandbox.next_run(run_error="97:Insufficient balance")
    refused = (await relay.context.tasks.start(request("a dog"))).snapshot.id
    monkeypatch.setattr(provider, "deletes", False)
    status, problem = await delete(client, f"/{task}?upstream=1")
    assert (status, "no call" in problem["detail"]) == (409, True)
    assert (await delete(client, f"/{refused}?upstream=1"))[0] == 204
    assert (await delete(client, f"/{task}"))[0] == 204


async def test_a_repeated_start_does_not_run_what_was_deleted(relay: Running, sandbox: Sandbox) -> None:
    """Its idempotency key stays in use: 410."""
    task = await finished(relay, idempotency=KEY)
    await relay.context.tasks.delete(task, cancel=False, upstream=False)
    with pytest.raises(RequestError, match="was deleted"):
        await relay.context.tasks.start(request(), KEY)
    assert len(sandbox.runs) == 1


async def test_all_tasks_of_a_tag_are_deleted(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names those that run. With `cancel=1` they are deleted, too."""
    monkeypatch.setattr(deleting, "PAGE_TASKS", 2)
    ids = []
    for number in range(5):
        if number == 2:
            sandbox.next_run(hold_at="task_start")
        tags = ["b"] if number == 4 else ["a"]
        body = {"model": MODEL, "input": {"prompt": "x"}, "tags": tags}
        async with client.post("/v1/tasks", json=body) as answer:
            ids.append((await answer.json())["task"]["id"])
        if number != 2:
            await ended(relay, ids[-1])
    nothing = {"failed": [], "complete": True, "running": []}
    status, report = await delete(client, "?tag=a")
    assert (status, report) == (200, {"tag": "a", "deleted": 3} | nothing | {"running": [ids[2]]})
    assert await delete(client, "?tag=a&cancel=1&upstream=1") == (200, {"tag": "a", "deleted": 1} | nothing)
    assert await delete(client, "?tag=a") == (200, {"tag": "a", "deleted": 0} | nothing)
    assert (await relay.context.tasks.snapshot(ids[4])).id == ids[4]


async def test_a_report_names_what_could_not_be_deleted(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says when there was not enough time for all."""
    monkeypatch.setattr(relay.context.tasks._providers["wiro"], "deletes", False)
    body = {"model": MODEL, "input": {"prompt": "x"}, "tags": ["a"]}
    async with client.post("/v1/tasks", json=body, headers={"Prefer": "wait=60"}) as answer:
        task = (await answer.json())["task"]["id"]
    _, report = await delete(client, "?tag=a&upstream=1")
    assert (report["deleted"], [each["task"] for each in report["failed"]]) == (0, [task])
    monkeypatch.setattr(deleting, "CALL_S", -1.0)
    _, report = await delete(client, "?tag=a")
    assert (report["deleted"], report["complete"]) == (0, False)


class TestElsewhere:
    """Deletions on a node that does not follow the task."""

    async def test_a_task_of_another_node_is_canceled_and_deleted(
        self, pair: tuple[Running, Running], sandbox: Sandbox
    ) -> None:
        first, second = pair
        sandbox.next_run(hold_at="task_start")
        task = (await first.context.tasks.start(request())).snapshot.id
        await second.context.tasks.delete(task, cancel=True, upstream=True)
        for each in pair:
            with pytest.raises(RequestError, match="was deleted"):
                await each.context.tasks.snapshot(task)
