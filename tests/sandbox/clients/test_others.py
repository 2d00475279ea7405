"""Requests of other clients that differ from the official SDKs: forms, other parameter names, and `Url` fields."""

import time

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.clients.caller import IMAGE, Caller, plain, signed


@pytest.fixture
def caller(sandbox: Sandbox, http: aiohttp.ClientSession) -> Caller:
    return Caller(sandbox, http, signed(str(int(time.time()))))


async def test_url_encoded_forms(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """https://github.com/radioheavy/wiro-gateway sends Run and Task/Detail as URL-encoded forms only."""
    async with http.post(
        f"{sandbox.api_url}/Run/wiro/sandbox-chat", data={"prompt": "ping", "max_tokens": "8"}, headers=plain()
    ) as response:
        started = await response.json()
    async with http.post(
        f"{sandbox.api_url}/Task/Detail", data={"tasktoken": started["socketaccesstoken"]}, headers=plain()
    ) as response:
        detail = await response.json()

    assert detail["tasklist"][0]["parameters"] == {"prompt": "ping", "max_tokens": "8"}


async def test_an_empty_url_field_of_a_file_input(caller: Caller) -> None:
    """https://github.com/wiroai/n8n-nodes-wiroai: Seedream4 always sends `inputImageUrl`, empty if there is none."""
    body = {"inputImageUrl": "", "prompt": "a lake", "size": "2048x2048", "maxImages": 1, "watermark": "false"}
    started = await caller.run(body, "ByteDance/seedream-v4")
    await caller.sandbox.until(started["taskid"], lambda task: task.verdict)
    detail = await caller.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})

    assert detail["tasklist"][0]["outputs"][0]["url"]


async def test_a_credential_test_with_an_unknown_token(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """n8n tests a key with an unknown token and accepts any response with HTTP 200."""
    body = {"tasktoken": "test"}
    async with http.post(f"{sandbox.api_url}/Task/Detail", json=body, headers=plain()) as response:
        assert response.status == 200
        assert (await response.json())["errors"] == [{"code": 1, "message": "There is no task yet."}]


async def test_tasks_are_stopped_by_token(caller: Caller) -> None:
    """https://github.com/wiroai/Dart-QuickStart sends `tasktoken` to Cancel and Kill, as in older documentation."""
    for call, stage in (("Cancel", "task_queue"), ("Kill", "task_start")):
        caller.sandbox.next_run(hold_at=stage, cancel_by="both", kill_by="any")
        started = await caller.run({"prompt": "a lake"})
        await caller.sandbox.until(started["taskid"], lambda task: task.holding_at)
        assert (await caller.post(f"/Task/{call}", {"tasktoken": started["socketaccesstoken"]}))["result"] is True


async def test_a_multipart_form_with_a_file(caller: Caller) -> None:
    """https://github.com/altudev/wiro-ai-sdk sends a form with numbers as text and a file as a part."""
    form = aiohttp.FormData()
    form.add_field("prompt", "a lake")
    form.add_field("maxImages", "1")
    form.add_field("inputImage", b"\x89PNG", filename="in.png", content_type="image/png")
    async with caller.http.post(
        f"{caller.sandbox.api_url}/Run/bytedance/seedream-v4", data=form, headers=caller.headers
    ) as response:
        assert (await response.json())["result"] is True


async def test_the_openapi_document_of_a_model(caller: Caller) -> None:
    """https://github.com/ersinkoc/wiro-ai reads the document for signed projects from a list without an envelope."""
    async with caller.http.post(
        f"{caller.sandbox.api_url}/Tool/DetailOpenAPI",
        json={"slugowner": "bytedance", "slugproject": "text-to-image-seedream-v4"},
        headers=caller.headers,
    ) as response:
        documents = await response.json()
    spec = next(each["spec"] for each in documents if each["type"] == "signature")

    assert f"/Run/{IMAGE}" in spec["paths"]
