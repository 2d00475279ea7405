"""Recorded HTTP responses: late, lost, truncated, and with any body."""

import asyncio

import aiohttp
import pytest

from tests.lab import Line, ended, picture, record, running, said, sent
from tests.sandbox.recording.client import MODEL, playing, raw_post, to_the_end


async def test_task_detail_can_hang_while_the_socket_streams() -> None:
    """Other calls are answered meanwhile."""
    lines = (said("Task/Detail", delay_s=30, times=1), sent("Task/Detail"), *running(), *ended([picture()]))

    async with playing(*lines) as client:
        task, token = await client.run()
        hanging = asyncio.create_task(client.detail(task))
        async with client.subscribed(token) as socket:
            await to_the_end(socket)
        second = await client.detail(task)
        assert not hanging.done()
        hanging.cancel()

    assert second["status"] == "task_postprocess_end"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"fault": "drop"}, aiohttp.ServerDisconnectedError),
        ({"fault": "drop", "after_bytes": 5}, aiohttp.ClientPayloadError),
        ({"fault": "hang", "after_bytes": 5}, TimeoutError),
        ({"fault": "hang"}, TimeoutError),
    ],
    ids=["drop", "half", "half_hang", "hang"],
)
async def test_a_response_can_be_lost_or_hang(line: Line, error: type[Exception]) -> None:
    """Without a body and a status the call is carried out: the task is canceled."""
    async with playing(said("Task/Cancel", **line)) as client:
        task, _ = await client.run()
        with pytest.raises(error):
            async with asyncio.timeout(0.5):
                await raw_post(client, "Task/Cancel", taskid=task)
        detail = await client.detail(task)

    assert detail["status"] == "task_cancel"


async def test_a_call_with_a_recorded_body_is_not_carried_out() -> None:
    """A refused Cancel does not cancel the task."""
    async with playing(said("Task/Cancel", body={"result": False, "errors": ["no"]})) as client:
        task, _ = await client.run()
        response = await client.post("Task/Cancel", taskid=task)
        detail = await client.detail(task)

    assert response == {"result": False, "errors": ["no"]}
    assert detail["status"] == "task_queue"


async def test_a_run_can_start_a_task_and_lose_its_response() -> None:
    """A line of the platform refuses a Run; a line of the task is the response to the Run that started it."""
    lines = (
        said("Run", status=503, times=1, task="*"),
        sent("Run", model=MODEL),
        said("Run", body="", fault="drop"),
    )

    async with playing(*lines) as client:
        first = await raw_post(client, f"Run/{MODEL}", prompt="a cat")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await raw_post(client, f"Run/{MODEL}", prompt="a cat")
        started = [run.task_id is not None for run in client.sandbox.runs]

    assert first[0] == 503
    assert started == [False, True]


async def test_a_record_can_have_values_that_orjson_refuses() -> None:
    """A lone surrogate, NaN and a number beyond 64 bits are sent."""
    async with playing(record(debugoutput="\ud83d", size=float("nan"), total=10**30)) as client:
        task, _ = await client.run()
        _, _, body = await raw_post(client, "Task/Detail", taskid=task)

    assert b'"debugoutput":"\\ud83d"' in body
    assert b'"size":NaN,"total":1000000000000000000000000000000' in body
