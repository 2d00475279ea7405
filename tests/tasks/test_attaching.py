"""Attaching to a task that was started elsewhere: `POST /v1/tasks/attach`."""

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import State
from relay.core.upstream import UpstreamTask
from relay.sandbox import Sandbox
from relay.tasks.requests import Attach
from tests.tasks.support import MakeRelay, ended, start_elsewhere


@pytest.mark.parametrize("stage", ["task_queue", "task_start", "ended"])
async def test_a_task_is_followed_from_any_stage(
    stage: str, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
) -> None:
    """Earlier stages come from the platform's record, and the task ends as it does there."""
    if stage != "ended":
        sandbox.next_run(hold_at=stage)
    token = await start_elsewhere(client, sandbox)
    (elsewhere,) = sandbox.tasks.values()
    if stage == "ended":
        await sandbox.until(elsewhere.id, lambda task: task.verdict)
    else:
        await sandbox.until(elsewhere.id, lambda task: task.holding_at)
    async with client.post("/v1/tasks/attach", json={"socket_token": token}) as answer:
        attached = await answer.json()
    assert answer.status == 201
    assert token not in await answer.text()
    if stage != "ended":
        sandbox.release(elsewhere.id)
    snapshot = await ended(relay, attached["task"]["id"])
    assert snapshot.state is State.SUCCEEDED
    assert {mark.type for mark in snapshot.stages} >= {"queue", "accept", "start", "end", "postprocess_end"}


async def test_attaching_twice_returns_the_same_task(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """201 the first time, then 200."""
    token = await start_elsewhere(client, sandbox)
    answers = []
    for _ in range(2):
        async with client.post("/v1/tasks/attach", json={"socket_token": token}) as answer:
            answers.append((answer.status, (await answer.json())["task"]["id"]))
    assert [status for status, _ in answers] == [201, 200]
    assert answers[0][1] == answers[1][1]


async def test_an_unknown_token_is_rejected(client: aiohttp.ClientSession) -> None:
    """404, and the error names the field."""
    async with client.post("/v1/tasks/attach", json={"socket_token": "unknown"}) as answer:
        problem = await answer.json()
    assert (answer.status, problem["errors"][0]["field"]) == (404, "socket_token")


@pytest.mark.parametrize("provider", ["apikley", "unknown"])
async def test_a_provider_that_is_not_configured_is_rejected(client: aiohttp.ClientSession, provider: str) -> None:
    """422, and the error lists the providers that are."""
    body = {"socket_token": "token", "provider": provider}
    async with client.post("/v1/tasks/attach", json=body) as answer:
        problem = await answer.json()
    assert (answer.status, problem["errors"]) == (422, [{"field": "provider", "message": "must be one of wiro"}])


async def test_a_task_that_another_node_has_just_attached_to_is_returned(
    make_node: MakeRelay, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each node looked for it before the other one had stored it. The journal decides."""
    async with make_node() as first, make_node() as second:
        async with aiohttp.ClientSession() as elsewhere:
            request = Attach(socket_token=await start_elsewhere(elsewhere, sandbox))
        attached = await first.context.tasks.attach(request)
        journal = second.journal
        find_upstream, looks = journal.find_upstream, [None]

        async def too_early(provider: str, upstream: UpstreamTask) -> str | None:
            return looks.pop() if looks else await find_upstream(provider, upstream)

        monkeypatch.setattr(journal, "find_upstream", too_early, raising=False)
        again = await second.context.tasks.attach(request)

    assert (again.snapshot.id, again.made) == (attached.snapshot.id, False)
