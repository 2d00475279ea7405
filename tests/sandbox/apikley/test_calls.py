"""The simulated Apikley: its calls as the documents have them, and what its switches do."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Sandbox

MODEL = "bytedance/seedream-v4-text-to-image"


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the account's key."""
    headers = {"Authorization": f"Bearer {sandbox.apikley_key}"}
    async with aiohttp.ClientSession(sandbox.apikley_url, headers=headers) as session:
        yield session


async def create(http: aiohttp.ClientSession, **given: Any) -> tuple[int, dict[str, Any]]:
    body = {"model": MODEL, "input": {"prompt": "a lake"} | given}
    async with http.post("/api/v1/jobs/createTask", json=body) as answer:
        return answer.status, await answer.json()


async def record(http: aiohttp.ClientSession, job: str) -> dict[str, Any]:
    async with http.get("/api/v1/jobs/recordInfo", params={"taskId": job}) as answer:
        said: dict[str, Any] = await answer.json()
        return said


async def finished(sandbox: Sandbox, http: aiohttp.ClientSession, prompt: str = "") -> dict[str, Any]:
    """Make a job and return its record when it has ended."""
    _, said = await create(http, prompt=f"a lake {prompt}")
    job = sandbox.jobs[said["data"]["taskId"]]
    await job.until(lambda job: job.state in ("success", "fail"))
    data: dict[str, Any] = (await record(http, job.id))["data"]
    return data


async def test_a_job_comes_to_its_end(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Its record has strings of JSON, times in milliseconds, and a picture that is there."""
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
async def test_an_input_beyond_the_documents_is_refused(http: aiohttp.ClientSession, given: dict[str, object]) -> None:
    """422 in the body of an HTTP 200, and no job."""
    status, said = await create(http, **given)

    assert (status, said["code"], said["data"]) == (200, 422, None)


async def test_a_key_that_nobody_has_is_refused(sandbox: Sandbox) -> None:
    """By every call."""
    async with aiohttp.ClientSession(sandbox.apikley_url, headers={"Authorization": "Bearer other"}) as stranger:
        _, made = await create(stranger)
        read = await record(stranger, "x")
        async with stranger.get("/api/v1/chat/credit") as answer:
            credit = await answer.json()

    assert [said["code"] for said in (made, read, credit)] == [401, 401, 401]


async def test_a_record_is_spelled_as_apikleys_own_page_has_it(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """https://docs.apikley.ru/get-task-detail: `message`, no price, no duration, empty texts for what there is not."""
    sandbox.next_run(hold_at="task_start")
    _, made = await create(http)
    (job,) = sandbox.jobs.values()
    await job.until(lambda job: job.holding_at)
    running = await record(http, job.id)
    sandbox.release(job.id)
    await job.until(lambda job: job.state == "success")
    ended = await record(http, job.id)

    assert [*made] == ["code", "msg", "data"]
    assert [*ended] == ["code", "message", "data"]
    assert (running["data"]["resultJson"], running["data"]["failCode"], running["data"]["failMsg"]) == ("", "", "")
    assert set(ended["data"]) == {
        *("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg"),
        *("completeTime", "createTime", "updateTime"),
    }


async def test_a_record_may_be_spelled_as_kies(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`msg`, price and duration, and null."""
    data = await finished(sandbox, http, "[sandbox: spelling=kie]")
    job = next(iter(sandbox.jobs))

    assert (data["creditsConsumed"], data["costTime"] > 0, data["failCode"]) == (5.0, True, None)
    assert [*await record(http, job)] == ["code", "msg", "data"]


async def test_the_same_job_asked_for_twice_fails_twice(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A count of faults belongs to the switches that ask for it."""
    for _ in range(2):
        sandbox.next_run(run_http="502:html*1")
        async with http.post(
            "/api/v1/jobs/createTask", json={"model": MODEL, "input": {"prompt": "a lake"}}
        ) as spoiled:
            assert spoiled.status == 502
        assert (await create(http))[1]["code"] == 200


async def test_the_switches_of_a_record(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each changes just what it says."""
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


async def test_a_refusal_may_come_as_http_status(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """Under HTTP 200 unless a switch says otherwise."""
    sandbox.next_run(run_error="402:Insufficient credits", code_as_status=True)
    as_status, _ = await create(http)
    sandbox.next_run(run_error="402:Insufficient credits")
    under_200, said = await create(http)

    assert (as_status, under_200, said["code"]) == (402, 200, 402)
    assert [request.refused for request in sandbox.created] == [402, 402]


async def test_a_file_may_be_denied_and_none_is_there_before_the_end(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """Neither early, nor beside what was made, nor when a switch denies it."""
    await finished(sandbox, http, "[sandbox: cdn_status=403]")
    sandbox.next_run(hold_at="task_start")
    await create(http)
    denied, early = (job.result_urls()[0] for job in sandbox.jobs.values())

    statuses = []
    for url in (denied, early, denied.replace("0.png", "1.png")):
        async with aiohttp.ClientSession() as browser, browser.get(url) as answer:
            statuses.append(answer.status)
    assert statuses == [403, 404, 404]
