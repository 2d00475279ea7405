"""
Waiting for the end of a task in one answer: `Prefer: wait=N` on a start, and `?wait=N` on a task.

Turns (`relay.tasks.turns`), with which a start that waits under a key that is in use is answered, are tested here, too.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import State
from relay.errors import RequestError
from relay.journal.entries import Listener
from relay.sandbox import Sandbox
from relay.tasks.requests import Idempotency
from relay.tasks.turns import Begun, Turn
from tests.tasks.nodes import until
from tests.tasks.support import MODEL, WAIT_S, MakeRelay, ended, release, request

BODY = {"model": MODEL, "input": {"prompt": "a cat"}}
KEY = Idempotency(key="caller k1", digest="digest", unscoped="k1")


async def post(client: aiohttp.ClientSession, **headers: str) -> tuple[int, str | None, dict[str, Any]]:
    async with client.post("/v1/tasks", json=BODY, headers=headers) as answer:
        return answer.status, answer.headers.get("Preference-Applied"), await answer.json()


async def received(sandbox: Sandbox, runs: int) -> None:
    """Wait until the platform has received this many runs."""
    async with asyncio.timeout(WAIT_S):
        await sandbox.received(runs)


async def test_a_start_that_waits_returns_the_finished_task(client: aiohttp.ClientSession) -> None:
    """201 and the body of any start."""
    status, applied, body = await post(client, Prefer="respond-async, wait=60")
    assert (status, applied) == (201, "wait=60")
    assert body["task"]["state"] == "succeeded"
    assert body["task"]["outputs"]
    assert body.keys() == {"task", "token", "links"}


async def test_at_the_limit_the_answer_is_202(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """With the state as it is then."""
    sandbox.next_run(hold_at="task_start")
    status, applied, body = await post(client, Prefer="wait=1")
    assert (status, applied, body["task"]["done"]) == (202, "wait=1", None)


async def test_a_platform_that_does_not_answer_does_not_hold_the_answer(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """Nor does it hold that of a second request under the same key."""
    sandbox.next_run(run_http="hang")
    first = asyncio.create_task(post(client, Prefer="wait=600", **{"Idempotency-Key": "k1"}))
    await received(sandbox, 1)
    status, _, second = await post(client, Prefer="wait=0", **{"Idempotency-Key": "k1"})
    assert (status, second["task"]["state"]) == (202, "submitting")
    assert not first.done()
    first.cancel()


async def test_a_refusal_is_a_problem(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """As without waiting."""
    sandbox.next_run(run_error="97:Insufficient balance")
    status, applied, problem = await post(client, Prefer="wait=60")
    assert (status, applied, problem["code"]) == (402, None, "insufficient_balance")


@pytest.mark.parametrize("preference", ["wait", "wait=soon", "wait=-1", "return=minimal", "x wait=5"])
async def test_a_malformed_preference_is_ignored(
    preference: str, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """The answer comes when the platform has taken the task."""
    sandbox.next_run(hold_at="task_start")
    status, applied, body = await post(client, Prefer=preference)
    assert (status, applied, body["task"]["done"]) == (201, None, None)


async def test_a_task_can_be_awaited(client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox) -> None:
    """200 when it has ended. The limit is 60 s."""
    sandbox.next_run(hold_at="task_start")
    started = (await relay.context.tasks.start(request())).snapshot
    reading = asyncio.create_task(client.get(f"/v1/tasks/{started.id}?wait=60"))
    await until(lambda: relay.context.tasks._waits._changed)
    await release(sandbox, started.upstream_id)
    async with await reading as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "succeeded")
    async with client.get(f"/v1/tasks/{started.id}?wait=61") as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "wait")


async def test_a_wait_counts_as_a_viewer(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """Without room for one, the answer comes at once, so that waits cannot keep others out."""
    sandbox.next_run(hold_at="task_start")
    async with make_relay(connection_limit=1) as relay:
        started = (await relay.context.tasks.start(request())).snapshot
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        async with aiohttp.ClientSession(relay.url, headers=headers) as client:
            first = asyncio.create_task(client.get(f"/v1/tasks/{started.id}?wait=60"))
            await until(lambda: relay.context.viewers.total)
            async with client.get(f"/v1/tasks/{started.id}?wait=60") as answer:
                assert (await answer.json())["done"] is None
            first.cancel()
            await until(lambda: not relay.context.viewers.total)
            assert not relay.context.tasks._waits._changed


async def test_a_drain_ends_all_waits(relay: Running, sandbox: Sandbox) -> None:
    """With the state as it is, also if the platform has not answered."""
    tasks = relay.context.tasks
    sandbox.next_run(hold_at="task_start")
    held = (await tasks.start(request())).snapshot
    sandbox.next_run(run_http="hang")
    waiting = asyncio.create_task(tasks.wait(held.id, 60.0))
    starting = asyncio.create_task(tasks.start(request("a dog"), wait_s=60.0))
    await received(sandbox, 2)
    await tasks.drain(0)
    async with asyncio.timeout(WAIT_S):
        assert (await waiting).done is None
        assert (await starting).snapshot.state is State.SUBMITTING
    assert (await tasks.wait(held.id, 60.0)).done is None


async def test_a_deletion_ends_a_wait_that_has_not_heard_of_the_end(
    relay: Running, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another node, the events of a task can be deleted before they are read."""
    tasks, listen = relay.context.tasks, relay.journal.listen
    sandbox.next_run(hold_at="task_start")
    started = (await tasks.start(request())).snapshot

    def deaf(_listener: Listener, **more: Any) -> Callable[[], None]:
        return listen(lambda _appended: None, **more)

    monkeypatch.setattr(relay.journal, "listen", deaf)
    waiting = asyncio.create_task(tasks.wait(started.id, 60.0))
    await until(lambda: tasks._waits._changed)
    monkeypatch.undo()
    await tasks.delete(started.id, cancel=True, upstream=False)
    with pytest.raises(RequestError, match="was deleted"):
        await waiting


class TestElsewhere:
    """Waits on a node that does not follow the task."""

    async def test_a_wait_ends_with_a_task_of_another_node(
        self, pair: tuple[Running, Running], sandbox: Sandbox
    ) -> None:
        first, second = pair
        sandbox.next_run(hold_at="task_start")
        started = (await first.context.tasks.start(request())).snapshot
        waiting = asyncio.create_task(second.context.tasks.wait(started.id, 60.0))
        await until(lambda: second.context.tasks._waits._changed)
        await release(sandbox, started.upstream_id)
        assert (await waiting).state is State.SUCCEEDED

    async def test_a_key_in_use_on_another_node_does_not_hold_the_answer(
        self, pair: tuple[Running, Running], sandbox: Sandbox
    ) -> None:
        """Without that, a start waits for the platform's answer to the other node."""
        first, second = pair
        sandbox.next_run(run_http="hang")
        winner = asyncio.create_task(first.context.tasks.start(request(), KEY))
        await received(sandbox, 1)
        started = await second.context.tasks.start(request(), KEY, wait_s=0.0)
        assert started.snapshot.state is State.SUBMITTING
        assert not winner.done()
        assert len(sandbox.runs) == 1

    async def test_a_start_under_a_used_key_waits_for_the_end(
        self, pair: tuple[Running, Running], sandbox: Sandbox
    ) -> None:
        first, second = pair
        known = (await first.context.tasks.start(request(), KEY)).snapshot
        started = await second.context.tasks.start(request(), KEY, wait_s=60.0)
        assert (started.snapshot.id, started.snapshot.state) == (known.id, State.SUCCEEDED)
        assert (await ended(second, known.id)).id == started.snapshot.id


async def test_requests_take_turns() -> None:
    """The ones that wait learn which task the first has created, and forget it when it is their turn."""
    turn, first, second, third = Turn(), Begun(), Begun(), Begun()
    async with turn.taken(first):
        waiting = asyncio.create_task(_take(turn, second))
        await asyncio.sleep(0)
        turn.created("a")
        later = asyncio.create_task(_take(turn, third))
        await asyncio.sleep(0)
        assert (second.task, third.task) == ("a", "a")
        later.cancel()
        await asyncio.wait({later})
    await waiting
    assert (second.task, second.known.is_set(), second.is_own) == (None, False, False)
    assert turn._waiting == []


async def _take(turn: Turn, begun: Begun) -> None:
    async with turn.taken(begun):
        pass
