"""Which task a Run gets, and responses of the platform as a whole."""

import aiohttp
import pytest

from tests.lab import of_task, record, said, sent
from tests.sandbox.recording.client import MODEL, Client, playing


async def test_the_socket_can_be_refused() -> None:
    """The handshake is answered like any other call, as often as `times` says."""
    async with playing(said("connect", status=503, times=2)) as client:
        await client.run()
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await client.http.ws_connect(client.sandbox.socket_url)
        async with client.http.ws_connect(client.sandbox.socket_url) as socket:
            assert (await socket.receive_json())["type"] == "connected"


async def test_runs_use_the_tasks_in_turn() -> None:
    """A task with a model is used for that model only; other models are simulated as without a recording."""
    lines = (
        *of_task("a", record(debugoutput="one")),
        *of_task("b", sent("Run", model="lab/two"), record(debugoutput="two")),
        *of_task("c", record(debugoutput="three")),
    )

    async def output(client: Client, model: str) -> str:
        return str((await client.detail((await client.run(model))[0]))["debugoutput"])

    async with playing(*lines) as client:
        played = [await output(client, model) for model in ("lab/any", "LAB/two", "lab/any", "lab/any")]
    async with playing(sent("Run", model="lab/two")) as client:
        refused = await client.post("Run/lab/any", prompt="a cat")
        ordinary, _ = await client.run("bytedance/text-to-image-seedream-v4")
        assert client.sandbox.tasks[ordinary].entry is None

    assert played == ["one", "two", "three", "one"]
    assert refused["errors"][0]["message"] == "slug-owner-project-not-exist"


async def test_a_connection_can_be_accepted_late() -> None:
    """A line with only `delay_s` delays the handshake."""
    async with playing(said("connect", delay_s=0.01), said("connect", status=403, task="*")) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.http.ws_connect(client.sandbox.socket_url)
        await client.run()
        async with client.http.ws_connect(client.sandbox.socket_url) as socket:
            assert (await socket.receive_json())["type"] == "connected"


async def test_a_run_can_be_delayed_by_the_platform() -> None:
    """A line of the platform with only `delay_s` does not refuse the Run."""
    async with playing(said("Run", delay_s=0.01, task="*"), record(status="task_start")) as client:
        task, _ = await client.run()
        assert (await client.detail(task))["status"] == "task_start"


async def test_messages_of_other_tasks_do_not_count() -> None:
    """A task that is not part of the recording has no timeline to continue."""
    async with playing(sent("Run", model=MODEL), sent("socket"), record(status="task_start")) as client:
        recorded, token = await client.run()
        other, other_token = await client.run("bytedance/text-to-image-seedream-v4")
        async with client.subscribed(other_token):
            await client.sandbox.subscribed(other)
            assert client.sandbox.tasks[recorded].status == "task_queue"
            async with client.subscribed(token):
                await client.sandbox.until(recorded, lambda task: task.status == "task_start")
