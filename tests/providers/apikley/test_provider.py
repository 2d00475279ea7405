"""Tests of Apikley's provider over a real socket."""

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from relay.core.upstream import Run, UpstreamTask
from relay.errors import Code, UpstreamRejected
from relay.providers.apikley.provider import ApikleyProvider


async def test_an_unknown_state_is_logged_once_per_task(unused_tcp_port: int) -> None:
    """It never ends the task."""
    states = iter(["waiting", "teleporting", "teleporting", "beaming", "fail", "teleporting"])

    async def answer(request: web.Request) -> web.Response:
        data = {"taskId": request.query["taskId"], "state": next(states)}
        return web.json_response({"code": 200, "msg": "success", "data": data})

    app = web.Application()
    app.router.add_get("/api/v1/jobs/recordInfo", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    provider = ApikleyProvider(api_key="k", api_url=f"http://127.0.0.1:{unused_tcp_port}")
    with capture_logs() as lines:
        for _ in range(5):
            await provider.read_record(UpstreamTask(upstream_id="job_1", socket_token=None))
        await provider.read_record(UpstreamTask(upstream_id="job_2", socket_token=None))
    await provider.close()
    await runner.cleanup()

    unknown = {"event": "apikley.unknown_state", "log_level": "warning"}
    assert lines == [
        unknown | {"state": "teleporting", "upstream_id": "job_1"},
        unknown | {"state": "beaming", "upstream_id": "job_1"},
        unknown | {"state": "teleporting", "upstream_id": "job_2"},
    ]


async def test_an_input_that_is_nested_too_deeply_is_rejected() -> None:
    """It cannot be written as JSON. The caller can correct it, and nothing is sent."""
    deep: object = "x"
    for _ in range(2000):
        deep = [deep]
    provider = ApikleyProvider(api_key="k", api_url="http://127.0.0.1:1")

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(Run(model="bytedance/seedream-v4-text-to-image", input={"prompt": deep}))

    assert caught.value.code is Code.INVALID_INPUT
    assert [field.field for field in caught.value.fields] == ["input"]


async def test_a_task_cannot_be_stopped_or_deleted() -> None:
    """Apikley has no such call."""
    provider = ApikleyProvider(api_key="k", api_url="http://127.0.0.1:1")
    task = UpstreamTask(upstream_id="job_1", socket_token=None)

    for call, what in ((provider.stop(task, started=True), "stop"), (provider.delete(task), "delete")):
        with pytest.raises(UpstreamRejected, match=f"Apikley cannot {what} a task") as caught:
            await call
        assert caught.value.code is Code.CONFLICT


async def test_a_run_names_its_callback_url(unused_tcp_port: int) -> None:
    """It is a field beside the model and its input."""
    bodies = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"code": 200, "msg": "success", "data": {"taskId": "job_1"}})

    app = web.Application()
    app.router.add_post("/api/v1/jobs/createTask", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    provider = ApikleyProvider(api_key="k", api_url=f"http://127.0.0.1:{unused_tcp_port}")
    task = await provider.run(Run(model="a/b", input={"prompt": "x"}, callback_url="https://relay.test/hook"))
    await provider.close()
    await runner.cleanup()

    assert task == UpstreamTask(upstream_id="job_1", socket_token=None)
    assert bodies == [{"model": "a/b", "input": {"prompt": "x"}, "callBackUrl": "https://relay.test/hook"}]


async def test_no_model_is_described() -> None:
    """Apikley has no call for it, so none is made."""
    assert await ApikleyProvider(api_key="k", api_url="http://127.0.0.1:1").describe("a/b") is None
