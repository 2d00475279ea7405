"""How the REST calls go wrong when they are told to, and the desk at which that is set and seen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import aiohttp
import orjson
import pytest

from relay.errors import ConfigError
from relay.sandbox import Faults, Sandbox
from relay.sandbox.wiro.tasks import Task

IMAGE = "bytedance/text-to-image-seedream-v4"
Body = dict[str, object]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


async def post(http: aiohttp.ClientSession, url: str, body: object, **headers: str) -> Body:
    async with http.post(url, json=body, headers=headers) as answer:
        return cast("Body", await answer.json())


async def run(sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", **fields: object) -> tuple[str, str]:
    answer = await post(http, f"{sandbox.api_url}/Run/{IMAGE}", {"prompt": f"a cat [sandbox: {switches}]"} | fields)
    return str(answer["taskid"]), str(answer["socketaccesstoken"])


async def detail(sandbox: Sandbox, http: aiohttp.ClientSession, task_id: str) -> Body:
    answer = await post(http, f"{sandbox.api_url}/Task/Detail", {"taskid": task_id})
    entries = answer["tasklist"]
    assert isinstance(entries, list)
    return cast("Body", entries[0])


def at(stage: str) -> Callable[[Task], bool]:
    return lambda task: task.holding_at == stage


def refusal(answer: Body) -> tuple[int, str]:
    errors = answer["errors"]
    assert answer["result"] is False
    assert isinstance(errors, list)
    return errors[0]["code"], errors[0]["message"]


async def test_a_mistyped_switch_is_refused_by_name(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A directive that means nothing must not pass for one that works."""
    answer = await post(http, f"{sandbox.api_url}/Run/{IMAGE}", {"prompt": "[sandbox: exitt=1]"})

    assert "exitt" in refusal(answer)[1]


async def test_the_exact_request_is_on_record(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Fields in order with their JSON types, and how often the same was asked."""
    body = {"size": "1x1", "maxImages": 2, "prompt": "a cat", "seed": None}
    await post(http, f"{sandbox.api_url}/Run/{IMAGE}", body)
    await post(http, f"{sandbox.api_url}/Run/{IMAGE}", body)
    async with http.get(f"{sandbox.control_url}/tasks") as answer:
        truth = await answer.json()

    request = truth["tasks"][0]["request"]
    assert request["content_type"] == "application/json"
    assert [(field["name"], field["type"]) for field in request["fields"]] == [
        ("size", "string"),
        ("maxImages", "number"),
        ("prompt", "string"),
        ("seed", "null"),
    ]
    assert truth["tasks"][0]["runs_alike"] == 2


@pytest.mark.parametrize(
    ("switches", "status", "starts"),
    [
        ("run_http=401", 401, 0),
        ("run_http=429, retry_after_s=3", 429, 0),
        ("run_http=500:html", 500, 0),
        ("run_http=502:html, run_http_started", 502, 1),
        ("run_http=504:empty", 504, 0),
        ("run_http=200:truncated", 200, 1),
        ("run_http=200:empty", 200, 1),
    ],
)
async def test_run_may_answer_wrong_over_http(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str, status: int, starts: int
) -> None:
    """Whatever the answer, the truth about what was started is known to the sandbox."""
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": f"[sandbox: {switches}]"}) as answer:
        body = await answer.read()

    assert answer.status == status
    assert answer.headers.get("Retry-After") == ("3" if "retry_after_s" in switches else None)
    assert len(sandbox.tasks) == starts
    assert len(sandbox.runs) == 1
    if "html" in switches:
        assert body.startswith(b"<html>")
    elif ":" in switches:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)
    else:
        assert orjson.loads(body)["result"] is False


@pytest.mark.parametrize(("kind", "starts"), [("drop", 1), ("drop_before", 0)])
async def test_run_may_lose_its_connection(
    sandbox: Sandbox, http: aiohttp.ClientSession, kind: str, starts: int
) -> None:
    """Before the task was started, or after."""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await run(sandbox, http, f"run_http={kind}")

    assert (len(sandbox.runs), len(sandbox.tasks)) == (1, starts)


async def test_run_may_never_answer(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The task was started, and the caller waits until it gives up."""
    asking = asyncio.create_task(run(sandbox, http, "run_http=hang"))
    await sandbox.received(1)
    (task,) = sandbox.tasks.values()
    await sandbox.until(task.id, lambda task: task.verdict)

    assert not asking.done()
    asking.cancel()
    await asyncio.wait([asking])


async def test_run_may_wrap_its_answer_or_leave_the_token_out(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A `data` level, an id that is a number, a token that is null."""
    url = f"{sandbox.api_url}/Run/{IMAGE}"
    switches = "[sandbox: run_envelope=data, run_taskid=number, run_token_missing]"
    answer = await post(http, url, {"prompt": switches})
    data = answer["data"]

    assert isinstance(data, dict)
    assert isinstance(data["taskid"], int)
    assert data["socketaccesstoken"] is None


async def test_the_detail_may_be_empty_wrong_or_refused_at_first(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each fault lasts as many calls as it says."""
    task_id, _ = await run(sandbox, http, "detail_http=500:html*2, detail_empty_polls=3")
    url = f"{sandbox.api_url}/Task/Detail"
    statuses = []
    for _ in range(2):
        async with http.post(url, json={"taskid": task_id}) as answer:
            statuses.append(answer.status)

    assert statuses == [500, 500]
    empty = await post(http, url, {"taskid": task_id})
    assert (empty["result"], empty["total"], empty["tasklist"]) == (True, "0", [])
    assert (await detail(sandbox, http, task_id))["id"] == task_id


async def test_the_detail_may_lag_behind_the_end(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It shows the state before the end for as many reads as asked."""
    task_id, _ = await run(sandbox, http, "detail_lag_polls=2")
    await sandbox.until(task_id, lambda task: task.verdict)
    seen = [(await detail(sandbox, http, task_id))["status"] for _ in range(3)]

    assert seen == ["task_postprocess_start", "task_postprocess_start", "task_postprocess_end"]


async def test_the_detail_has_its_oddities(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Missing exit code and clock, parameters as text, aliases, and other shapes of outputs and times."""
    switches = "pexit_missing, stage_clock=off, parameters_json, aliases, outputs=json, timestamps=ms"
    task_id, _ = await run(sandbox, http, switches)
    await sandbox.until(task_id, lambda task: task.verdict)
    shown = await detail(sandbox, http, task_id)

    assert not {"pexit", "accepttime", "id", "outputs"} & set(shown)
    assert shown["taskid"] == task_id
    assert len(str(shown["starttime"])) == 13
    assert orjson.loads(str(shown["parameters"]))["prompt"]
    assert orjson.loads(str(shown["output"]))[0]["name"] == "0.png"


@pytest.mark.parametrize(("shape", "expected"), [("null", None), ("empty", []), ("holes", [{}, {}])])
async def test_outputs_may_be_missing_in_several_ways(
    sandbox: Sandbox, http: aiohttp.ClientSession, shape: str, expected: object
) -> None:
    """Null, an empty list and empty objects all occur."""
    task_id, _ = await run(sandbox, http, f"exit=1, outputs={shape}")
    await sandbox.until(task_id, lambda task: task.verdict)

    assert (await detail(sandbox, http, task_id))["outputs"] == expected


async def test_a_failure_has_its_exit_code_its_traceback_and_no_price(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """The status alone does not tell it from a success."""
    task_id, _ = await run(sandbox, http, "exit=137")
    task = await sandbox.until(task_id, lambda task: task.verdict)
    shown = await detail(sandbox, http, task_id)

    assert task.verdict == "failed"
    assert (shown["status"], shown["pexit"], shown["outputs"]) == ("task_postprocess_end", "137", [])
    assert shown["totalcost"] == "0"
    assert "Traceback" in str(shown["debugerror"])


async def test_queued_switches_are_for_the_next_runs_one_each(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """They are used up in order, and a wrong one is refused when it is set."""
    url = f"{sandbox.control_url}/faults"
    assert (await post(http, url, {"next": [{"exit": 1}, {"percentages": ["NaN", "0"]}]}))["queued"] == 2
    assert "exitt" in str((await post(http, url, {"next": {"exitt": 1}}))["error"])
    ids = [(await run(sandbox, http))[0] for _ in range(3)]

    assert [sandbox.tasks[task_id].faults.exit for task_id in ids] == [1, 0, 0]
    assert [sandbox.tasks[task_id].faults.percentages for task_id in ids] == [(), ("NaN", "0"), ()]
    with pytest.raises(ConfigError):
        sandbox.next_run(exitt=1)


async def test_a_default_holds_for_every_task(http: aiohttp.ClientSession) -> None:
    """The server's switches apply unless a task's own say otherwise."""
    async with Sandbox(speed=1000, accounts={"a-key": None}, faults=Faults(exit=2)) as sandbox:
        first, _ = await run(sandbox, http)
        second, _ = await run(sandbox, http, "exit=0")

        assert [sandbox.tasks[task_id].faults.exit for task_id in (first, second)] == [2, 0]


async def test_a_held_task_is_released_over_http(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Stage after stage, and the truth shows where it waits."""
    task_id, _ = await run(sandbox, http, "hold_at=task_accept|task_end")
    for stage in ("task_accept", "task_end"):
        await sandbox.until(task_id, at(stage))
        assert await post(http, f"{sandbox.control_url}/release", {"taskid": task_id}) == {"released_from": stage}
    task = await sandbox.until(task_id, lambda task: task.verdict)

    assert [stage for stage, _ in task.passed][-1] == "task_postprocess_end"
    async with http.get(f"{sandbox.control_url}/tasks") as answer:
        assert (await answer.json())["tasks"][0]["verdict"] == "success"


async def test_the_detail_and_kill_may_be_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """With the code and the words that were set."""
    task_id, _ = await run(sandbox, http, "hold_at=task_start, detail_error=99:Token expired, kill_error=no worker")
    await sandbox.until(task_id, lambda task: task.holding_at)

    asked = await post(http, f"{sandbox.api_url}/Task/Detail", {"taskid": task_id})
    killed = await post(http, f"{sandbox.api_url}/Task/Kill", {"taskid": task_id})
    assert refusal(asked) == (99, "Token expired")
    assert refusal(killed) == (1, "Task could not be killed: no worker")
    assert sandbox.tasks[task_id].status == "task_start"


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [("500:html*1", None), ("drop_before*1", None), ("drop*1", "canceled"), ("200:empty", "canceled")],
)
async def test_stopping_may_go_wrong_over_http(
    sandbox: Sandbox, http: aiohttp.ClientSession, fault: str, verdict: str | None
) -> None:
    """Before the task was stopped, or after."""
    task_id, _ = await run(sandbox, http, f"hold_at=task_start, stop_http={fault}")
    await sandbox.until(task_id, lambda task: task.holding_at)
    with pytest.raises((aiohttp.ClientError, orjson.JSONDecodeError)):
        async with http.post(f"{sandbox.api_url}/Task/Kill", json={"taskid": task_id}) as answer:
            orjson.loads(await answer.read())

    assert sandbox.tasks[task_id].verdict == verdict


async def test_a_flaky_sandbox_spoils_its_share_of_answers_and_keeps_account() -> None:
    """By chance a call is not answered, before or after it took effect; a Run that was not answered tells no code."""
    async with (
        Sandbox(speed=1000, seed=1, accounts={"a-key": None}, faults=Faults(flaky=0.5)) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
    ):
        answered = []
        for number in range(40):
            refused = " [sandbox: run_error=97:No]" if number % 2 else ""
            try:
                async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": f"a cat{refused}"}) as answer:
                    answered.append(answer.status == 200)
            except aiohttp.ClientError:
                answered.append(False)

        started = [run.task_id is not None for run in sandbox.runs]
        told = [run.refused for run in sandbox.runs]
        assert len(sandbox.runs) == 40
        assert {(answered[n], started[n]) for n in range(0, 40, 2)} == {(True, True), (False, True), (False, False)}
        assert [told[n] for n in range(1, 40, 2)] == [97 if answered[n] else None for n in range(1, 40, 2)]
        assert not any(started[1::2])


async def test_every_call_can_be_flaky() -> None:
    """Also those that only look."""
    async with Sandbox(accounts={"a-key": None}, faults=Faults(flaky=1.0)) as flaky:
        for path in ("Task/Detail", "Task/List", "Task/Cancel", "Task/Kill", "Task/InputOutputDelete", "Tool/List"):
            async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
                try:
                    async with http.post(f"{flaky.api_url}/{path}", json={}) as answer:
                        assert answer.status >= 500
                except aiohttp.ServerDisconnectedError:
                    continue
