"""
The calls of the simulated Apikley, and the switches that change them.

`auth`, `envelope`, `input`, `job_runner`, `jobs` and `record` are tested here too.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Sandbox

MODEL = "bytedance/seedream-v4-text-to-image"


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client with the account's key."""
    headers = {"Authorization": f"Bearer {sandbox.apikley_key}"}
    async with aiohttp.ClientSession(sandbox.apikley_url, headers=headers) as session:
        yield session


async def create(http: aiohttp.ClientSession, **given: Any) -> tuple[int, dict[str, Any]]:
    body = {"model": MODEL, "input": {"prompt": "a lake"} | given}
    async with http.post("/api/v1/jobs/createTask", json=body) as response:
        return response.status, await response.json()


async def record(http: aiohttp.ClientSession, job: str) -> dict[str, Any]:
    async with http.get("/api/v1/jobs/recordInfo", params={"taskId": job}) as response:
        result: dict[str, Any] = await response.json()
        return result


async def finished(sandbox: Sandbox, http: aiohttp.ClientSession, prompt: str = "") -> dict[str, Any]:
    """Create a job, wait until it ends, and return its record."""
    _, result = await create(http, prompt=f"a lake {prompt}")
    job = sandbox.jobs[result["data"]["taskId"]]
    await job.until(lambda job: job.state in ("success", "fail"))
    data: dict[str, Any] = (await record(http, job.id))["data"]
    return data


async def test_a_job_succeeds(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The record has JSON strings, times in milliseconds, and the address of a picture that is served."""
    data = await finished(sandbox, http)

    assert data["state"] == "success"
    assert data["resultJson"].startswith('{"resultUrls":["http://127.0.0.1:')
    assert data["completeTime"] >= data["updateTime"] - 1 >= data["createTime"] - 1 > 1e12
    assert data["resultJson"].startswith('{"resultUrls":["http://127.0.0.1:')
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(next(iter(sandbox.jobs.values())).result_urls()[0]) as file,
    ):
        assert (file.status, file.content_type) == (200, "image/png")


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": ""},
        {"prompt": "x" * 5001},
        {"prompt": 7},
        {"image_size": "huge"},
        {"image_resolution": "8K"},
        {"max_images": 0},
        {"max_images": 7},
        {"max_images": 1.5},
        {"max_images": "2"},
        {"seed": "7"},
    ],
    ids=str,
)
async def test_an_invalid_input_is_refused(http: aiohttp.ClientSession, given: dict[str, object]) -> None:
    """The code is 422, the HTTP status 200, and no job is created."""
    status, result = await create(http, **given)

    assert (status, result["code"], result["data"]) == (200, 422, None)


async def test_an_unknown_key_is_refused(sandbox: Sandbox) -> None:
    """Every call returns code 401."""
    async with aiohttp.ClientSession(sandbox.apikley_url, headers={"Authorization": "Bearer other"}) as stranger:
        _, new = await create(stranger)
        read = await record(stranger, "x")
        async with stranger.get("/api/v1/chat/credit") as response:
            credit = await response.json()

    assert [result["code"] for result in (new, read, credit)] == [401, 401, 401]


async def test_a_record_follows_apikleys_documentation(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """
    https://docs.apikley.ru/get-task-detail: `message`, no price, no duration, and empty strings for absent values.
    """
    sandbox.next_run(hold_at="task_start")
    _, new = await create(http)
    (job,) = sandbox.jobs.values()
    await job.until(lambda job: job.holding_at)
    running = await record(http, job.id)
    sandbox.release(job.id)
    await job.until(lambda job: job.state == "success")
    ended = await record(http, job.id)

    assert [*new] == ["code", "msg", "data"]
    assert [*ended] == ["code", "message", "data"]
    assert (running["data"]["resultJson"], running["data"]["failCode"], running["data"]["failMsg"]) == ("", "", "")
    assert set(ended["data"]) == {
        *("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg"),
        *("completeTime", "createTime", "updateTime"),
    }


async def test_a_record_can_follow_kies_documentation(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It has `msg`, a price and a duration, and null for absent values."""
    data = await finished(sandbox, http, "[sandbox: spelling=kie]")
    job = next(iter(sandbox.jobs))

    assert (data["creditsConsumed"], data["costTime"] > 0, data["failCode"]) == (5.0, True, None)
    assert [*await record(http, job)] == ["code", "msg", "data"]


async def test_a_fault_queued_twice_hits_identical_calls_twice(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The count belongs to the queued switches, not to the body."""
    for _ in range(2):
        sandbox.next_run(run_http="502:html*1")
        async with http.post(
            "/api/v1/jobs/createTask", json={"model": MODEL, "input": {"prompt": "a lake"}}
        ) as spoiled:
            assert spoiled.status == 502
        assert (await create(http))[1]["code"] == 200


async def test_switches_change_the_record(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each switch changes only what it names."""
    odd = "[sandbox: param_twice, cost_time=s, credits=consumeCredits, result=null]"
    data = await finished(sandbox, http, odd)
    failed = await finished(sandbox, http, "[sandbox: fail=430:Refused]")
    _, slow = await create(http, prompt="a lake [sandbox: detail_empty_polls=1, detail_error=455:Down]")
    job = slow["data"]["taskId"]

    assert data["param"].startswith('"{\\"')
    assert (data["costTime"] < 60, data["consumeCredits"], data["resultJson"]) == (True, 5.0, None)
    assert (failed["state"], failed["failCode"], failed["failMsg"]) == ("fail", "430", "Refused")
    assert [(await record(http, job))["code"] for _ in range(2)] == [422, 455]
    assert (await record(http, "nobody"))["message"] == "recordInfo is null"


async def test_an_error_code_can_be_the_http_status(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """Without the switch, the HTTP status is 200."""
    sandbox.next_run(run_error="402:Insufficient credits", code_as_status=True)
    as_status, _ = await create(http)
    sandbox.next_run(run_error="402:Insufficient credits")
    under_200, result = await create(http)

    assert (as_status, under_200, result["code"]) == (402, 200, 402)
    assert [request.refused for request in sandbox.created] == [402, 402]


async def test_files_are_missing_or_denied(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A switch denies files; there are none before the end of a job, and none beyond its images."""
    await finished(sandbox, http, "[sandbox: cdn_status=403]")
    sandbox.next_run(hold_at="task_start")
    await create(http)
    denied, early = (job.result_urls()[0] for job in sandbox.jobs.values())

    statuses = []
    for url in (denied, early, denied.replace("0.png", "1.png")):
        async with aiohttp.ClientSession() as browser, browser.get(url) as response:
            statuses.append(response.status)
    assert statuses == [403, 404, 404]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not a JSON object"),
        (b"[]", "The request body is not a JSON object"),
        (b'{"model": "other/model"}', "The model name you specified is not supported"),
        (b'{"model": "bytedance/seedream-v4-text-to-image"}', "input is required"),
        (
            b'{"model": "bytedance/seedream-v4-text-to-image", "input": {"prompt": "a"}, "callBackUrl": 1}',
            "callBackUrl must be a string",
        ),
        (
            b'{"model": "bytedance/seedream-v4-text-to-image", "input": {"prompt": "[sandbox: exitt=1]"}}',
            "sandbox: unknown switch 'exitt'",
        ),
    ],
)
async def test_an_invalid_body_is_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, body: bytes, message: str
) -> None:
    """It is logged as it was received."""
    async with http.post("/api/v1/jobs/createTask", data=body) as response:
        assert (await response.json())["msg"] == message
    assert [request.refused for request in sandbox.created] == [422]


async def test_the_credit_is_returned(http: aiohttp.ClientSession) -> None:
    """It is a number."""
    async with http.get("/api/v1/chat/credit") as response:
        assert (await response.json())["data"] == 1000.0


@pytest.mark.parametrize(
    ("switches", "status", "created"),
    [
        ({"run_http": "502:html"}, 502, 0),
        ({"run_http": "429", "retry_after_s": 3}, 429, 0),
        ({"run_http": "502", "run_http_started": True}, 502, 1),
        ({"run_error": "429:Too many requests", "retry_after_s": 3, "code_as_status": True}, 429, 0),
    ],
)
async def test_create_task_can_fail(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: dict[str, object], status: int, created: int
) -> None:
    """`retry_after_s` adds a header, and `run_http_started` creates the job nevertheless."""
    sandbox.next_run(**switches)
    async with http.post("/api/v1/jobs/createTask", json={"model": MODEL, "input": {"prompt": "a lake"}}) as response:
        assert response.status == status
        assert response.headers.get("Retry-After") == ("3" if "retry_after_s" in switches else None)
    assert (len(sandbox.jobs), len(sandbox.created)) == (created, 1)


async def test_record_info_can_fail(http: aiohttp.ClientSession) -> None:
    """The fault affects the number of calls that its switch says."""
    _, created = await create(http, prompt="a lake [sandbox: detail_http=503:html*1]")
    statuses = []
    for _ in range(2):
        async with http.get("/api/v1/jobs/recordInfo", params={"taskId": created["data"]["taskId"]}) as response:
            statuses.append(response.status)

    assert statuses == [503, 200]


async def test_a_running_record_can_have_progress(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """kie's record has `costTime` from the start, and a price only at the end."""
    _, created = await create(http, prompt="a lake [sandbox: hold_at=task_start, job_progress, spelling=kie]")
    job = sandbox.jobs[created["data"]["taskId"]]
    await job.until(lambda job: job.holding_at)
    data = (await record(http, job.id))["data"]

    assert (data["progress"], data["costTime"], "creditsConsumed" in data) == (0, None, False)


async def test_a_result_can_be_an_object(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`resultJson` is a JSON string in any case."""
    data = await finished(sandbox, http, "[sandbox: result=object]")

    assert data["resultJson"] == '{"resultObject":{"text":"An answer."}}'
