"""What clients get while the store fails: an immediate error, an accurate `/readyz`, and reads that still work."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from relay.app import Running
from relay.errors import Fenced, StoreTimeout
from relay.journal.base import Created
from relay.journal.sqlite import journal as sqlite_journal
from relay.journal.sqlite import listing
from relay.sandbox import Sandbox

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat"}, "tags": ["shop"]}
LONGEST_S = 60.0


@pytest.fixture(autouse=True)
def always_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every readiness check write to the store."""
    monkeypatch.setattr(sqlite_journal, "CHECK_WRITE_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "relay.db"


@asynccontextmanager
async def serving(make_relay: MakeRelay, path: Path) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """Run a relay with this store. Yields it and a client with its API key."""
    async with AsyncExitStack() as stack:
        spool = path.parent.parent / "spool"
        relay = await stack.enter_async_context(make_relay(store=f"sqlite:///{path}", spool=spool))
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        client = await stack.enter_async_context(aiohttp.ClientSession(relay.url, headers=headers))
        await stack.enter_async_context(asyncio.timeout(LONGEST_S))  # nothing here may hang
        yield relay, client


async def get(client: aiohttp.ClientSession, at: str) -> tuple[int, Any]:
    async with client.get(at) as answer:
        return answer.status, await answer.json()


async def start(client: aiohttp.ClientSession) -> tuple[int, Any, str | None]:
    async with client.post("/v1/tasks", json=TASK) as answer:
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


async def ended(client: aiohttp.ClientSession, task: str) -> dict[str, Any]:
    """Read the stream of a task until its end, and return the state."""
    async with client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as answer:
        await answer.read()
    _, state = await get(client, f"/v1/tasks/{task}")
    assert state["done"] is not None
    return dict(state)


def names(logs: list[Any], *levels: str) -> list[str]:
    """Return the events that were logged at these levels."""
    return [entry["event"] for entry in logs if entry["log_level"] in levels]


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Limit the size of files of this process to that of the journal's log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("relay.db-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_503_for_writes_and_does_not_affect_reads(
    make_relay: MakeRelay, sandbox: Sandbox, path: Path
) -> None:
    """It recovers when there is space again. No event is lost, and the log has one line for each change."""
    async with serving(make_relay, path) as (_, client):
        sandbox.next_run(hold_at="task_start")
        _, running, _ = await start(client)
        task, truth = running["task"]["id"], sandbox.tasks[running["task"]["upstream_id"]]
        await truth.until(lambda task: task.holding_at)
        with capture_logs() as logs:
            with full_disk(path):
                for _ in range(3):
                    status, problem, retry_after = await start(client)
                    assert (status, problem["code"]) == (503, "store_unavailable")
                    assert retry_after is not None
                    assert int(retry_after) >= 1
                status, body = await get(client, "/readyz")
                assert (status, body["status"], body["following"]) == (503, "the store cannot be written", 1)
                assert (await get(client, "/livez"))[0] == 200
                assert (await get(client, f"/v1/tasks/{task}"))[0] == 200
                assert [each["id"] for each in (await get(client, "/v1/tasks"))[1]["tasks"]] == [task]
                sandbox.release(truth.id)
                await truth.until(lambda task: task.verdict)
            while (await get(client, "/readyz"))[0] != 200:
                pass
            state = await ended(client, task)
        assert state["done"]["verdict"] == "succeeded"
        assert len(sandbox.runs) == 1
        _, log = await get(client, f"/v1/tasks/{task}/events?limit=1000")
        assert [event["seq"] for event in log["events"]] == list(range(1, state["seq"] + 1))
    assert names(logs, "error", "warning", "critical") == ["journal.write_failed"]
    assert "journal.write_recovered" in names(logs, "info")


async def test_a_store_that_was_removed_accepts_no_tasks(make_relay: MakeRelay, sandbox: Sandbox, path: Path) -> None:
    """A task that would be lost at the next restart is rejected before it is billed."""
    async with serving(make_relay, path) as (_, client):
        assert (await start(client))[0] == 201
        status, body = await get(client, "/readyz")
        assert (status, body["files_free"] > 0, body["disk_free_bytes"] > 0) == (200, True, True)
        runs = len(sandbox.runs)
        await asyncio.to_thread(path.unlink)
        status, problem, _ = await start(client)
        assert (status, problem["code"]) == (503, "store_unavailable")
        status, body = await get(client, "/readyz")
        assert (status, body["status"]) == (503, "the store was deleted or replaced")
        assert str(path) not in orjson.dumps(body | problem).decode()
        assert len(sandbox.runs) == runs


async def test_a_search_that_takes_too_long_is_503_and_says_why(
    make_relay: MakeRelay, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store works, and the relay stays ready."""

    def take_too_long(_connection: sqlite3.Connection, **_: object) -> None:
        raise StoreTimeout(5.0)

    async with serving(make_relay, path) as (_, client):
        monkeypatch.setattr(listing, "load_page", take_too_long)
        status, problem = await get(client, "/v1/tasks?q=a")
        assert (status, problem["code"]) == (503, "store_unavailable")
        assert problem["detail"].startswith("The list was not complete after 5 s")
        assert (await get(client, "/readyz"))[0] == 200


async def test_a_node_that_was_replaced_accepts_no_task(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was stored, so the client may retry; a moment later the node has a new id."""

    async def refused(*_given: Any, **_more: Any) -> Created:
        raise Fenced("this node was declared dead")

    monkeypatch.setattr(relay.journal, "create", refused)
    status, problem, retry_after = await start(client)

    assert (status, problem["code"]) == (503, "store_unavailable")
    assert retry_after is not None
    assert sandbox.runs == ()


DAMAGES = {
    "cut state": "UPDATE tasks SET snapshot = substr(snapshot, 1, 40) WHERE id = ?",
    "no state": "UPDATE tasks SET snapshot = NULL WHERE id = ?",
}


def change(path: Path, statement: str, task: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM events WHERE task = ? AND seq < 3", (task,))
        connection.execute(statement, (task,))


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_task_is_500_and_others_are_served(make_relay: MakeRelay, path: Path, damage: str) -> None:
    """It fails at once over every transport. Lists, tags and other subscriptions of the connection leave it out."""
    async with serving(make_relay, path) as (_, client):
        bad, good = [(await start(client))[1]["task"]["id"] for _ in range(2)]
        for task in (bad, good):
            await ended(client, task)
        await asyncio.to_thread(change, path, DAMAGES[damage], bad)
        with capture_logs() as logs:
            status, problem = await get(client, f"/v1/tasks/{bad}")
            assert (status, problem["code"]) == (500, "internal")
            assert "a cat" not in orjson.dumps(problem).decode()
            assert (await get(client, f"/v1/tasks/{good}"))[0] == 200
            for query in ("", "?tag=shop", "?state=succeeded"):
                status, page = await get(client, f"/v1/tasks{query}")
                assert (status, [task["id"] for task in page["tasks"]]) == (200, [good])
            assert (await get(client, "/readyz"))[0] == 200
            async with client.ws_connect(f"/v1/tasks/{bad}/ws") as socket:
                assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            async with client.ws_connect("/v1/ws") as socket:
                for wanted in ({"task": bad}, {"task": good}, {"tag": "shop"}, {"all": True}):
                    await socket.send_json({"type": "subscribe", **wanted})
                heard = [await socket.receive_json() for _ in range(5)]
            faults = [message for message in heard if message["type"] == "error"]
            assert [(fault["task"], fault["code"]) for fault in faults] == [(bad, "internal")]
            assert {message["task"]["id"] for message in heard if message["type"] == "snapshot"} == {good}
            assert {message["type"] for message in heard} >= {"listed"}
        assert names(logs, "error") == ["journal.damage_found"]


async def test_a_damaged_unfinished_task_does_not_stop_the_relay(
    make_relay: MakeRelay, sandbox: Sandbox, path: Path
) -> None:
    """The other tasks are resumed, and the log names the damaged one."""
    async with serving(make_relay, path) as (_, client):
        tasks = []
        for _ in range(2):
            sandbox.next_run(hold_at="task_start")
            _, made, _ = await start(client)
            await sandbox.until(made["task"]["upstream_id"], lambda task: task.holding_at)
            tasks.append(made["task"])
    bad, good = tasks
    await asyncio.to_thread(change, path, DAMAGES["no state"], bad["id"])
    with capture_logs() as logs:
        async with serving(make_relay, path) as (relay, client):
            assert relay.context.tasks.following == 1
            sandbox.release(good["upstream_id"])
            assert (await ended(client, good["id"]))["done"]["verdict"] == "succeeded"
            assert (await get(client, f"/v1/tasks/{bad['id']}"))[0] == 500
    assert names(logs, "error") == ["journal.damage_found", "task.skipped"]
