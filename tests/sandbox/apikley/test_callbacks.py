"""Callbacks of the simulated Apikley: when they are sent, what they contain, and how they are signed."""

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from relay.sandbox import Sandbox
from relay.sandbox.apikley.input import MODEL
from relay.sandbox.apikley.jobs import Job


@dataclass(slots=True)
class Receiver:
    """A receiver of callbacks."""

    url: str = ""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.headers.append(request.headers)
        self.bodies.append(await request.json())
        return web.Response(status=202)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hook", receiver.receive)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


async def start(sandbox: Sandbox, url: str, **switches: object) -> Job:
    """Create a job with a callback URL."""
    sandbox.next_run(**switches)
    body = {"model": MODEL, "input": {"prompt": "a lake"}, "callBackUrl": url}
    headers = {"Authorization": f"Bearer {sandbox.apikley_key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{sandbox.apikley_url}/api/v1/jobs/createTask", json=body, headers=headers) as response,
    ):
        return sandbox.jobs[(await response.json())["data"]["taskId"]]


def signature(secret: str, job: Job, at: str) -> str:
    """Return a signature, computed independently of the sandbox."""
    return base64.b64encode(hmac.new(secret.encode(), f"{job.id}.{at}".encode(), hashlib.sha256).digest()).decode()


async def test_a_finished_job_is_reported(sandbox: Sandbox, receiver: Receiver) -> None:
    """The callback has the record and a signature over the job's id and the time."""
    job = await start(sandbox, receiver.url)
    await job.until(lambda job: job.callbacks_answered)
    (headers,), (body,) = receiver.headers, receiver.bodies

    assert (body["code"], body["data"]["taskId"], body["data"]["state"]) == (200, job.id, "success")
    assert abs(int(headers["X-Webhook-Timestamp"]) - time.time()) < 60
    expected = signature(sandbox.apikley_webhook_secret, job, headers["X-Webhook-Timestamp"])
    assert headers["X-Webhook-Signature"] == expected
    assert job.callbacks_answered == [202]


async def test_a_failed_job_has_code_501(sandbox: Sandbox, receiver: Receiver) -> None:
    """A switch changes the name of the job's id, and the number of callbacks."""
    job = await start(sandbox, receiver.url, exit=1, callback_id="task_id", webhook_times=2)
    await job.until(lambda job: len(job.callbacks_answered) == 2)

    assert [(body["code"], body["data"]["task_id"]) for body in receiver.bodies] == [(501, job.id)] * 2


async def test_a_callback_can_be_unsigned(sandbox: Sandbox, receiver: Receiver) -> None:
    """Both headers are missing."""
    job = await start(sandbox, receiver.url, signature="none")
    await job.until(lambda job: job.callbacks_answered)

    assert "X-Webhook-Signature" not in receiver.headers[0]
    assert "X-Webhook-Timestamp" not in receiver.headers[0]


async def test_a_signature_can_be_wrong_or_outdated(sandbox: Sandbox, receiver: Receiver) -> None:
    """A wrong one has another secret, an outdated one a time of an hour ago."""
    for kind in ("bad", "old"):
        job = await start(sandbox, receiver.url, signature=kind)
        await job.until(lambda job: job.callbacks_answered)
        at = receiver.headers[-1]["X-Webhook-Timestamp"]
        matches = receiver.headers[-1]["X-Webhook-Signature"] == signature(sandbox.apikley_webhook_secret, job, at)
        assert (matches, time.time() - int(at) > 3500) == (kind == "old", kind == "old")


@pytest.mark.parametrize("url", ["", "http://192.0.2.1/hook", "http://[", "nonsense"])
async def test_only_loopback_addresses_get_a_callback(sandbox: Sandbox, url: str) -> None:
    """The job succeeds without one."""
    job = await start(sandbox, url)
    await job.until(lambda job: job.state == "success")

    assert job.callbacks_answered == []


async def test_a_callback_that_fails_is_not_repeated(sandbox: Sandbox, receiver: Receiver) -> None:
    """Apikley documents no retries."""
    port = unused_port()
    failed = await start(sandbox, f"http://127.0.0.1:{port}/hook")
    await failed.until(lambda job: job.state == "success")
    job = await start(sandbox, receiver.url)
    await job.until(lambda job: job.callbacks_answered)

    assert failed.callbacks_answered == []


async def test_a_callback_can_be_left_out(sandbox: Sandbox, receiver: Receiver) -> None:
    """`webhook=none` sends none; the next job has one again."""
    silent = await start(sandbox, receiver.url, webhook="none")
    await silent.until(lambda job: job.state == "success")
    job = await start(sandbox, receiver.url)
    await job.until(lambda job: job.callbacks_answered)

    assert [body["data"]["taskId"] for body in receiver.bodies] == [job.id]
