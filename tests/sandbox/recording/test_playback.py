"""Recordings, played over real sockets: frames, records, responses, files, callbacks and clocks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web

from relay.sandbox import Sandbox
from tests import lab
from tests.lab import Line, ended, frame, of_task, picture, record, running, said, sent

MODEL = "lab/any"
Body = dict[str, Any]


class Client:
    """A client of a sandbox that plays a recording."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http

    async def post(self, call: str, **body: object) -> Body:
        async with self.http.post(f"{self.sandbox.api_url}/{call}", json=body) as response:
            said: Body = await response.json()
            return said

    async def run(self, model: str = MODEL, **body: object) -> tuple[str, str]:
        response = await self.post(f"Run/{model}", **{"prompt": "a cat"} | body)
        return response["taskid"], response["socketaccesstoken"]

    async def detail(self, task: str) -> Body:
        entry: Body = (await self.post("Task/Detail", taskid=task))["tasklist"][0]
        return entry

    @asynccontextmanager
    async def subscribed(self, token: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.http.ws_connect(self.sandbox.socket_url) as socket:
            await socket.receive()  # the welcome
            await socket.send_json({"type": "task_info", "tasktoken": token})
            yield socket


@asynccontextmanager
async def playing(*lines: Line, **settings: Any) -> AsyncIterator[Client]:
    async with (
        Sandbox(accounts={"a-key": None}, script=lines, **settings) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
    ):
        async with asyncio.timeout(60):
            yield Client(sandbox, http)


async def to_the_end(socket: aiohttp.ClientWebSocketResponse) -> list[Body]:
    frames: list[Body] = []
    while not frames or frames[-1]["type"] not in ("task_postprocess_end", "task_cancel"):
        frames.append(await socket.receive_json())
    return frames


async def test_a_task_of_an_unknown_model_is_played() -> None:
    """Frames have the task's own id and token, and wait for the client's subscription."""
    async with playing(*running(), *ended([picture()])) as client:
        task, token = await client.run()
        first = await client.detail(task)
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)
        last = await client.detail(task)

    assert (first["status"], first["pexit"], first["outputs"]) == ("task_queue", None, [])
    assert [each["type"] for each in frames] == [*lab.STAGES, "task_end", "task_postprocess_end"]
    assert {(each["id"], each["tasktoken"]) for each in frames} == {(task, token)}
    assert (last["status"], last["pexit"]) == ("task_postprocess_end", "0")
    assert last["outputs"] == frames[-1]["message"]


async def test_frame_and_record_can_have_different_outputs() -> None:
    """The frame has one picture, the record four."""
    four = [picture(f"{number}.png") for number in range(4)]

    async with playing(*running(), *ended(four[:1], recorded=four)) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)
        detail = await client.detail(task)

    assert [each["name"] for each in frames[-1]["message"]] == ["0.png"]
    assert [each["name"] for each in detail["outputs"]] == ["0.png", "1.png", "2.png", "3.png"]


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


async def test_a_job_of_apikley_is_played() -> None:
    """Changes are merged into the record, and a placeholder can be a number."""
    lines = (
        sent("jobs/createTask", model="any/model"),
        sent("jobs/recordInfo", answered=True),
        record(state="failed", failMsg="The prompt was refused", completeTime="{{now_ms+1000:number}}"),
    )

    async with playing(*lines) as client:
        origin, headers = client.sandbox.apikley_url, {"Authorization": f"Bearer {client.sandbox.apikley_key}"}
        async with client.http.post(
            f"{origin}/api/v1/jobs/createTask", json={"model": "any/model", "input": {}}, headers=headers
        ) as response:
            job = (await response.json())["data"]["taskId"]
        records = []
        for _ in range(2):
            async with client.http.get(
                f"{origin}/api/v1/jobs/recordInfo", params={"taskId": job}, headers=headers
            ) as response:
                records.append((await response.json())["data"])

    assert [each["state"] for each in records] == ["waiting", "failed"]
    assert records[1]["failMsg"] == "The prompt was refused"
    assert 0 < records[1]["completeTime"] - records[0]["createTime"] <= 2000


@pytest.mark.parametrize(
    ("line", "kind", "data"),
    [
        ({"body": "no JSON"}, WSMsgType.TEXT, "no JSON"),
        ({"body": {"message": "\ud83d"}}, WSMsgType.TEXT, '{"message": "\\ud83d"}'),
        ({"body": ["a list"]}, WSMsgType.TEXT, '["a list"]'),
        ({"body": "AAEC", "encoding": "base64"}, WSMsgType.BINARY, b"\x00\x01\x02"),
    ],
    ids=["not_json", "half_emoji", "array", "binary"],
)
async def test_any_frame_can_be_sent(line: Line, kind: WSMsgType, data: str | bytes) -> None:
    """A body can be text, any JSON value, or bytes."""
    async with playing(sent("socket"), said("socket", **line)) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            message = await socket.receive()

    assert (message.type, message.data) == (kind, data)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"close": 4001, "reason": "as you like"}, 4001),
        ({"close": 1006}, 1006),
        ({"body": "\ud83d"}, 1007),
        ({"body": "gwA=", "encoding": "base64", "frame": "raw"}, 1002),
    ],
    ids=["code", "cut", "text_that_is_no_utf_8", "reserved_opcode"],
)
async def test_a_socket_can_end_in_any_way(line: Line, code: int) -> None:
    """With a close code, without a closing handshake, or by an invalid frame."""
    async with playing(sent("socket"), said("socket", **line)) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            message = await socket.receive()

    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
    assert socket.close_code == code


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


async def test_the_socket_can_be_refused() -> None:
    """The handshake is answered like any other call, as often as `times` says."""
    async with playing(said("connect", status=503, times=2)) as client:
        await client.run()
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await client.http.ws_connect(client.sandbox.socket_url)
        async with client.http.ws_connect(client.sandbox.socket_url) as socket:
            assert (await socket.receive_json())["type"] == "connected"


async def told(client: Client, call: str, **body: object) -> tuple[int, dict[str, str], bytes]:
    async with client.http.post(f"{client.sandbox.api_url}/{call}", json=body) as response:
        return response.status, dict(response.headers), await response.read()


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
        answers = [await told(client, "Task/Detail", taskid=task) for _ in range(4)]
        while (last := await told(client, "Task/Detail", taskid=task))[2].startswith(b'{"errors"'):
            pass

    assert [status for status, _, _ in answers] == [429, 502, 502, 200]
    assert answers[0][1]["Retry-After"] == "2"
    assert answers[0][2] == b""
    assert answers[1][1]["Content-Type"] == "text/html"
    assert answers[1][2] == b"<html>Bad Gateway</html>"
    assert orjson.loads(answers[3][2])["tasklist"][0]["id"] == task
    assert (last[0], last[2]) == (200, b'{"result":tr')


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
                await told(client, "Task/Cancel", taskid=task)
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


async def test_cancel_and_kill_end_a_recorded_task() -> None:
    """Cancel works in the queue and Kill while the task runs; both end the recording."""
    async with playing(*running(), record(status="task_start"), record(at_s=3600, status="never")) as client:
        task, token = await client.run()
        refused = await client.post("Task/Kill", taskid=task)
        async with client.subscribed(token) as socket:
            await client.sandbox.until(task, lambda task: task.status == "task_start")
            too_late = await client.post("Task/Cancel", taskid=task)
            killed = await client.post("Task/Kill", socketaccesstoken=token)
            frames = await to_the_end(socket)

    assert not refused["result"]
    assert not too_late["result"]
    assert killed["tasklist"][0]["status"] == "task_cancel"
    assert frames[-1]["type"] == "task_cancel"


async def test_a_run_can_start_a_task_and_lose_its_response() -> None:
    """A line of the platform refuses a Run; a line of the task is the response to the Run that started it."""
    lines = (
        said("Run", status=503, times=1, task="*"),
        sent("Run", model=MODEL),
        said("Run", body="", fault="drop"),
    )

    async with playing(*lines) as client:
        first = await told(client, f"Run/{MODEL}", prompt="a cat")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await told(client, f"Run/{MODEL}", prompt="a cat")
        started = [run.task_id is not None for run in client.sandbox.runs]

    assert first[0] == 503
    assert started == [False, True]


async def test_the_platform_can_wait_for_a_run() -> None:
    """A line of the platform counts the Runs of all tasks."""
    lines = (
        sent("Run", count=2, task="*"),
        said("Tool/List", body="after the second Run", task="*"),
        record(at_s=0),
    )

    async with playing(*lines) as client:
        await client.run()
        before = await told(client, "Tool/List")
        await client.run()
        after = await told(client, "Tool/List")

    assert before[2] != b"after the second Run"
    assert after[2] == b"after the second Run"


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


async def test_files_can_be_missing_at_first() -> None:
    """Files without a recorded response are drawn."""
    lines = (
        record(outputs=[picture("a.png"), picture("b.png")]),
        said("cdn", path="a.png", status=404, times=2),
        said("cdn", path="b.png", body="R0lG", encoding="base64", headers={"Content-Type": "image/gif"}),
    )

    async with playing(*lines) as client:
        detail = await client.detail((await client.run())[0])
        late, other = (output["url"] for output in detail["outputs"])
        statuses = []
        for _ in range(3):
            async with client.http.get(late) as response:
                statuses.append((response.status, response.content_type))
        async with client.http.get(other) as response:
            gif = (response.content_type, await response.read())

    assert [status for status, _ in statuses] == [404, 404, 200]
    assert statuses[-1][1] == "image/png"
    assert gif == ("image/gif", b"GIF")


async def test_a_callback_has_the_record_or_any_body() -> None:
    """A line can wait until the callback was answered."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def hook(request: web.Request) -> web.Response:
        received.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lines = (said("callback"), sent("callback"), said("callback", body="not JSON"))
    try:
        async with playing(*lines) as client:
            task, _ = await client.run(callbackUrl=f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
            first, second = await received.get(), await received.get()
    finally:
        await runner.cleanup()

    assert orjson.loads(first)["tasklist"][0]["id"] == task
    assert second == b"not JSON"


async def test_the_catalogue_has_the_models_of_the_recording() -> None:
    """A relay reads a model's inputs before it runs the model."""
    async with playing(sent("Run", model=MODEL)) as client:
        known = await client.post("Tool/Detail", slugowner="lab", slugproject="any")
        unknown = await client.post("Tool/Detail", slugowner="lab", slugproject="other")

    assert known["tool"][0]["parameters"] is None
    assert not unknown["result"]


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
        early = asyncio.create_task(told(client, "Task/Detail", taskid=task))
        first = await early
        others = [await told(client, "Task/Detail", taskid=task) for _ in range(2)]

    assert [(status, body) for status, _, body in (first, *others)] == [
        (200, b"first"),
        (502, b"second"),
        (502, b"second"),
    ]


async def test_a_waiting_call_is_answered_when_its_task_is_canceled() -> None:
    """The recording ends, so that no reply comes."""
    asked = record(debugoutput="asked")
    lines = (sent("Task/Detail"), asked, sent("socket"), said("Task/Detail", reply=True, body="never"))

    async with playing(*lines) as client:
        task, _ = await client.run()
        waiting = asyncio.create_task(client.detail(task))
        await client.sandbox.until(task, lambda task: task.entry and task.entry["debugoutput"] == "asked")
        assert not waiting.done()
        await client.post("Task/Cancel", taskid=task)
        assert (await waiting)["status"] == "task_cancel"


async def test_a_record_can_have_values_that_orjson_refuses() -> None:
    """A lone surrogate, NaN and a number beyond 64 bits are sent."""
    async with playing(record(debugoutput="\ud83d", size=float("nan"), total=10**30)) as client:
        task, _ = await client.run()
        _, _, body = await told(client, "Task/Detail", taskid=task)

    assert b'"debugoutput":"\\ud83d"' in body
    assert b'"size":NaN,"total":1000000000000000000000000000000' in body
