"""
Both clients against a relay and a simulated platform: asynchronous.py, synchronous.py, sending.py, and calls.py and
files.py with them. conftest.py gives both one interface.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.app import Running
from relay.client import APIError, TaskFailed
from relay.client import responses as client_responses
from relay.core.events import State
from tests.proxy import Proxy
from tests.sample_files import png

MODEL = "bytedance/text-to-image-seedream-v4"
INPUT = {"prompt": "A mountain lake at dawn."}

Connect = Callable[[str, str], AbstractAsyncContextManager[Any]]


async def test_a_task_is_started_and_followed_to_its_result(relay: Running, connect: Connect) -> None:
    """Its states only go forward, and the last one has the results."""
    async with connect(relay.url, relay.api_key) as client:
        started = await client.start(MODEL, INPUT, tags=["shop"], metadata={"order": 12})
        states = [state async for state in client.watch(started.task.id)]
        assert [state.seq for state in states] == sorted({state.seq for state in states})
        assert states[-1].state is State.SUCCEEDED
        assert states[-1].tags == ("shop",)
        assert states[-1].outputs[0].content_type == "image/png"
        assert await client.get(started.task.id) == states[-1]
        assert await client.result(started.task.id) == states[-1]


async def test_a_task_that_fails_raises_with_its_reason(relay: Running, connect: Connect) -> None:
    """`run` is for callers that want the result or an exception."""
    async with connect(relay.url, relay.api_key) as client:
        with pytest.raises(TaskFailed, match="has ended in `failed`: ") as caught:
            await client.run(MODEL, {"prompt": "A lake [sandbox: exit=1, stderr_lines=3]"})
    assert caught.value.snapshot.state is State.FAILED


async def test_a_cut_stream_goes_on_without_a_gap(relay: Running, connect: Connect) -> None:
    """Whenever the network cuts the connection, the same states follow."""
    port = httpx.URL(relay.url).port
    assert port is not None
    async with Proxy(0, port) as proxy, connect(proxy.origin, relay.api_key) as client:
        started = await client.start(MODEL, INPUT)
        states = []
        async for state in client.watch(started.task.id):
            states.append(state)
            proxy.cut()
    assert states[-1].state is State.SUCCEEDED
    assert len(states) > 1


async def test_a_start_whose_answer_is_lost_runs_once(
    relay: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again under the same idempotency key."""
    lost: list[client_responses.Outcome] = []
    read = client_responses.retry_delay_s

    def lose_the_first(attempt: int, outcome: client_responses.Outcome) -> float | None:
        if not lost:
            lost.append(outcome)
            return 0.0
        return read(attempt, outcome)

    for module in ("asynchronous", "synchronous"):
        monkeypatch.setattr(f"relay.client.{module}.retry_delay_s", lose_the_first)
    async with connect(relay.url, relay.api_key) as client:
        started = await client.start(MODEL, INPUT)
    assert isinstance(lost[0], httpx.Response)
    assert lost[0].json()["task"]["id"] == started.task.id


async def test_files_are_uploaded_with_a_start(relay: Running, connect: Connect, tmp_path: Path) -> None:
    """From a path, and from memory."""
    (tmp_path / "lake.png").write_bytes(png())
    files = {"inputImage": [tmp_path / "lake.png", ("sea.png", png())]}
    async with connect(relay.url, relay.api_key) as client:
        started = await client.start("bytedance/seedream-v4", INPUT, files=files)
        assert (await client.result(started.task.id)).state is State.SUCCEEDED
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {relay.api_key}"}) as http:
        given = (await http.get(f"{relay.url}/v1/tasks/{started.task.id}/input")).json()["files"]
    assert [(file["input"], file["filename"], file["content_type"]) for file in given] == [
        ("inputImage", "lake.png", "image/png"),
        ("inputImage", "sea.png", "image/png"),
    ]


async def test_a_minted_token_watches_and_does_nothing_else(relay: Running, connect: Connect) -> None:
    """The one of a task opens this task; the one of a tag opens all tasks of the tag."""
    async with connect(relay.url, relay.api_key) as client:
        started = await client.start(MODEL, INPUT, tags=["shop"])
        tokens = [
            await client.mint_token(task=started.task.id, scope="view"),
            await client.mint_token(tag="shop", ttl=60),
        ]
        with pytest.raises(ValueError, match="either a task or a tag"):
            await client.mint_token(scope="view")
    for token in tokens:
        async with connect(relay.url, token.token) as viewer:
            assert (await viewer.result(started.task.id)).state is State.SUCCEEDED
            with pytest.raises(APIError) as caught:
                await viewer.start(MODEL, INPUT)
            assert caught.value.problem.status == 403
            assert caught.value.code == "forbidden"


async def test_a_task_is_stopped_repeated_and_deleted(relay: Running, connect: Connect) -> None:
    """After that it is gone."""
    async with connect(relay.url, relay.api_key) as client:
        held = await client.start(MODEL, {"prompt": "A lake [sandbox: hold_at=task_start]"})
        assert (await client.cancel(held.task.id)).cancel is not None
        with pytest.raises(TaskFailed, match="canceled"):
            await client.result(held.task.id)
        repeated = await client.again(held.task.id, input=INPUT)
        assert (await client.result(repeated.task.id)).state is State.SUCCEEDED
        await client.delete(held.task.id)
        with pytest.raises(APIError, match="410 gone"):
            await client.get(held.task.id)
        with pytest.raises(APIError, match="410 gone"):
            await client.result(held.task.id)


async def test_a_refused_start_names_the_invalid_fields(relay: Running, connect: Connect) -> None:
    """As the response does."""
    async with connect(relay.url, relay.api_key) as client:
        with pytest.raises(APIError, match=r"422 invalid_input: .*\n  input\.prompt: ") as caught:
            await client.start(MODEL, {})
    assert [field.field for field in caught.value.problem.fields] == ["input.prompt"]


async def test_a_relay_that_cannot_be_reached_is_an_error_of_the_network(
    connect: Connect, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few attempts."""
    monkeypatch.setattr(client_responses, "full_jitter", lambda *_, **__: 0.0)
    async with connect(f"http://127.0.0.1:{unused_tcp_port}", "a-key-of-your-own-making") as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("bdwmu65xnubzsm4bndfz6w8eqz")
