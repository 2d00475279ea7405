"""
Starting a task: the input is checked once and stored, refusals are answered, idempotency keys stand for a task.

New tasks are put into the journal by `relay.tasks.creation`, which attaching uses as well.
"""

import asyncio
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from relay.app import Running
from relay.catalogue import check
from relay.core.events import State
from relay.core.upstream import CheckedInput
from relay.errors import RequestError, UpstreamRejected
from relay.journal.base import Claim, Created
from relay.sandbox import Sandbox
from relay.tasks import models, starting
from relay.tasks.requests import Idempotency, Start
from relay.tasks.starting import Started
from tests.tasks.nodes import until
from tests.tasks.shared_journal import SharedJournal
from tests.tasks.support import CHECKED, MODEL, MakeRelay, addresses, done_of, ended, release, request

BODY = {"model": MODEL, "input": {"prompt": "a cat"}}


async def test_the_input_is_checked_once_and_the_result_is_stored(
    relay: Running, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is what was checked; the client's own input is kept beside it."""
    checks: list[object] = []

    def counted(*given: Any, **more: Any) -> Any:
        checks.append(given)
        return check.check(*given, **more)

    monkeypatch.setattr(models, "check", counted)
    started = await relay.context.tasks.start(request())
    await ended(relay, started.snapshot.id)
    stored = await relay.context.tasks.stored_task(started.snapshot.id)

    assert len(checks) == 1
    assert (stored.input, stored.checked) == ({"prompt": "a cat"}, CheckedInput(model=MODEL, input=CHECKED))
    (run,) = sandbox.runs
    assert {field.name: field.value for field in run.fields} == CHECKED


async def test_a_queued_task_of_an_older_version_is_checked_when_it_is_resumed(
    make_relay: MakeRelay, tmp_path: Path
) -> None:
    """It was stored with its unchecked input alone."""
    store = tmp_path / "relay.db"
    async with Sandbox(speed=50, concurrency=1) as sandbox:
        settings = addresses(sandbox) | {"store": f"sqlite:///{store}"}
        async with make_relay(**settings) as relay:
            sandbox.next_run(hold_at="task_start")
            first = await relay.context.tasks.start(request("first"))
            queued = await relay.context.tasks.start(request())
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("UPDATE tasks SET checked = NULL")
            connection.commit()
        async with make_relay(**settings) as relay:
            await release(sandbox, first.snapshot.upstream_id)
            await ended(relay, queued.snapshot.id)
        assert {field.name: field.value for field in sandbox.runs[-1].fields} == CHECKED


async def test_a_refused_task_has_ended_and_the_problem_names_it(
    relay: Running, sandbox: Sandbox, client: aiohttp.ClientSession
) -> None:
    """402 for an insufficient balance; the task exists, failed and unbilled."""
    sandbox.next_run(run_error="97:Insufficient balance")
    async with client.post("/v1/tasks", json={"model": MODEL, "input": {"prompt": "x"}}) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"], problem["upstream"]["code"]) == (402, "insufficient_balance", 97)
    done = done_of(await relay.context.tasks.snapshot(problem["task"]))
    assert (done.verdict, done.billed) == ("failed", False)


async def test_an_invalid_request_creates_no_task(relay: Running, sandbox: Sandbox) -> None:
    """Whether the model, the provider or the input is wrong."""
    for wrong in (
        Start(model=MODEL, input={"prompt": "a cat", "size": "huge"}),
        Start(model=MODEL, input={"prompt": "a cat"}, provider="unknown"),
        Start(model="bytedance/seedream-v4-text-to-image", input={"prompt": "a cat"}),
    ):
        with pytest.raises(RequestError):
            await relay.context.tasks.start(wrong)
    assert (relay.context.tasks.following, sandbox.runs) == (0, ())


async def test_a_key_that_an_older_version_stored_is_found(relay: Running, sandbox: Sandbox) -> None:
    """Older versions did not tell API keys apart."""
    older = Idempotency(key="k1", digest="digest")
    newer = Idempotency(key="caller k1", digest="digest", unscoped="k1")
    first = await relay.context.tasks.start(request(), older)
    again = await relay.context.tasks.start(request(), newer)
    assert (again.snapshot.id, again.made) == (first.snapshot.id, False)
    assert len(sandbox.runs) == 1


async def post(client: aiohttp.ClientSession, body: object, key: str) -> tuple[int, dict[str, Any]]:
    async with client.post("/v1/tasks", json=body, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json()


async def test_the_same_key_and_body_return_the_same_task(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """Whatever the order of the body's fields; the run is sent once."""
    first = await post(client, BODY, "k1")
    again = await post(client, dict(reversed(BODY.items())), "k1")
    assert (first[0], again[0]) == (201, 201)
    assert first[1]["task"]["id"] == again[1]["task"]["id"]
    assert len(sandbox.runs) == 1


async def test_concurrent_requests_under_one_key_create_one_task(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """The others wait for the outcome of the first."""
    answers = await asyncio.gather(*(post(client, BODY, "k1") for _ in range(5)))
    assert len({answer["task"]["id"] for _, answer in answers}) == 1
    assert len(sandbox.runs) == 1


async def test_another_body_under_the_same_key_is_a_conflict(client: aiohttp.ClientSession) -> None:
    """409, and no task is created."""
    await post(client, BODY, "k1")
    status, problem = await post(client, {"model": MODEL, "input": {"prompt": "a dog"}}, "k1")
    assert (status, problem["code"]) == (409, "conflict")


async def test_a_refusal_frees_the_key(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """The client can retry when the reason is gone."""
    sandbox.next_run(run_error="97:Insufficient balance")
    refused, _ = await post(client, BODY, "k1")
    status, _ = await post(client, BODY, "k1")
    assert (refused, status) == (402, 201)


async def test_requests_that_wait_for_a_refused_one_create_one_task(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """The first is refused and frees the key; of those that waited, only one is sent."""
    sandbox.next_run(run_error="97:Insufficient balance")
    answers = await asyncio.gather(*(post(client, BODY, "k1") for _ in range(6)))
    assert sorted(status for status, _ in answers) == [201] * 5 + [402]
    assert len(sandbox.runs) == 2


async def test_a_key_survives_a_restart(make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path) -> None:
    """The next process returns the task that was created under it."""
    ids = []
    for _ in range(2):
        async with make_relay(store=f"sqlite:///{tmp_path}/relay.db") as relay:
            headers = {"Authorization": f"Bearer {relay.api_key}"}
            async with aiohttp.ClientSession(relay.url, headers=headers) as client:
                ids.append((await post(client, BODY, "k1"))[1]["task"]["id"])
    assert ids[0] == ids[1]
    assert len(sandbox.runs) == 1


KEY = Idempotency(key="caller k1", digest="digest", unscoped="k1")


async def start_on_both(pair: tuple[Running, Running]) -> list[Started]:
    """Start a task under one key on both relays: the second one does not find it before it creates its own."""
    first, second = (relay.context.tasks for relay in pair)
    view = cast("SharedJournal", pair[1].journal)
    find_claim = view.find_claim

    async def too_early(_key: str) -> Claim | None:
        return None

    async def create(*given: Any, **more: Any) -> Created:
        view.find_claim = find_claim  # type: ignore[method-assign]
        return await SharedJournal.create(view, *given, **more)

    view.find_claim, view.create = too_early, create  # type: ignore[method-assign,assignment]
    winner = asyncio.create_task(first.start(request(), KEY))
    await until(lambda: view.store.owners)
    return [await second.start(request(), KEY), await winner]


async def test_one_key_on_two_nodes_creates_one_task(pair: tuple[Running, Running], sandbox: Sandbox) -> None:
    """The loser of the race waits for the platform's answer to the winner, and returns the same."""
    loser, winner = await start_on_both(pair)

    assert (loser.snapshot.id, loser.made, winner.made) == (winner.snapshot.id, False, True)
    assert loser.snapshot.upstream_id is not None
    assert len(sandbox.runs) == 1


async def test_a_refusal_on_another_node_frees_the_key(pair: tuple[Running, Running], sandbox: Sandbox) -> None:
    """The request that waited for it starts a task, as it would on one node."""
    sandbox.next_run(run_error="97:Insufficient balance")
    loser, winner = await start_on_both(pair)

    assert isinstance(winner.refusal, UpstreamRejected)
    assert (loser.made, loser.refusal) == (True, None)
    assert loser.snapshot.id != winner.snapshot.id


async def test_the_wait_for_another_node_is_limited(
    pair: tuple[Running, Running], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets the task as it is then."""
    monkeypatch.setattr(starting, "ANSWER_S", 0.0)
    monkeypatch.setattr("relay.tasks.search.SEARCH_AFTER_S", (600.0,))
    sandbox.next_run(run_http="drop", run_http_started=True)
    loser, winner = await start_on_both(pair)

    assert (loser.snapshot.id, loser.made) == (winner.snapshot.id, False)
    assert loser.snapshot.state is State.SUBMITTING


async def test_another_body_on_another_node_is_a_conflict(pair: tuple[Running, Running], sandbox: Sandbox) -> None:
    """At once: nothing has to be awaited for that."""
    first, second = (relay.context.tasks for relay in pair)
    await first.start(request(), KEY)
    with pytest.raises(RequestError, match="different request"):
        await second.start(request("a dog"), replace(KEY, digest="another"))
    assert len(sandbox.runs) == 1


async def test_a_cell_prefixes_the_ids_of_its_tasks(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """And their callback addresses, so that a proxy can route both."""
    async with make_relay(cell="eu1", public_url="https://relay.example.com") as relay:
        started = await relay.context.tasks.start(request())
        stored = await relay.context.tasks.stored_task(started.snapshot.id)

        assert re.fullmatch(r"eu1-[a-z0-9]{26}", started.snapshot.id)
        assert (stored.hook or "").startswith("eu1-")
        async with aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"}) as client:
            for path in (
                f"/v1/tasks/{started.snapshot.id}",
                f"/t/{started.snapshot.id}",
                f"/embed/{started.snapshot.id}",
            ):
                async with client.get(path) as answer:
                    assert answer.status == 200
