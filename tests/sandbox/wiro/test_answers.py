"""
Streamed answers of language models, as observed with real models.

`outputs` is tested here too.
"""

import aiohttp

from relay.sandbox import PLAIN_KEY, Sandbox
from tests.sandbox.calls import CHAT, IMAGE, Body, detail, run


async def run_to_end(sandbox: Sandbox, switches: str, model: str = CHAT) -> tuple[list[Body], Body]:
    """Run a task; return its frames, and its Task/Detail at the end."""
    async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
        body = {"prompt": f"a cat [sandbox: await_subscriber, {switches}]"}
        async with http.post(f"{sandbox.api_url}/Run/{model}", json=body) as response:
            started = await response.json()
        frames: list[Body] = []
        async with http.ws_connect(sandbox.socket_url) as socket:
            await socket.send_json({"type": "task_info", "tasktoken": started["socketaccesstoken"]})
            while not frames or frames[-1]["type"] != "task_postprocess_end":
                frames.append(await socket.receive_json())
        await sandbox.until(started["taskid"], lambda task: task.verdict)
        async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": started["taskid"]}) as response:
            return frames, (await response.json())["tasklist"][0]


def streamed(frames: list[Body]) -> list[Body]:
    """Return the messages that stream an answer."""
    return [
        frame["message"]
        for frame in frames
        if isinstance(frame.get("message"), dict) and "isThinking" in frame["message"]
    ]


async def test_an_answer_can_arrive_only_at_the_end_and_in_tags(sandbox: Sandbox) -> None:
    """Frames have no text and the full log is empty, as observed with one model in gen-1."""
    frames, detail = await run_to_end(sandbox, "answer_progress_only, answer_wrapper, full_log=empty")
    content = frames[-1]["message"][0]["content"]

    assert {(tuple(each["answer"]), each["isThinking"]) for each in streamed(frames)} == {((), True)}
    assert [frame["message"] for frame in frames if frame["type"] == "task_output_full"] == [""]
    assert content["answer"][0].startswith("<answer>")
    assert content["answer"][0].endswith("</answer>")
    assert detail["debugoutput"] == content["answer"][0]


async def test_an_answer_can_be_only_in_the_log(sandbox: Sandbox) -> None:
    """The task succeeds with empty outputs."""
    frames, detail = await run_to_end(sandbox, "answer_in=log")

    assert (frames[-1]["message"], detail["outputs"], detail["pexit"]) == ([], [], "0")
    assert detail["debugoutput"]


async def test_gen_2_has_segments_and_optionally_lists(sandbox: Sandbox) -> None:
    """By default only segments, as documented; `answer_lists` adds the lists of gen-1, also in frames."""
    _, plain = await run_to_end(sandbox, "dialect=gen2")
    frames, blended = await run_to_end(sandbox, "dialect=gen2, answer_lists")

    assert [*plain["outputs"][0]["content"]] == ["prompt", "raw", "segments", "finishreason", "usage"]
    assert {"thinking", "answer"} <= {*blended["outputs"][0]["content"]}
    assert all({"segments", "answer", "thinking", "raw"} <= {*each} for each in streamed(frames))


async def test_an_answer_can_end_with_tool_calls(sandbox: Sandbox) -> None:
    """Each call is in progress first and then completed; the finish reason is `tool_calls`."""
    frames, detail = await run_to_end(sandbox, "dialect=gen2, answer_calls=function_call|custom_tool_call")
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


async def outputs(sandbox: Sandbox, http: aiohttp.ClientSession, task: str) -> list[Body]:
    async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": task}) as response:
        found: list[Body] = (await response.json())["tasklist"][0]["outputs"]
        return found


async def test_outputs_can_be_listed_before_they_exist(sandbox: Sandbox) -> None:
    """Their temporary addresses return 404 until the task ends."""
    sandbox.next_run(hold_at="task_start", outputs_early=True)
    async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
        async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as response:
            task = (await response.json())["taskid"]
        await sandbox.until(task, lambda task: task.holding_at)
        early = await outputs(sandbox, http, task)
        sandbox.release(task)
        await sandbox.until(task, lambda task: task.verdict)
        final = await outputs(sandbox, http, task)
        statuses = []
        for url in (early[0]["url"], final[0]["url"]):
            async with http.get(url) as response:
                statuses.append(response.status)

    assert "/v1/File/" in early[0]["url"]
    assert statuses == [404, 200]


async def test_an_answer_has_no_temporary_outputs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """While the task runs, its outputs are empty."""
    task_id, _ = await run(sandbox, http, "hold_at=task_start, outputs_early", CHAT)
    await sandbox.until(task_id, lambda task: task.holding_at)

    assert (await detail(sandbox, http, task_id))["outputs"] == []
