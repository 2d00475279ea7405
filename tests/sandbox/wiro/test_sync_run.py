"""Synchronous Runs of gen-2."""

from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from relay.sandbox.wiro import sync_run
from tests.sandbox.calls import CHAT, IMAGE


@pytest.fixture
async def sync() -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    async with (
        Sandbox(speed=1000, dialect="gen2") as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
    ):
        yield sandbox, http


async def test_a_synchronous_run_returns_the_finished_task(sync: tuple[Sandbox, aiohttp.ClientSession]) -> None:
    """The response is that of Task/Detail; errors are those of Run."""
    sandbox, http = sync
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as response:
        result = await response.json()
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={}) as response:
        refused = await response.json()

    assert (result["tasklist"][0]["pexit"], len(result["tasklist"][0]["outputs"])) == ("0", 1)
    assert refused["errors"][0]["message"] == "Request parameter [prompt] required"


@pytest.mark.parametrize("model", [CHAT, IMAGE])
async def test_a_synchronous_run_can_be_streamed(sync: tuple[Sandbox, aiohttp.ClientSession], model: str) -> None:
    """The events are `start`, snapshots, and `done` with the finished task."""
    sandbox, http = sync
    async with http.post(f"{sandbox.api_url}/Run/{model}/sync?stream=true", json={"prompt": "a cat"}) as response:
        text = await response.text()
    blocks = [block.split("\n", 1) for block in text.split("\n\n") if block]
    data = [orjson.loads(line.removeprefix("data: ")) for _, line in blocks]

    assert blocks[0][0] == "event: start"
    assert {name for name, _ in blocks[1:-1]} == {"event: task_output"}
    assert blocks[-1][0] == "event: done"
    assert data[0]["taskid"] in sandbox.tasks
    assert {each["pexit"] for each in data[1:-1]} == {None}
    assert data[-1]["tasklist"][0]["pexit"] == "0"


async def test_a_synchronous_run_times_out_with_504() -> None:
    """The response has the id and the token of the task, which continues."""
    async with (
        Sandbox(dialect="gen2", faults=Faults(sync_wait_s=0)) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as response,
    ):
        result = await response.json()
        task = sandbox.tasks[result["taskid"]]
        assert (response.status, result["socketaccesstoken"], task.verdict) == (504, task.token, None)


async def test_older_generations_have_no_synchronous_run(sandbox: Sandbox) -> None:
    """It is new in gen-2."""
    async with (
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as response,
    ):
        assert response.status == 404


async def test_a_stream_ends_at_the_timeout() -> None:
    """It has no `done` event."""
    async with (
        Sandbox(dialect="gen2", faults=Faults(sync_wait_s=0.05)) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync?stream=true", json={"prompt": "a cat"}) as response,
    ):
        text = await response.text()

    assert text.startswith("event: start\n")
    assert "event: done" not in text


async def test_a_stream_without_changes_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment is sent whenever nothing has changed for a while."""
    monkeypatch.setattr(sync_run, "_KEEP_ALIVE_S", 0.01)
    async with (
        Sandbox(dialect="gen2") as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
    ):
        sandbox.next_run(hold_at="task_queue")
        url = f"{sandbox.api_url}/Run/{IMAGE}/sync"
        async with http.post(url, json={"prompt": "a cat"}, headers={"Accept": "text/event-stream"}) as response:
            while await response.content.readline() != b": keep-alive\n":
                pass
