"""What other clients send that the official SDKs do not: forms, tokens under other names, twins of file inputs."""

import time

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.clients.caller import IMAGE, Caller, plain, signed


@pytest.fixture
def caller(sandbox: Sandbox, http: aiohttp.ClientSession) -> Caller:
    return Caller(sandbox, http, signed(str(int(time.time()))))


async def test_forms_alone(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """https://github.com/radioheavy/wiro-gateway: Run and Detail URL-encoded, and nothing else."""
    async with http.post(
        f"{sandbox.api_url}/Run/wiro/sandbox-chat", data={"prompt": "ping", "max_tokens": "8"}, headers=plain()
    ) as answer:
        started = await answer.json()
    async with http.post(
        f"{sandbox.api_url}/Task/Detail", data={"tasktoken": started["socketaccesstoken"]}, headers=plain()
    ) as answer:
        detail = await answer.json()

    assert detail["tasklist"][0]["parameters"] == {"prompt": "ping", "max_tokens": "8"}


async def test_the_twin_of_a_file_input(caller: Caller) -> None:
    """https://github.com/wiroai/n8n-nodes-wiroai: Seedream4 always sends `inputImageUrl`, empty if there is none."""
    body = {"inputImageUrl": "", "prompt": "a lake", "size": "2048x2048", "maxImages": 1, "watermark": "false"}
    started = await caller.run(body, "ByteDance/seedream-v4")
    await caller.sandbox.until(started["taskid"], lambda task: task.verdict)
    detail = await caller.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})

    assert detail["tasklist"][0]["outputs"][0]["url"]


async def test_a_credential_is_tried_without_a_signature(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """n8n tries a key with a token that there is not: any HTTP 200 will do."""
    body = {"tasktoken": "test"}
    async with http.post(f"{sandbox.api_url}/Task/Detail", json=body, headers=plain()) as answer:
        assert answer.status == 200
        assert (await answer.json())["errors"] == [{"code": 1, "message": "There is no task yet."}]


async def test_tasks_are_stopped_by_their_token(caller: Caller) -> None:
    """https://github.com/wiroai/Dart-QuickStart sends `tasktoken` to Cancel and to Kill, as older documents have it."""
    for call, stage in (("Cancel", "task_queue"), ("Kill", "task_start")):
        caller.sandbox.next_run(hold_at=stage, cancel_by="both", kill_by="any")
        started = await caller.run({"prompt": "a lake"})
        await caller.sandbox.until(started["taskid"], lambda task: task.holding_at)
        assert (await caller.post(f"/Task/{call}", {"tasktoken": started["socketaccesstoken"]}))["result"] is True


async def test_a_file_beside_parameters(caller: Caller) -> None:
    """https://github.com/altudev/wiro-ai-sdk: a form with numbers as text, and a file as a part."""
    form = aiohttp.FormData()
    form.add_field("prompt", "a lake")
    form.add_field("maxImages", "1")
    form.add_field("inputImage", b"\x89PNG", filename="in.png", content_type="image/png")
    async with caller.http.post(
        f"{caller.sandbox.api_url}/Run/bytedance/seedream-v4", data=form, headers=caller.headers
    ) as answer:
        assert (await answer.json())["result"] is True


async def test_the_document_of_a_model(caller: Caller) -> None:
    """https://github.com/ersinkoc/wiro-ai takes the one for signed projects out of a bare list."""
    async with caller.http.post(
        f"{caller.sandbox.api_url}/Tool/DetailOpenAPI",
        json={"slugowner": "bytedance", "slugproject": "text-to-image-seedream-v4"},
        headers=caller.headers,
    ) as answer:
        documents = await answer.json()
    spec = next(each["spec"] for each in documents if each["type"] == "signature")

    assert f"/Run/{IMAGE}" in spec["paths"]
