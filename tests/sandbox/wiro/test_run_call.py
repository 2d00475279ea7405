"""
Run: successful responses, errors and HTTP faults.

`envelope`, `requests` and `task_starter` are tested here too.
"""

import asyncio

import aiohttp
import orjson
import pytest

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from tests.sandbox.calls import IMAGE, post, refusal, run


async def test_an_unknown_switch_in_a_prompt_is_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The error names the switch."""
    response = await post(http, f"{sandbox.api_url}/Run/{IMAGE}", {"prompt": "[sandbox: exitt=1]"})

    assert "exitt" in refusal(response)[1]


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
async def test_run_can_return_an_http_fault(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str, status: int, starts: int
) -> None:
    """The sandbox knows whether a task was started."""
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": f"[sandbox: {switches}]"}) as response:
        body = await response.read()

    assert response.status == status
    assert response.headers.get("Retry-After") == ("3" if "retry_after_s" in switches else None)
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
async def test_run_can_close_the_connection(
    sandbox: Sandbox, http: aiohttp.ClientSession, kind: str, starts: int
) -> None:
    """Before the task is started, or after."""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await run(sandbox, http, f"run_http={kind}")

    assert (len(sandbox.runs), len(sandbox.tasks)) == (1, starts)


async def test_run_can_hang(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The task is started, and the client waits until it gives up."""
    asking = asyncio.create_task(run(sandbox, http, "run_http=hang"))
    await sandbox.received(1)
    (task,) = sandbox.tasks.values()
    await sandbox.until(task.id, lambda task: task.verdict)

    assert not asking.done()
    asking.cancel()
    await asyncio.wait([asking])


async def test_the_response_can_have_other_forms(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A `data` level, a numeric id, and a null token."""
    url = f"{sandbox.api_url}/Run/{IMAGE}"
    switches = "[sandbox: run_envelope=data, run_taskid=number, run_token_missing]"
    response = await post(http, url, {"prompt": switches})
    data = response["data"]

    assert isinstance(data, dict)
    assert isinstance(data["taskid"], int)
    assert data["socketaccesstoken"] is None


async def test_run_returns_an_id_and_a_token(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The case of the slug does not matter; the token has 30 letters and digits."""
    response = await post(http, f"{sandbox.api_url}/Run/ByteDance/Text-To-Image-Seedream-V4", {"prompt": "a cat"})

    assert set(response) == {"errors", "taskid", "socketaccesstoken", "result"}
    assert (response["errors"], response["result"]) == ([], True)
    assert str(response["taskid"]) in sandbox.tasks
    assert len(str(response["socketaccesstoken"])) == 30


@pytest.mark.parametrize(
    ("model", "body", "code", "message"),
    [
        ("nobody/nothing", {"prompt": "x"}, 1, "slug-owner-project-not-exist"),
        (IMAGE, {}, 0, "Request parameter [prompt] required"),
        (IMAGE, {"prompt": "x", "maxImages": "many"}, 0, "Request parameter [maxImages] must be integer or float"),
        (IMAGE, {"prompt": "x", "maxImages": 16}, 0, "Request parameter [maxImages] must be between 1 and 15"),
        (IMAGE, ["prompt"], 0, "Request parameters are invalid."),
        (IMAGE, {"prompt": "[sandbox: run_error=97:Insufficient balance]"}, 97, "Insufficient balance"),
    ],
)
async def test_a_refused_run_starts_no_task(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, body: object, code: int, message: str
) -> None:
    """It returns the reason and is logged without a task."""
    assert refusal(await post(http, f"{sandbox.api_url}/Run/{model}", body)) == (code, message)
    assert not sandbox.tasks
    assert [received.task_id for received in sandbox.runs] == [None]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("team_model", "This model is not available for your team"),
        ("team_limit", "Team spend limit has been reached"),
        ("personal_limit", "Your personal spend limit in this team has been reached"),
    ],
)
async def test_documented_errors_have_names(sandbox: Sandbox, name: str, message: str) -> None:
    """`run_error` accepts the name of an error that Wiro documents."""
    sandbox.next_run(run_error=name)
    async with (
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
        http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as response,
    ):
        assert (await response.json())["errors"] == [{"code": 0, "message": message}]


async def test_default_switches_apply_to_every_task(http: aiohttp.ClientSession) -> None:
    """A task's own switches override them."""
    async with Sandbox(speed=1000, faults=Faults(exit=2)) as sandbox:
        first, _ = await run(sandbox, http)
        second, _ = await run(sandbox, http, "exit=0")

        assert [sandbox.tasks[task_id].faults.exit for task_id in (first, second)] == [2, 0]


async def test_a_run_above_the_concurrency_limit_is_refused(http: aiohttp.ClientSession) -> None:
    """The code is 96; Runs are accepted again when a task has ended."""
    async with Sandbox(speed=1000, concurrency=1) as sandbox:
        task_id, _ = await run(sandbox, http, "hold_at=task_start")
        url = f"{sandbox.api_url}/Run/{IMAGE}"

        code, message = refusal(await post(http, url, {"prompt": "x"}))
        assert code == 96
        assert "With your current balance of $10.00, you can run up to 1 tasks at the same time." in message
        await sandbox.until(task_id, lambda task: task.holding_at)
        sandbox.release(task_id)
        await sandbox.until(task_id, lambda task: task.verdict)
        assert (await post(http, url, {"prompt": "x"}))["result"] is True
