"""Apikley's calls, answered from a recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.sandbox import Sandbox
from tests.lab import Line, record, said, sent
from tests.sandbox.recording.client import playing


async def test_a_job_of_apikley_is_played() -> None:
    """Changes are merged into the record, and a placeholder can be a number."""
    lines = (
        sent("jobs/createTask", model="any/model"),
        sent("jobs/recordInfo", answered=True),
        record(state="failed", failMsg="The prompt was refused", completeTime="{{now_ms+1000:number}}"),
    )

    async with playing(*lines) as client:
        origin, headers = client.sandbox.apikley_url, {"Authorization": f"Bearer {client.sandbox.apikley_key}"}
        async with client.http.post(
            f"{origin}/api/v1/jobs/createTask", json={"model": "any/model", "input": {}}, headers=headers
        ) as response:
            job = (await response.json())["data"]["taskId"]
        records = []
        for _ in range(2):
            async with client.http.get(
                f"{origin}/api/v1/jobs/recordInfo", params={"taskId": job}, headers=headers
            ) as response:
                records.append((await response.json())["data"])

    assert [each["state"] for each in records] == ["waiting", "failed"]
    assert records[1]["failMsg"] == "The prompt was refused"
    assert 0 < records[1]["completeTime"] - records[0]["createTime"] <= 2000


@asynccontextmanager
async def apikley(*lines: Line) -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    """Start a sandbox that plays these lines, and a client of Apikley."""
    async with Sandbox(speed=1000, script=lines) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.apikley_key}"}
        async with aiohttp.ClientSession(sandbox.apikley_url, headers=headers) as http:
            yield sandbox, http


async def create(http: aiohttp.ClientSession, body: bytes = b'{"model": "any/model"}') -> dict[str, Any]:
    """Return the JSON of the response to createTask."""
    async with http.post("/api/v1/jobs/createTask", data=body) as response:
        created: dict[str, Any] = await response.json()
        return created


async def test_create_task_can_be_refused() -> None:
    """A line of the platform refuses it, and no job is created."""
    refusal = {"code": 402, "msg": "Insufficient credits", "data": None}
    async with apikley(said("jobs/createTask", body=refusal, times=1, task="*"), sent("jobs/createTask")) as (
        sandbox,
        http,
    ):
        assert await create(http) == refusal
        assert (await create(http))["code"] == 200
        assert [request.job_id is None for request in sandbox.created] == [True, False]


async def test_a_body_that_is_not_an_object_is_accepted() -> None:
    """A recorded job accepts any input."""
    async with apikley(sent("jobs/createTask")) as (sandbox, http):
        for body in (b"{", b"[]"):
            assert (await create(http, body))["code"] == 200
        assert [request.body for request in sandbox.created] == [{}, {}]


async def test_other_models_are_simulated() -> None:
    """A job with another model is not part of the recording."""
    body = b'{"model": "bytedance/seedream-v4-text-to-image", "input": {"prompt": "a lake"}}'
    async with apikley(sent("jobs/createTask", model="any/model")) as (sandbox, http):
        job = (await create(http, body))["data"]["taskId"]
        async with http.get("/api/v1/jobs/recordInfo", params={"taskId": job}) as response:
            assert (await response.json())["data"]["model"] == "bytedance/seedream-v4-text-to-image"
        assert list(sandbox.jobs) == [job]


async def test_callbacks_are_signed() -> None:
    """The body is the record in Apikley's envelope, and the code depends on its state."""
    received: asyncio.Queue[tuple[dict[str, Any], str]] = asyncio.Queue()

    async def hook(request: web.Request) -> web.Response:
        received.put_nowait((await request.json(), request.headers["X-Webhook-Signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    lines = (sent("jobs/createTask"), said("callback"), sent("callback"), record(state="success"), said("callback"))
    async with TestServer(app) as server, apikley(*lines) as (_, http):
        job = (await create(http, f'{{"callBackUrl": "{server.make_url("/hook")}"}}'.encode()))["data"]["taskId"]
        (first, signature), (second, _) = await received.get(), await received.get()

    assert (first["code"], first["data"]["taskId"], len(signature)) == (501, job, 44)
    assert (second["code"], second["data"]["state"]) == (200, "success")
