"""What live observations showed of answers of language models, of early outputs and of synchronous runs."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from relay.sandbox import Faults, Sandbox

CHAT = "wiro/sandbox-chat"
IMAGE = "bytedance/text-to-image-seedream-v4"
Body = dict[str, Any]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None}) as sandbox:
        yield sandbox


async def played(sandbox: Sandbox, switches: str, model: str = CHAT) -> tuple[list[Body], Body]:
    """Run a task; return its frames, and its detail at the end."""
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        body = {"prompt": f"a cat [sandbox: await_subscriber, {switches}]"}
        async with http.post(f"{sandbox.api_url}/Run/{model}", json=body) as answer:
            started = await answer.json()
        frames: list[Body] = []
        async with http.ws_connect(sandbox.socket_url) as socket:
            await socket.send_json({"type": "task_info", "tasktoken": started["socketaccesstoken"]})
            while not frames or frames[-1]["type"] != "task_postprocess_end":
                frames.append(await socket.receive_json())
        await sandbox.until(started["taskid"], lambda task: task.verdict)
        async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": started["taskid"]}) as answer:
            return frames, (await answer.json())["tasklist"][0]


def streamed(frames: list[Body]) -> list[Body]:
    """Return the messages that stream an answer."""
    return [
        frame["message"]
        for frame in frames
        if isinstance(frame.get("message"), dict) and "isThinking" in frame["message"]
    ]


async def test_an_answer_may_come_with_the_end_alone_and_in_tags(sandbox: Sandbox) -> None:
    """Frames say only that the model thinks, the full log is empty: so one model was seen to behave in gen-1."""
    frames, detail = await played(sandbox, "answer_progress_only, answer_wrapper, full_log=empty")
    content = frames[-1]["message"][0]["content"]

    assert {(tuple(each["answer"]), each["isThinking"]) for each in streamed(frames)} == {((), True)}
    assert [frame["message"] for frame in frames if frame["type"] == "task_output_full"] == [""]
    assert content["answer"][0].startswith("<answer>")
    assert content["answer"][0].endswith("</answer>")
    assert detail["debugoutput"] == content["answer"][0]


async def test_an_answer_may_be_in_the_log_alone(sandbox: Sandbox) -> None:
    """It succeeds, and its outputs are empty."""
    frames, detail = await played(sandbox, "answer_in=log")

    assert (frames[-1]["message"], detail["outputs"], detail["pexit"]) == ([], [], "0")
    assert detail["debugoutput"]


async def test_gen_2_ends_with_segments_alone(sandbox: Sandbox) -> None:
    """As its page prints it; `answer_lists` blends in the lists of gen-1, in frames too."""
    _, plain = await played(sandbox, "dialect=gen2")
    frames, blended = await played(sandbox, "dialect=gen2, answer_lists")

    assert [*plain["outputs"][0]["content"]] == ["prompt", "raw", "segments", "finishreason", "usage"]
    assert {"thinking", "answer"} <= {*blended["outputs"][0]["content"]}
    assert all({"segments", "answer", "thinking", "raw"} <= {*each} for each in streamed(frames))


async def test_an_answer_may_call_tools(sandbox: Sandbox) -> None:
    """A call grows in place and is then complete; the turn ends for its sake."""
    frames, detail = await played(sandbox, "dialect=gen2, answer_calls=function_call|custom_tool_call")
    states = [each["segments"][-1]["status"] for each in streamed(frames) if "status" in each["segments"][-1]]
    content = detail["outputs"][0]["content"]

    assert states == ["in_progress", "completed"] * 2
    assert content["finishreason"] == "tool_calls"
    assert content["segments"][-2:] == [
        {
            "type": "function_call",
            "id": "fc_01",
            "call_id": "call_fc_01",
            "name": "get_weather",
            "status": "completed",
            "arguments": '{"city":"Paris"}',
        },
        {
            "type": "custom_tool_call",
            "id": "ctc_02",
            "call_id": "call_ctc_02",
            "name": "run_query",
            "status": "completed",
            "input": "select 1",
        },
    ]


async def test_outputs_may_be_there_too_early_at_addresses_that_are_not(sandbox: Sandbox) -> None:
    """They are final only at the end."""
    sandbox.next_run(hold_at="task_start", outputs_early=True)
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as answer:
            task = (await answer.json())["taskid"]
        await sandbox.until(task, lambda task: task.holding_at)
        early = await outputs(sandbox, http, task)
        sandbox.release(task)
        await sandbox.until(task, lambda task: task.verdict)
        final = await outputs(sandbox, http, task)
        statuses = []
        for url in (early[0]["url"], final[0]["url"]):
            async with http.get(url) as answer:
                statuses.append(answer.status)

    assert "/v1/File/" in early[0]["url"]
    assert statuses == [404, 200]


async def outputs(sandbox: Sandbox, http: aiohttp.ClientSession, task: str) -> list[Body]:
    async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": task}) as answer:
        found: list[Body] = (await answer.json())["tasklist"][0]["outputs"]
        return found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("team_model", "This model is not available for your team"),
        ("team_limit", "Team spend limit has been reached"),
        ("personal_limit", "Your personal spend limit in this team has been reached"),
    ],
)
async def test_a_run_may_be_refused_for_the_sake_of_a_team(sandbox: Sandbox, name: str, message: str) -> None:
    """Documented refusals have names."""
    sandbox.next_run(run_error=name)
    async with (
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as answer,
    ):
        assert (await answer.json())["errors"] == [{"code": 0, "message": message}]


@pytest.fixture
async def sync() -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    async with (
        Sandbox(speed=1000, accounts={"a-key": None}, dialect="gen2") as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
    ):
        yield sandbox, http


async def test_a_synchronous_run_answers_with_the_whole_task(sync: tuple[Sandbox, aiohttp.ClientSession]) -> None:
    """The same as Task/Detail, at the end. Refusals are those of Run."""
    sandbox, http = sync
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as answer:
        said = await answer.json()
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={}) as answer:
        refused = await answer.json()

    assert (said["tasklist"][0]["pexit"], len(said["tasklist"][0]["outputs"])) == ("0", 1)
    assert refused["errors"][0]["message"] == "Request parameter [prompt] required"


@pytest.mark.parametrize("model", [CHAT, IMAGE])
async def test_a_synchronous_run_can_be_streamed(sync: tuple[Sandbox, aiohttp.ClientSession], model: str) -> None:
    """Named events: the start, snapshots, and at the end the whole task."""
    sandbox, http = sync
    async with http.post(f"{sandbox.api_url}/Run/{model}/sync?stream=true", json={"prompt": "a cat"}) as answer:
        text = await answer.text()
    blocks = [block.split("\n", 1) for block in text.split("\n\n") if block]
    data = [orjson.loads(line.removeprefix("data: ")) for _, line in blocks]

    assert blocks[0][0] == "event: start"
    assert {name for name, _ in blocks[1:-1]} == {"event: task_output"}
    assert blocks[-1][0] == "event: done"
    assert data[0]["taskid"] in sandbox.tasks
    assert {each["pexit"] for each in data[1:-1]} == {None}
    assert data[-1]["tasklist"][0]["pexit"] == "0"


async def test_a_synchronous_run_gives_up_with_what_is_needed_to_go_on() -> None:
    """504, the task's id and its token; the task runs on."""
    async with (
        Sandbox(accounts={"a-key": None}, dialect="gen2", faults=Faults(sync_wait_s=0)) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as answer,
    ):
        said = await answer.json()
        task = sandbox.tasks[said["taskid"]]
        assert (answer.status, said["socketaccesstoken"], task.verdict) == (504, task.token, None)


async def test_older_generations_know_no_synchronous_run(sandbox: Sandbox) -> None:
    """It is new in gen-2."""
    async with (
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}/sync", json={"prompt": "a cat"}) as answer,
    ):
        assert answer.status == 404
