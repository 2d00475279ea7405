"""The order of a recording's lines: waits, clocks, replies and limited responses."""

import asyncio
import time

import orjson

from tests.lab import ended, frame, picture, record, running, said, sent
from tests.sandbox.recording.client import MODEL, playing, raw_post, to_the_end


async def test_outputs_can_be_late() -> None:
    """The record reports success first and the outputs later."""
    lines = (*running(), *ended([]), sent("Task/Detail", count=2, answered=True), record(outputs=[picture()]))

    async with playing(*lines) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            await to_the_end(socket)
        first, second = await client.detail(task), await client.detail(task)
        await client.sandbox.until(task, lambda task: task.entry and task.entry["outputs"])
        third = await client.detail(task)

    assert [len(each["outputs"]) for each in (first, second, third)] == [0, 0, 1]


async def test_lines_can_wait_for_a_response() -> None:
    """Two lines of output are in the record; three more are sent after the first Task/Detail is answered."""
    ticks = [frame("task_output", "tick\n") for _ in range(3)]
    lines = (record(debugoutput="tick\ntick\n"), sent("Task/Detail", answered=True), *running(), *ticks, *ended([]))

    async with playing(*lines) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            detail = await client.detail(task)
            frames = await to_the_end(socket)

    assert detail["debugoutput"] == "tick\ntick\n"
    assert [each["message"] for each in frames if each["type"] == "task_output"] == ["tick\n"] * 3


async def test_the_platforms_clock_can_be_wrong() -> None:
    """Every time is shifted; the `Date` header can have a different shift."""
    clock = said("clock", body={"offset_s": 600, "date_offset_s": -60})

    async with playing(clock, record(starttime="{{now-2}}")) as client:
        task, _ = await client.run()
        detail = await client.detail(task)
        async with client.http.post(f"{client.sandbox.api_url}/Task/Detail", json={"taskid": task}) as response:
            date = response.headers["Date"]
        now = time.time()

    assert 595 < int(detail["createtime"]) - now <= 600
    assert 593 < int(detail["starttime"]) - now <= 598
    assert -65 < time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone - now < -55


async def test_limited_responses_are_used_in_order() -> None:
    """After them, calls are answered from the record, or by a response without a limit."""
    lines = (
        said("Task/Detail", status=429, headers={"Retry-After": "2"}, times=1),
        said("Task/Detail", status=502, body="<html>Bad Gateway</html>", times=2),
        sent("Task/Detail", count=4, answered=True),
        said("Task/Detail", body='{"result":tr'),
    )

    async with playing(*lines) as client:
        task, _ = await client.run()
        answers = [await raw_post(client, "Task/Detail", taskid=task) for _ in range(4)]
        while (last := await raw_post(client, "Task/Detail", taskid=task))[2].startswith(b'{"errors"'):
            pass

    assert [status for status, _, _ in answers] == [429, 502, 502, 200]
    assert answers[0][1]["Retry-After"] == "2"
    assert answers[0][2] == b""
    assert answers[1][1]["Content-Type"] == "text/html"
    assert answers[1][2] == b"<html>Bad Gateway</html>"
    assert orjson.loads(answers[3][2])["tasklist"][0]["id"] == task
    assert (last[0], last[2]) == (200, b'{"result":tr')


async def test_a_task_can_wait_for_a_second_subscription() -> None:
    """The second `task_info` is the second message on the socket."""
    lines = (sent("socket"), said("socket", close=1006), sent("socket"), *ended([picture()]))

    async with playing(*lines) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            await socket.receive()
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)

    assert frames[0]["type"] == "task_end"


async def test_speed_divides_the_offsets() -> None:
    """An hour takes a moment at a high speed."""
    async with playing(record(at_s=3600, status="task_start"), speed=1_000_000) as client:
        task, _ = await client.run()
        await client.sandbox.until(task, lambda task: task.status == "task_start")


async def test_a_call_waits_for_its_reply() -> None:
    """Calls after the last reply get it again."""
    lines = (
        sent("Run", model=MODEL),
        said(
            "Run", at_s=0.1, body={"result": True, "errors": [], "taskid": "{{id}}", "socketaccesstoken": "{{token}}"}
        ),
        sent("Task/Detail", at_s=1),
        said("Task/Detail", at_s=1.1, reply=True, body="first"),
        sent("Task/Detail", at_s=2),
        said("Task/Detail", at_s=2.1, reply=True, status=502, body="second"),
    )

    async with playing(*lines, speed=10) as client:
        task, _ = await client.run()
        early = asyncio.create_task(raw_post(client, "Task/Detail", taskid=task))
        first = await early
        others = [await raw_post(client, "Task/Detail", taskid=task) for _ in range(2)]

    assert [(status, body) for status, _, body in (first, *others)] == [
        (200, b"first"),
        (502, b"second"),
        (502, b"second"),
    ]


async def test_a_waiting_call_is_answered_when_its_task_is_canceled() -> None:
    """The recording ends, so that no reply comes."""
    requested = record(debugoutput="asked")
    lines = (sent("Task/Detail"), requested, sent("socket"), said("Task/Detail", reply=True, body="never"))

    async with playing(*lines) as client:
        task, _ = await client.run()
        waiting = asyncio.create_task(client.detail(task))
        await client.sandbox.until(task, lambda task: task.entry and task.entry["debugoutput"] == "asked")
        assert not waiting.done()
        await client.post("Task/Cancel", taskid=task)
        assert (await waiting)["status"] == "task_cancel"


async def test_the_platform_can_wait_for_a_run() -> None:
    """A line of the platform counts the Runs of all tasks."""
    lines = (
        sent("Run", count=2, task="*"),
        said("Tool/List", body="after the second Run", task="*"),
        record(at_s=0),
    )

    async with playing(*lines) as client:
        await client.run()
        before = await raw_post(client, "Tool/List")
        await client.run()
        after = await raw_post(client, "Tool/List")

    assert before[2] != b"after the second Run"
    assert after[2] == b"after the second Run"


async def test_a_record_can_be_replaced_and_fields_removed() -> None:
    """`replace` discards the record, `remove` discards fields."""
    lines = (
        said("record", body={"status": "task_start", "kept": 1}, replace=True),
        said("record", body={"added": 2}, remove=["kept", "missing"]),
    )
    async with playing(*lines) as client:
        task, _ = await client.run()
        entry = client.sandbox.tasks[task].entry

    assert entry == {"status": "task_start", "added": 2}
