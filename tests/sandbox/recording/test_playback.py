"""A recording, played over real sockets: frames, records, answers, files, callbacks and clocks, in its own order."""

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
    """A client of one sandbox that plays a recording."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http

    async def post(self, call: str, **body: object) -> Body:
        async with self.http.post(f"{self.sandbox.api_url}/{call}", json=body) as answer:
            said: Body = await answer.json()
            return said

    async def run(self, model: str = MODEL, **body: object) -> tuple[str, str]:
        answer = await self.post(f"Run/{model}", **{"prompt": "a cat"} | body)
        return answer["taskid"], answer["socketaccesstoken"]

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


async def test_a_task_that_the_sandbox_knows_nothing_of_is_played_from_its_recording() -> None:
    """Its model need not exist; frames come once the client has subscribed, with its own id and token."""
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


async def test_the_frame_can_have_one_picture_and_the_record_four() -> None:
    """What a frame says and what the record says are two things."""
    four = [picture(f"{number}.png") for number in range(4)]

    async with playing(*running(), *ended(four[:1], recorded=four)) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)
        detail = await client.detail(task)

    assert [each["name"] for each in frames[-1]["message"]] == ["0.png"]
    assert [each["name"] for each in detail["outputs"]] == ["0.png", "1.png", "2.png", "3.png"]


async def test_outputs_can_come_after_the_end() -> None:
    """The record says success, and only later what was made."""
    lines = (*running(), *ended([]), sent("Task/Detail", count=2, answered=True), record(outputs=[picture()]))

    async with playing(*lines) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            await to_the_end(socket)
        first, second = await client.detail(task), await client.detail(task)
        await client.sandbox.until(task, lambda task: task.entry and task.entry["outputs"])
        third = await client.detail(task)

    assert [len(each["outputs"]) for each in (first, second, third)] == [0, 0, 1]


async def test_lines_wait_until_a_detail_was_answered() -> None:
    """The record has two ticks before the socket opens; three more come when the first detail has been answered."""
    ticks = [frame("task_output", "tick\n") for _ in range(3)]
    lines = (record(debugoutput="tick\ntick\n"), sent("Task/Detail", answered=True), *running(), *ticks, *ended([]))

    async with playing(*lines) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            detail = await client.detail(task)
            frames = await to_the_end(socket)

    assert detail["debugoutput"] == "tick\ntick\n"
    assert [each["message"] for each in frames if each["type"] == "task_output"] == ["tick\n"] * 3


async def test_the_clock_of_the_platform_can_be_wrong() -> None:
    """Every time that it says is shifted, that of its `Date` header by another amount if need be."""
    clock = said("clock", body={"offset_s": 600, "date_offset_s": -60})

    async with playing(clock, record(starttime="{{now-2}}")) as client:
        task, _ = await client.run()
        detail = await client.detail(task)
        async with client.http.post(f"{client.sandbox.api_url}/Task/Detail", json={"taskid": task}) as answer:
            date = answer.headers["Date"]
        now = time.time()

    assert 595 < int(detail["createtime"]) - now <= 600
    assert 593 < int(detail["starttime"]) - now <= 598
    assert -65 < time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone - now < -55


async def test_a_detail_can_hang_while_the_socket_streams() -> None:
    """It was carried out: it tells what was true when it was asked."""
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


async def test_apikley_can_spell_the_end_of_a_job_otherwise() -> None:
    """The record is merged like Wiro's, and numbers can be numbers."""
    lines = (
        sent("jobs/createTask", model="any/model"),
        sent("jobs/recordInfo", answered=True),
        record(state="failed", failMsg="The prompt was refused", completeTime="{{now_ms+1000:number}}"),
    )

    async with playing(*lines) as client:
        origin, headers = client.sandbox.apikley_url, {"Authorization": f"Bearer {client.sandbox.apikley_key}"}
        async with client.http.post(
            f"{origin}/api/v1/jobs/createTask", json={"model": "any/model", "input": {}}, headers=headers
        ) as answer:
            job = (await answer.json())["data"]["taskId"]
        records = []
        for _ in range(2):
            async with client.http.get(
                f"{origin}/api/v1/jobs/recordInfo", params={"taskId": job}, headers=headers
            ) as answer:
                records.append((await answer.json())["data"])

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
    """Text as it is, JSON of any kind, bytes."""
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
    """With a code, cut off, or by a frame that no client may take."""
    async with playing(sent("socket"), said("socket", **line)) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            message = await socket.receive()

    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
    assert socket.close_code == code


async def test_a_task_can_go_on_when_the_client_has_subscribed_again() -> None:
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
    """The upgrade is answered like any other call, so many times."""
    async with playing(said("connect", status=503, times=2)) as client:
        await client.run()
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await client.http.ws_connect(client.sandbox.socket_url)
        async with client.http.ws_connect(client.sandbox.socket_url) as socket:
            assert (await socket.receive_json())["type"] == "connected"


async def told(client: Client, call: str, **body: object) -> tuple[int, dict[str, str], bytes]:
    async with client.http.post(f"{client.sandbox.api_url}/{call}", json=body) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def test_answers_that_are_limited_are_used_up_in_order_and_then_the_lasting_one_holds() -> None:
    """Status, headers and body are as written; without them the call is answered from the record."""
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
async def test_an_answer_can_be_lost_or_stuck(line: Line, error: type[Exception]) -> None:
    """With neither body nor status the call is carried out all the same: the task is cancelled."""
    async with playing(said("Task/Cancel", **line)) as client:
        task, _ = await client.run()
        with pytest.raises(error):
            async with asyncio.timeout(0.5):
                await told(client, "Task/Cancel", taskid=task)
        detail = await client.detail(task)

    assert detail["status"] == "task_cancel"


async def test_a_call_with_an_answer_of_its_own_is_not_carried_out() -> None:
    """A refusal refuses."""
    async with playing(said("Task/Cancel", body={"result": False, "errors": ["no"]})) as client:
        task, _ = await client.run()
        answer = await client.post("Task/Cancel", taskid=task)
        detail = await client.detail(task)

    assert answer == {"result": False, "errors": ["no"]}
    assert detail["status"] == "task_queue"


async def test_a_waiting_task_is_cancelled_and_a_running_one_killed() -> None:
    """As Wiro does it: the other call refuses. The recording ends there."""
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


async def test_a_run_can_start_a_task_and_lose_its_answer() -> None:
    """A line of the task's own answers the Run that started it; a line of the platform's refuses it before."""
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


async def test_each_run_takes_the_next_task_and_after_the_last_the_first() -> None:
    """A task that names its model is for that model alone; a model that no task fits is played as ever."""
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


async def test_a_file_is_missing_for_a_while_and_then_there() -> None:
    """Files of the task are drawn unless the recording says otherwise, file by file."""
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
            async with client.http.get(late) as answer:
                statuses.append((answer.status, answer.content_type))
        async with client.http.get(other) as answer:
            gif = (answer.content_type, await answer.read())

    assert [status for status, _ in statuses] == [404, 404, 200]
    assert statuses[-1][1] == "image/png"
    assert gif == ("image/gif", b"GIF")


async def test_a_callback_is_sent_with_the_record_or_with_any_body() -> None:
    """A line can wait until it was answered."""
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


async def test_the_catalogue_knows_the_models_of_the_recording() -> None:
    """A relay asks for a model's inputs before it runs it."""
    async with playing(sent("Run", model=MODEL)) as client:
        known = await client.post("Tool/Detail", slugowner="lab", slugproject="any")
        unknown = await client.post("Tool/Detail", slugowner="lab", slugproject="other")

    assert known["tool"][0]["parameters"] is None
    assert not unknown["result"]


async def test_offsets_are_played_at_the_speed_of_the_sandbox() -> None:
    """An hour of the recording takes a moment at a great speed."""
    async with playing(record(at_s=3600, status="task_start"), speed=1_000_000) as client:
        task, _ = await client.run()
        await client.sandbox.until(task, lambda task: task.status == "task_start")


async def test_a_call_waits_for_its_reply() -> None:
    """So an exchange is played as it was recorded; later calls get the latest reply."""
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


async def test_a_call_that_waits_is_answered_when_its_task_is_stopped() -> None:
    """The recording is played no further."""
    asked = record(debugoutput="asked")
    lines = (sent("Task/Detail"), asked, sent("socket"), said("Task/Detail", reply=True, body="never"))

    async with playing(*lines) as client:
        task, _ = await client.run()
        waiting = asyncio.create_task(client.detail(task))
        await client.sandbox.until(task, lambda task: task.entry and task.entry["debugoutput"] == "asked")
        assert not waiting.done()
        await client.post("Task/Cancel", taskid=task)
        assert (await waiting)["status"] == "task_cancel"


async def test_a_record_can_hold_what_no_encoder_likes() -> None:
    """Half an emoji, NaN, a number beyond 64 bits: they go out as JSON has or has them not."""
    async with playing(record(debugoutput="\ud83d", size=float("nan"), total=10**30)) as client:
        task, _ = await client.run()
        _, _, body = await told(client, "Task/Detail", taskid=task)

    assert b'"debugoutput":"\\ud83d"' in body
    assert b'"size":NaN,"total":1000000000000000000000000000000' in body
