"""Tasks on Apikley in a whole relay. It has no socket: the relay polls the record and handles callbacks."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core import schedule
from relay.core.events import Done, Event, Source, Stage, State
from relay.core.lifecycle import NO_OUTPUTS
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox

MODEL = "bytedance/seedream-v4-text-to-image"
WAIT_S = 60.0

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
ApikleyRelay = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def apikley_relay(make_relay: MakeRelay, sandbox: Sandbox, unused_tcp_port: int) -> ApikleyRelay:
    """Run a relay with Apikley credentials; with `calls_back`, the sandbox can call it back."""

    @asynccontextmanager
    async def make(*, calls_back: bool = False, **changes: Any) -> AsyncIterator[Running]:
        public = {"port": unused_tcp_port, "public_url": f"http://127.0.0.1:{unused_tcp_port}"} if calls_back else {}
        known = {
            "apikley_api_key": sandbox.apikley_key,
            "apikley_api_url": sandbox.apikley_url,
            "apikley_webhook_secret": sandbox.apikley_webhook_secret,
        }
        async with make_relay(**known | public | changes) as relay:
            yield relay

    return make


def client_of(relay: Running) -> aiohttp.ClientSession:
    """Return a client that sends the API key."""
    return aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})


async def start(client: aiohttp.ClientSession, **given: Any) -> tuple[int, dict[str, Any]]:
    """Request a task on Apikley."""
    body = {"model": MODEL, "provider": "apikley", "input": {"prompt": "a lake at dawn"} | given}
    async with client.post("/v1/tasks", json=body) as answer:
        return answer.status, await answer.json()


async def begun(client: aiohttp.ClientSession, **given: Any) -> str:
    """Start a task and return its id."""
    status, started = await start(client, **given)
    assert status == 201, started
    return str(started["task"]["id"])


async def until(relay: Running, task: str, condition: Callable[[Snapshot], object]) -> Snapshot:
    """Wait until a condition holds for a task's committed state."""
    changed = asyncio.Event()
    stop = relay.journal.listen(lambda _entries: changed.set())
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                changed.clear()
                snapshot = await relay.journal.snapshot(task)
                if snapshot is not None and condition(snapshot):
                    return snapshot
                await changed.wait()
    finally:
        stop()


async def ended(relay: Running, task: str) -> Snapshot:
    """Wait for a task's end."""
    return await until(relay, task, lambda snapshot: snapshot.done)


def done_of(snapshot: Snapshot) -> Done:
    assert snapshot.done is not None
    return snapshot.done


async def log_of(relay: Running, task: str) -> list[Event]:
    """Return a task's whole log."""
    history = await relay.journal.read(task, after=0, limit=1000)
    return [entry.event for entry in history.entries]


async def test_a_task_is_polled_from_its_queue_to_its_results(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """Every stage of Apikley is marked as polled; two pictures can be fetched, and the cost is known."""
    async with apikley_relay() as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_queue|task_start", detail_empty_polls=1, job_progress=True, spelling="kie")
        task = await begun(client, max_images=2)
        (job,) = sandbox.jobs.values()
        await until(relay, task, lambda snapshot: snapshot.stages)
        sandbox.release(job.id)
        await until(relay, task, lambda snapshot: snapshot.state is State.RUNNING)
        sandbox.release(job.id)
        end = await ended(relay, task)

        log = await log_of(relay, task)
        async with aiohttp.ClientSession() as browser, browser.get(end.outputs[1].url or "") as answer:
            picture = await answer.read()

    assert [mark.type for mark in end.stages] == [Stage.QUEUE, Stage.START, Stage.END, Stage.POSTPROCESS_END]
    assert {mark.source for mark in end.stages} == {Source.POLLED}
    assert {event.source for event in log if event.type == "output"} == {Source.POLLED}
    assert (log[-1].type, log[-1].source) == ("done", Source.POLLED)
    assert end.upstream_id == job.id
    assert [output.url for output in end.outputs] == job.result_urls()
    assert picture.startswith(b"\x89PNG")
    done = done_of(end)
    assert (done.verdict, done.inferred, done.billed, done.error) == ("succeeded", False, True, None)
    assert done.cost is not None
    assert (done.cost.amount, done.cost.unit) == (10.0, "credits")
    assert job.ended_at is not None
    assert done.elapsed_s == pytest.approx(job.ended_at - job.created_at, abs=0.002)
    assert end.ended_at == pytest.approx(job.ended_at, abs=0.002)


async def test_what_is_sent_is_what_the_document_prints(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """Model and input are separate, values are sent as given, and the callback address is added."""
    given = {
        "prompt": "Draw 5x + 2y = 26 on a blackboard. [sandbox: webhook=none]",
        "image_size": "landscape_21_9",
        "image_resolution": "4K",
        "max_images": 6,
        "seed": 7,
    }
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        task = await begun(client, **given)
        record = await relay.context.tasks.stored_task(task)

        (request,) = sandbox.created
        hook = f"{relay.url}/hooks/apikley/{record.hook}"
        assert request.body == {"model": MODEL, "callBackUrl": hook, "input": given}


@pytest.mark.usefixtures("slow_polls")
@pytest.mark.parametrize("secret", [True, False], ids=["with a secret", "without"])
async def test_a_callback_makes_the_relay_read_the_record_at_once(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, secret: bool
) -> None:
    """The callback is named as the source. Repeating it changes nothing."""
    changes = {} if secret else {"apikley_webhook_secret": None}
    async with apikley_relay(calls_back=True, **changes) as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_queue", webhook_times=2)
        task = await begun(client)
        (job,) = sandbox.jobs.values()
        await until(relay, task, lambda snapshot: snapshot.stages)
        sandbox.release(job.id)
        end = await ended(relay, task)
        await asyncio.wait_for(job.until(lambda job: len(job.callbacks_answered) == 2), WAIT_S)
        log = await log_of(relay, task)

    assert job.callbacks_answered == [200, 200]
    assert end.state is State.SUCCEEDED
    assert (log[-1].type, log[-1].source) == ("done", Source.CALLBACK)
    assert [event.type for event in log].count("done") == 1


@pytest.mark.parametrize("signature", ["bad", "old", "none"])
async def test_an_unsigned_callback_is_rejected(apikley_relay: ApikleyRelay, sandbox: Sandbox, signature: str) -> None:
    """403, and the record is polled as before."""
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(signature=signature)
        task = await begun(client)
        (job,) = sandbox.jobs.values()
        end = await ended(relay, task)
        await asyncio.wait_for(job.until(lambda job: job.callbacks_answered), WAIT_S)
        log = await log_of(relay, task)

    assert job.callbacks_answered == [403]
    assert end.state is State.SUCCEEDED
    assert log[-1].source is Source.POLLED


async def test_a_failure_has_the_reason_that_apikley_gave(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """Code and message come from the record; there are no results, and nothing is billed."""
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(fail="501:The prompt was refused", spelling="kie")
        task = await begun(client)
        end = await ended(relay, task)
        log = await log_of(relay, task)

    done = done_of(end)
    assert (done.verdict, done.inferred, done.billed) == ("failed", False, False)
    assert done.error is not None
    assert (done.error.code, done.error.message) == (501, "The prompt was refused")
    assert done.evidence == ("record: status fail", "record: code 501")
    assert "postprocess_end" not in [event.type for event in log]


async def test_a_task_on_apikley_cannot_be_canceled(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """409 with the reason, and no event."""
    async with apikley_relay() as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_queue")
        task = await begun(client)
        async with client.post(f"/v1/tasks/{task}/cancel") as answer:
            problem = await answer.json()

        assert (answer.status, problem["code"]) == (409, "conflict")
        assert "apikley cannot stop tasks" in problem["detail"]
        assert "cancel" not in [event.type for event in await log_of(relay, task)]


@pytest.mark.parametrize("as_status", [False, True], ids=["under HTTP 200", "as HTTP status"])
@pytest.mark.parametrize(
    ("code", "status", "problem_code"),
    [
        (401, 502, "upstream_rejected"),
        (402, 402, "insufficient_balance"),
        (404, 502, "upstream_rejected"),
        (422, 422, "invalid_input"),
        (429, 429, "rate_limited"),
        (433, 502, "upstream_rejected"),
        (455, 502, "upstream_unavailable"),
        (501, 502, "upstream_rejected"),
        (505, 502, "upstream_rejected"),
    ],
)
async def test_a_refused_task_has_failed_and_the_problem_has_the_reason(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, as_status: bool, code: int, status: int, problem_code: str
) -> None:
    """The problem has the relay's code, and Apikley's own code and message."""
    async with apikley_relay() as relay, client_of(relay) as client:
        sandbox.next_run(run_error=f"{code}:Said by Apikley", code_as_status=as_status)
        answered, problem = await start(client)
        end = await relay.context.tasks.snapshot(problem["task"])

    assert (answered, problem["code"]) == (status, problem_code)
    assert problem["upstream"] == {"code": code, "message": "Said by Apikley"}
    assert end.state is State.FAILED
    assert done_of(end).billed is False
    assert sandbox.jobs == {}


async def test_a_task_is_polled_again_after_a_restart(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, tmp_path: Path
) -> None:
    """No second job is created."""
    store = f"sqlite:///{tmp_path / 'relay.db'}"
    async with apikley_relay(store=store) as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_start")
        task = await begun(client)
        (job,) = sandbox.jobs.values()
        await until(relay, task, lambda snapshot: snapshot.state is State.RUNNING)
    sandbox.release(job.id)
    async with apikley_relay(store=store) as relay:
        end = await ended(relay, task)

    assert end.state is State.SUCCEEDED
    assert len(sandbox.created) == 1
    assert [output.url for output in end.outputs] == job.result_urls()


async def test_a_signed_callback_identifies_the_job_of_an_unanswered_run(
    apikley_relay: ApikleyRelay, sandbox: Sandbox
) -> None:
    """Apikley has no list, but its callback names the job, which is then followed. The run is sent once."""
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(run_http="drop")
        status, started = await start(client)
        end = await ended(relay, started["task"]["id"])

    assert status == 202
    assert len(sandbox.created) == 1
    assert end.state is State.SUCCEEDED
    assert end.upstream_id == next(iter(sandbox.jobs))


async def test_an_unanswered_run_without_a_callback_is_lost(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can tell what happened to it."""
    monkeypatch.setattr("relay.tasks.search.SEARCH_AFTER_S", (0.0, 0.01))
    async with apikley_relay() as relay, client_of(relay) as client:
        sandbox.next_run(run_http="drop")
        status, started = await start(client)
        end = await ended(relay, started["task"]["id"])

    assert status == 202
    assert end.state is State.LOST
    assert len(sandbox.created) == 1


async def test_a_callback_about_another_job_is_ignored(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """Its signature is valid, but the job belongs to another task. The task's own record counts."""
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_queue")
        task = await begun(client)
        record = await relay.context.tasks.stored_task(task)
        at = str(int(time.time()))
        digest = hmac.new(sandbox.apikley_webhook_secret.encode(), f"other.{at}".encode(), hashlib.sha256).digest()
        headers = {"X-Webhook-Timestamp": at, "X-Webhook-Signature": base64.b64encode(digest).decode()}
        body = {"code": 200, "data": {"taskId": "other", "state": "success"}}
        async with client.post(f"/hooks/apikley/{record.hook}", json=body, headers=headers) as answer:
            said = await answer.json()

        snapshot = await relay.context.tasks.snapshot(task)
        assert (answer.status, said) == (200, {"code": 200, "msg": "success"})
        assert snapshot.done is None
        assert snapshot.upstream_id == next(iter(sandbox.jobs))


async def test_a_callback_that_is_too_large_is_rejected(apikley_relay: ApikleyRelay, sandbox: Sandbox) -> None:
    """413: the platform knows the secret of the address, so the body is limited like any other."""
    async with apikley_relay(calls_back=True, body_limit_bytes=4096) as relay, client_of(relay) as client:
        sandbox.next_run(hold_at="task_queue")
        record = await relay.context.tasks.stored_task(await begun(client))
        async with client.post(f"/hooks/apikley/{record.hook}", data=b"x" * 5000) as answer:
            assert answer.status == 413


@pytest.mark.parametrize(
    "switches",
    [
        {"param_twice": True},
        {"spelling": "kie"},
        {"cost_time": "s", "credits": "consumeCredits"},
        {"callback_id": "task_id", "webhook_delay_s": 0.05},
        {"detail_http": "502:html*1"},
        {"detail_http": "drop*1"},
        {"result": "object"},
    ],
    ids=str,
)
async def test_variants_of_the_record_do_not_change_the_verdict(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, switches: dict[str, object]
) -> None:
    """Documents and clients differ; verdict and times are the same, and so is the cost where it is given."""
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(**switches)
        end = await ended(relay, await begun(client))

    done = done_of(end)
    assert (done.verdict, done.inferred) == ("succeeded", False)
    if switches.keys() & {"spelling", "credits"}:
        assert done.cost is not None
        assert done.cost.amount == 5.0
    else:
        assert (done.cost, done.billed) == (None, None)
    assert done.elapsed_s is not None
    assert done.elapsed_s < 60
    assert len(end.outputs) == 1


async def test_a_success_without_results_is_read_again_before_it_is_accepted(
    apikley_relay: ApikleyRelay, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record may be completed late. If it never is, the verdict has a warning."""
    monkeypatch.setattr(schedule, "INCOMPLETE_CHECKS_S", (0.02, 0.05))
    async with apikley_relay(calls_back=True) as relay, client_of(relay) as client:
        sandbox.next_run(result="null")
        end = await ended(relay, await begun(client))
        (job,) = sandbox.jobs.values()

    done = done_of(end)
    assert (done.verdict, done.warnings) == ("succeeded", (NO_OUTPUTS,))
    assert job.records_read >= 3
