"""How calls may arrive: as forms, from pages of other origins, by other names, with faults that are counted."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.sandbox import PLAIN_KEY, Faults, Sandbox

IMAGE = "bytedance/text-to-image-seedream-v4"
Body = dict[str, Any]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000) as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
        yield http


async def run(sandbox: Sandbox, http: aiohttp.ClientSession, prompt: str = "a cat", model: str = IMAGE) -> Body:
    async with http.post(f"{sandbox.api_url}/Run/{model}", json={"prompt": prompt}) as answer:
        said: Body = await answer.json()
        return said


async def test_there_is_a_project_without_a_secret(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Its key alone authorizes a call; the project that signs is another one."""
    assert (await run(sandbox, http))["result"] is True
    assert sandbox.api_key != PLAIN_KEY


async def test_a_form_is_read_like_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Clients in use send Run and Detail so; a name that comes again is a list."""
    form = [("prompt", "a cat & a dog"), ("maxImages", "2"), ("watermark", ""), ("tag", "a"), ("tag", "b")]
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=aiohttp.FormData(form)) as answer:
        task = (await answer.json())["taskid"]
    async with http.post(f"{sandbox.api_url}/Task/Detail", data={"taskid": task}) as answer:
        shown = (await answer.json())["tasklist"][0]

    assert sandbox.runs[0].content_type == "application/x-www-form-urlencoded"
    assert shown["parameters"] == {"prompt": "a cat & a dog", "maxImages": "2", "watermark": "", "tag": ["a", "b"]}


async def test_a_form_that_is_no_text_is_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Bytes that are no UTF-8 are no parameters."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=b"prompt=%ff\xff", headers=headers) as answer:
        assert (await answer.json())["errors"][0]["message"] == "Request parameters are invalid."


async def test_a_page_of_any_origin_may_call(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The preflight names the headers that it was asked for, and every answer can be read, refusals too."""
    wanted = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-api-key, x-nonce"}
    async with http.options(f"{sandbox.api_url}/Task/Detail", headers=wanted) as preflight:
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Headers"] == "x-api-key, x-nonce"
    async with http.post(f"{sandbox.api_url}/Task/Detail", headers={"x-api-key": "nobody"}) as refused:
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")


async def test_pages_may_be_kept_out(http: aiohttp.ClientSession) -> None:
    """No document says that they may call."""
    async with (
        Sandbox(faults=Faults(cors=False)) as sandbox,
        http.options(f"{sandbox.api_url}/Task/Detail") as preflight,
    ):
        assert preflight.status == 404
        assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_kill_may_take_the_tasktoken(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Older documents and one SDK send it; it is refused by default, as production is said to do."""
    answers = []
    for switches in ("", ", kill_by=any"):
        started = await run(sandbox, http, f"a cat [sandbox: hold_at=task_start{switches}]")
        await sandbox.until(started["taskid"], lambda task: task.holding_at)
        body = {"tasktoken": started["socketaccesstoken"]}
        async with http.post(f"{sandbox.api_url}/Task/Kill", json=body) as answer:
            answers.append(await answer.json())

    assert answers[0]["errors"][0]["message"] == "taskid or socketaccesstoken is required"
    assert answers[1]["tasklist"][0]["status"] == "task_cancel"


async def test_tasks_are_listed_by_their_model(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """By a part of its name, in any case."""
    first = await run(sandbox, http)
    await run(sandbox, http, model="wiro/sandbox-chat")
    body = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20", "modelName": "Seedream-V4"}
    async with http.post(f"{sandbox.api_url}/Task/List", json=body) as answer:
        listed = await answer.json()

    assert [task["id"] for task in listed["tasklist"]] == [first["taskid"]]
    assert listed["total"] == "1"


async def statuses(sandbox: Sandbox, http: aiohttp.ClientSession, count: int) -> list[int]:
    found = []
    for _ in range(count):
        async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "a cat"}) as answer:
            found.append(answer.status)
    return found


async def test_a_fault_that_is_asked_for_twice_hits_twice(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The count belongs to the switches, not to the life of the sandbox; the same body may be sent again."""
    sandbox.next_run(run_http="502*2")
    first = await statuses(sandbox, http, 3)
    sandbox.next_run(run_http="502*1")
    second = await statuses(sandbox, http, 2)

    assert (first, second) == ([502, 502, 200], [502, 200])


async def test_a_fault_for_all_runs_hits_each_that_begins_anew(http: aiohttp.ClientSession) -> None:
    """Alike runs share a count until one of them was answered properly."""
    async with Sandbox(speed=1000, faults=Faults().with_switches({"run_http": "502*1"})) as sandbox:
        assert await statuses(sandbox, http, 4) == [502, 200, 502, 200]
