"""
Calls about tasks: Task/Detail, List, Cancel, Kill and InputOutputDelete, and their faults.

`tasks` and `task_runner` are tested here too.
"""

import aiohttp
import orjson
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.calls import CHAT, OTHER_KEY, detail, post, refusal, run


async def test_task_detail_of_a_finished_task(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Numbers are text, the duration is end minus accept, the cost follows from it, and all outputs are listed."""
    task_id, token = await run(sandbox, http, maxImages=3, callbackUrl="", projectid="5")
    await sandbox.until(task_id, lambda task: task.verdict)
    shown_entry = await detail(sandbox, http, task_id)

    assert (shown_entry["id"], shown_entry["socketaccesstoken"], shown_entry["status"]) == (
        task_id,
        token,
        "task_postprocess_end",
    )
    assert shown_entry["pexit"] == "0"
    elapsed_s = int(str(shown_entry["endtime"])) - int(str(shown_entry["accepttime"]))
    assert shown_entry["elapsedseconds"] == f"{elapsed_s:.4f}"
    assert shown_entry["totalcost"] == (f"{0.003 * elapsed_s:.12f}" if elapsed_s else "0")
    assert shown_entry["canceltime"] == "0"
    outputs = shown_entry["outputs"]
    assert isinstance(outputs, list)
    assert [output["name"] for output in outputs] == ["0.png", "1.png", "2.png"]
    assert {output["contenttype"] for output in outputs} == {"image/png"}
    assert "Loading checkpoint shards" in str(shown_entry["debugoutput"])


async def test_task_detail_of_a_queued_task(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Times that are not reached are "0", the exit code is empty, and there are no costs."""
    task_id, _ = await run(sandbox, http, "hold_at=task_queue")
    shown_entry = await detail(sandbox, http, task_id)

    assert (shown_entry["accepttime"], shown_entry["starttime"], shown_entry["endtime"]) == ("0", "0", "0")
    assert (shown_entry["pexit"], shown_entry["elapsedseconds"], shown_entry["outputs"]) == ("", "0.0000", [])


async def test_a_task_is_invisible_to_other_accounts(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """They get the error for an unknown task."""
    task_id, token = await run(sandbox, http)
    url, other = f"{sandbox.api_url}/Task/Detail", {"x-api-key": OTHER_KEY}

    assert refusal(await post(http, url, {"taskid": task_id}, **other)) == (1, "There is no task yet.")
    assert refusal(await post(http, url, {"tasktoken": token}, **other)) == (1, "There is no task yet.")
    assert refusal(await post(http, url, {}))[1] == "taskid or socketaccesstoken is required"


async def test_task_list_returns_the_latest_first(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Its parameters are numbers as text."""
    ids = [(await run(sandbox, http))[0] for _ in range(3)]
    response = await post(http, f"{sandbox.api_url}/Task/List", {"start": "1", "limit": "1", "order": "DESC"})
    entries = response["tasklist"]

    assert isinstance(entries, list)
    assert response["total"] == "3"
    assert [entry["id"] for entry in entries] == [ids[1]]


async def test_cancel_stops_queued_tasks_and_kill_running_ones(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Otherwise both refuse; a stopped task costs nothing."""
    waiting, _ = await run(sandbox, http, "hold_at=task_queue")
    running, token = await run(sandbox, http, "hold_at=task_start")
    await sandbox.until(waiting, lambda task: task.holding_at)
    await sandbox.until(running, lambda task: task.holding_at)
    cancel, kill = f"{sandbox.api_url}/Task/Cancel", f"{sandbox.api_url}/Task/Kill"

    assert refusal(await post(http, cancel, {"taskid": running})) == (1, "Task is not in a cancellable state.")
    assert refusal(await post(http, kill, {"taskid": waiting}))[1].startswith("Task could not be killed: ")
    assert (await post(http, cancel, {"taskid": waiting}))["result"] is True
    assert (await post(http, kill, {"socketaccesstoken": token}))["result"] is True
    assert [task.verdict for task in sandbox.tasks.values()] == ["canceled", "canceled"]
    shown_entry = await detail(sandbox, http, running)
    assert (shown_entry["status"], shown_entry["totalcost"], shown_entry["pexit"]) == ("task_cancel", "0", "")
    assert shown_entry["canceltime"] != "0"


async def test_a_switch_selects_the_parameter_of_cancel(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Production requires the id, the first documentation the token."""
    strict, strict_token = await run(sandbox, http, "hold_at=task_queue")
    old, old_token = await run(sandbox, http, "hold_at=task_queue, cancel_by=tasktoken")
    url = f"{sandbox.api_url}/Task/Cancel"

    assert refusal(await post(http, url, {"tasktoken": strict_token})) == (0, "Request parameter [taskid] required")
    assert refusal(await post(http, url, {"taskid": old})) == (0, "Request parameter [tasktoken] required")
    assert (await post(http, url, {"taskid": strict}))["result"] is True
    assert (await post(http, url, {"tasktoken": old_token}))["result"] is True


@pytest.mark.parametrize(("gap", "accepted"), [("neither", []), ("cancel", ["Cancel"]), ("kill", ["Kill"])])
async def test_a_switch_selects_the_call_that_stops_an_accepted_task(
    sandbox: Sandbox, http: aiohttp.ClientSession, gap: str, accepted: list[str]
) -> None:
    """Wiro's documentation does not say which call works between accept and assign."""
    done = []
    for call in ("Cancel", "Kill"):
        task_id, _ = await run(sandbox, http, f"hold_at=task_accept, stop_gap={gap}")
        await sandbox.until(task_id, lambda task: task.holding_at)
        if (await post(http, f"{sandbox.api_url}/Task/{call}", {"taskid": task_id}))["result"]:
            done.append(call)

    assert done == accepted


async def test_files_are_deleted_after_the_end(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Deleting them earlier is refused, deleting them again has no effect; record and parameters stay."""
    task_id, token = await run(sandbox, http, "hold_at=task_start")
    url = f"{sandbox.api_url}/Task/InputOutputDelete"

    assert refusal(await post(http, url, {"tasktoken": "nothing"})) == (1, "task-not-exist")
    assert refusal(await post(http, url, {"tasktoken": token}))[1].startswith("Task must be completed")
    await sandbox.until(task_id, lambda task: task.holding_at)
    sandbox.release(task_id)
    await sandbox.until(task_id, lambda task: task.verdict)
    assert [(await post(http, url, {"tasktoken": token}))["result"] for _ in range(2)] == [True, True]
    shown_entry = await detail(sandbox, http, task_id)
    assert (shown_entry["outputs"], shown_entry["pexit"]) == ([], "0")
    assert shown_entry["parameters"]


async def test_task_detail_can_fail_at_first(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each fault affects the number of calls that its switch says."""
    task_id, _ = await run(sandbox, http, "detail_http=500:html*2, detail_empty_polls=3")
    url = f"{sandbox.api_url}/Task/Detail"
    statuses = []
    for _ in range(2):
        async with http.post(url, json={"taskid": task_id}) as response:
            statuses.append(response.status)

    assert statuses == [500, 500]
    empty = await post(http, url, {"taskid": task_id})
    assert (empty["result"], empty["total"], empty["tasklist"]) == (True, "0", [])
    assert (await detail(sandbox, http, task_id))["id"] == task_id


async def test_task_detail_can_lag_behind_the_end(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It returns the state before the end for a number of calls."""
    task_id, _ = await run(sandbox, http, "detail_lag_polls=2")
    await sandbox.until(task_id, lambda task: task.verdict)
    seen = [(await detail(sandbox, http, task_id))["status"] for _ in range(3)]

    assert seen == ["task_postprocess_start", "task_postprocess_start", "task_postprocess_end"]


async def test_task_detail_can_have_other_forms(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """No exit code and stage times, parameters as text, other names, and other formats of outputs and times."""
    switches = "pexit_missing, stage_clock=off, parameters_json, aliases, outputs=json, timestamps=ms"
    task_id, _ = await run(sandbox, http, switches)
    await sandbox.until(task_id, lambda task: task.verdict)
    shown_entry = await detail(sandbox, http, task_id)

    assert not {"pexit", "accepttime", "id", "outputs"} & set(shown_entry)
    assert shown_entry["taskid"] == task_id
    assert len(str(shown_entry["starttime"])) == 13
    assert orjson.loads(str(shown_entry["parameters"]))["prompt"]
    assert orjson.loads(str(shown_entry["output"]))[0]["name"] == "0.png"


@pytest.mark.parametrize(("shape", "expected"), [("null", None), ("empty", []), ("holes", [{}, {}])])
async def test_missing_outputs_have_several_forms(
    sandbox: Sandbox, http: aiohttp.ClientSession, shape: str, expected: object
) -> None:
    """Null, an empty list, and empty objects."""
    task_id, _ = await run(sandbox, http, f"exit=1, outputs={shape}")
    await sandbox.until(task_id, lambda task: task.verdict)

    assert (await detail(sandbox, http, task_id))["outputs"] == expected


async def test_a_failed_task_has_an_exit_code_and_a_traceback(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The status is the same as for a success, and the cost is 0."""
    task_id, _ = await run(sandbox, http, "exit=137")
    task = await sandbox.until(task_id, lambda task: task.verdict)
    shown_entry = await detail(sandbox, http, task_id)

    assert task.verdict == "failed"
    assert (shown_entry["status"], shown_entry["pexit"], shown_entry["outputs"]) == ("task_postprocess_end", "137", [])
    assert shown_entry["totalcost"] == "0"
    assert "Traceback" in str(shown_entry["debugerror"])


async def test_task_detail_and_kill_can_be_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """With the code and the message of the switch."""
    task_id, _ = await run(sandbox, http, "hold_at=task_start, detail_error=99:Token expired, kill_error=no worker")
    await sandbox.until(task_id, lambda task: task.holding_at)

    requested = await post(http, f"{sandbox.api_url}/Task/Detail", {"taskid": task_id})
    killed = await post(http, f"{sandbox.api_url}/Task/Kill", {"taskid": task_id})
    assert refusal(requested) == (99, "Token expired")
    assert refusal(killed) == (1, "Task could not be killed: no worker")
    assert sandbox.tasks[task_id].status == "task_start"


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [("500:html*1", None), ("drop_before*1", None), ("drop*1", "canceled"), ("200:empty", "canceled")],
)
async def test_kill_can_return_an_http_fault(
    sandbox: Sandbox, http: aiohttp.ClientSession, fault: str, verdict: str | None
) -> None:
    """Before the task is stopped, or after."""
    task_id, _ = await run(sandbox, http, f"hold_at=task_start, stop_http={fault}")
    await sandbox.until(task_id, lambda task: task.holding_at)
    with pytest.raises((aiohttp.ClientError, orjson.JSONDecodeError)):
        async with http.post(f"{sandbox.api_url}/Task/Kill", json={"taskid": task_id}) as response:
            orjson.loads(await response.read())

    assert sandbox.tasks[task_id].verdict == verdict


async def test_kill_can_accept_the_tasktoken(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Older documentation and one SDK use it; by default it is refused, as production reportedly does."""
    responses = []
    for switches in ("", "kill_by=any"):
        task_id, token = await run(sandbox, http, f"hold_at=task_start, {switches}")
        await sandbox.until(task_id, lambda task: task.holding_at)
        responses.append(await post(http, f"{sandbox.api_url}/Task/Kill", {"tasktoken": token}))

    assert refusal(responses[0]) == (0, "taskid or socketaccesstoken is required")
    assert responses[1]["tasklist"][0]["status"] == "task_cancel"


async def test_an_unknown_task_cannot_be_stopped(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Cancel and Kill return the same error."""
    for call in ("Cancel", "Kill"):
        response = await post(http, f"{sandbox.api_url}/Task/{call}", {"taskid": "1"})
        assert refusal(response) == (1, "There is no task yet.")


async def test_task_list_filters_by_model(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`modelName` matches a part of the slug, in any case."""
    first, _ = await run(sandbox, http)
    await run(sandbox, http, model=CHAT)
    body = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20", "modelName": "Seedream-V4"}
    listed = await post(http, f"{sandbox.api_url}/Task/List", body)

    assert [task["id"] for task in listed["tasklist"]] == [first]
    assert listed["total"] == "1"
