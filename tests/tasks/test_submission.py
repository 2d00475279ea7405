"""Getting a task into the upstream: nothing is paid twice, nobody overtakes, and what is not known is looked for."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import Done, Hold, State
from relay.core.snapshot import Snapshot
from relay.journal.base import Filter
from relay.sandbox import Sandbox
from relay.tasks import search
from relay.tasks.admission import CONNECTIONS
from relay.tasks.requests import Start

MODEL = "bytedance/text-to-image-seedream-v4"

MakeRelay = Callable[..., Any]

EQUAL = {"prompt": "a cat", "size": "2048x2048", "maxImages": 1, "watermark": "false"}
"""What the relay sends for `wish()`, the model's defaults filled in."""


@pytest.fixture(autouse=True)
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for a lost run at once, and again at once."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.05, 0.05, 0.1))


def wish(prompt: str = "a cat") -> Start:
    return Start(model=MODEL, input={"prompt": prompt})


async def ended(relay: Running, task: str) -> Snapshot:
    """Wait for a task's end."""
    return await reached(relay, task, lambda snapshot: snapshot.done is not None)


async def reached(relay: Running, task: str, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait until a condition holds for a task's state: looked at after every commit."""
    committed = asyncio.Event()
    stop = relay.context.journal.listen(lambda _entries: committed.set())
    try:
        async with asyncio.timeout(60):
            while not condition(snapshot := await committed_state(relay, task)):
                await committed.wait()
                committed.clear()
            return snapshot
    finally:
        stop()


async def let_go(sandbox: Sandbox, upstream_id: str | None) -> None:
    """Let an upstream task go on, once it has come to where it holds."""
    assert upstream_id is not None
    await sandbox.until(upstream_id, lambda task: task.holding_at)
    sandbox.release(upstream_id)


async def committed_state(relay: Running, task: str) -> Snapshot:
    snapshot = await relay.context.journal.snapshot(task)
    assert snapshot is not None
    return snapshot


def place(sandbox: Sandbox) -> dict[str, object]:
    """Return the settings that name another sandbox than the fixture's."""
    return {"wiro_api_url": sandbox.api_url, "wiro_socket_url": sandbox.socket_url, "media_sources": sandbox.origin}


def done_of(snapshot: Snapshot) -> Done:
    assert snapshot.done is not None
    return snapshot.done


@pytest.mark.parametrize("fault", ["drop*1", "502:html*1", "200:empty*1", "200:truncated*1", "500:envelope*1"])
async def test_a_run_whose_answer_is_lost_is_found_and_not_sent_again(
    fault: str, relay: Running, sandbox: Sandbox
) -> None:
    """The caller learns at once that it is not confirmed; the task is found in the upstream's list and followed."""
    sandbox.next_run(run_http=fault, run_http_started=True)
    started = await relay.context.tasks.start(wish())
    assert started.refusal is not None
    assert started.snapshot.state is State.SUBMITTING
    snapshot = await ended(relay, started.snapshot.id)
    assert snapshot.state is State.SUCCEEDED
    assert snapshot.upstream_id in sandbox.tasks
    assert len(sandbox.runs) == 1


async def test_a_run_that_was_never_started_is_lost_with_evidence(relay: Running, sandbox: Sandbox) -> None:
    """It may have been started for all we know, so it is not sent again."""
    sandbox.next_run(run_http="drop", run_http_started=False)
    started = await relay.context.tasks.start(wish())
    done = done_of(await ended(relay, started.snapshot.id))
    assert (done.verdict, done.inferred) == ("lost", True)
    assert "it is not sent again" in done.evidence[-1]
    assert len(sandbox.runs) == 1


async def test_looking_for_many_lost_runs_delays_no_task_that_is_known(make_relay: MakeRelay) -> None:
    """Looks that hang take no place from those that follow."""
    no_list = {"at_s": 0, "task": "*", "from": "platform", "channel": "Task/List", "fault": "hang"}
    async with (
        Sandbox(speed=50, script=[no_list]) as sandbox,
        make_relay(**place(sandbox), request_timeout_s=600.0) as relay,
    ):
        for number in range(CONNECTIONS):
            lost = await relay.context.tasks.start(wish(f"{number} [sandbox: run_http=drop_before]"))
            assert lost.snapshot.state is State.SUBMITTING
        started = await relay.context.tasks.start(wish())
        assert (await ended(relay, started.snapshot.id)).state is State.SUCCEEDED


async def test_of_two_that_fit_none_is_adopted(relay: Running, sandbox: Sandbox) -> None:
    """A guess could be somebody else's task."""
    async with aiohttp.ClientSession() as other:
        for _ in range(2):
            await start_elsewhere(other, sandbox)
    sandbox.next_run(run_http="drop", run_http_started=False)
    started = await relay.context.tasks.start(wish())
    done = done_of(await ended(relay, started.snapshot.id))
    assert done.verdict == "lost"
    assert "2 tasks" in done.evidence[1]


async def test_what_another_task_has_is_not_adopted(relay: Running, sandbox: Sandbox) -> None:
    """Two equal wishes: the one whose answer came keeps its task, the lost one finds its own."""
    sandbox.next_run(hold_at="task_start")
    first = await relay.context.tasks.start(wish())
    sandbox.next_run(run_http="drop", run_http_started=True)
    second = await relay.context.tasks.start(wish())
    found = await reached(relay, second.snapshot.id, lambda state: state.upstream_id is not None)
    assert found.upstream_id != first.snapshot.upstream_id
    await let_go(sandbox, first.snapshot.upstream_id)
    assert (await ended(relay, first.snapshot.id)).state is State.SUCCEEDED
    assert (await ended(relay, second.snapshot.id)).state is State.SUCCEEDED


async def nothing() -> bytes:
    """Return the body of a callback that says nothing."""
    return b"{}"


async def test_callbacks_and_cancels_do_not_use_up_the_search(
    make_relay: MakeRelay, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knocks while a lost run is looked for makes nobody give up earlier."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 600.0))
    async with make_relay(public_url="http://relay.example/") as relay:
        sandbox.next_run(run_http="drop", run_http_started=False)
        task = (await relay.context.tasks.start(wish())).snapshot.id
        hook = (await relay.context.tasks.record(task)).hook
        assert hook is not None
        for _ in range(20):  # more often than there are looks
            await relay.context.tasks.call_back("wiro", hook, {}, nothing)
            await relay.context.tasks.cancel(task, "key")
            assert (await committed_state(relay, task)).done is None


async def test_a_cancel_while_the_run_is_under_way_stops_it_once(relay: Running, sandbox: Sandbox) -> None:
    """Nobody knows yet what to stop; when it is known it is stopped, and whoever asked is not told of an error."""
    sandbox.next_run(hold_at="task_queue")
    starting = asyncio.create_task(relay.context.tasks.start(wish()))
    await sandbox.received(1)
    page = await relay.context.tasks.page(Filter(), after=None, limit=1)
    await relay.context.tasks.cancel(page.snapshots[0].id, "key")
    await starting
    assert (await ended(relay, page.snapshots[0].id)).state is State.CANCELED


async def test_the_callback_address_finds_the_run_among_equals(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """With a public address it is certain which task is whose."""
    async with make_relay(public_url="http://relay.example/") as relay, aiohttp.ClientSession() as other:
        for _ in range(2):
            await start_elsewhere(other, sandbox)
        sandbox.next_run(run_http="drop", run_http_started=True)
        started = await relay.context.tasks.start(wish())
        snapshot = await ended(relay, started.snapshot.id)
    assert snapshot.state is State.SUCCEEDED


async def start_elsewhere(session: aiohttp.ClientSession, sandbox: Sandbox) -> str:
    """Start an equal task at the upstream behind the relay's back; return its socket token."""
    from relay.providers.wiro.signing import Signer

    headers = Signer(sandbox.api_key, sandbox.api_secret).headers()
    async with session.post(f"{sandbox.api_url}/Run/{MODEL}", json=EQUAL, headers=headers) as answer:
        token: str = (await answer.json())["socketaccesstoken"]
        return token


async def test_a_refused_run_has_ended_and_its_problem_names_it(
    relay: Running, sandbox: Sandbox, client: aiohttp.ClientSession
) -> None:
    """402 for money; the task is there, failed and unbilled."""
    sandbox.next_run(run_error="97:Insufficient balance")
    async with client.post("/v1/tasks", json={"model": MODEL, "input": {"prompt": "x"}}) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"], problem["upstream"]["code"]) == (402, "insufficient_balance", 97)
    done = done_of(await relay.context.tasks.snapshot(problem["task"]))
    assert (done.verdict, done.billed) == ("failed", False)


class TestHold:
    """The upstream takes one task at a time."""

    @pytest.fixture
    async def sandbox(self) -> Any:
        async with Sandbox(speed=50, concurrency=1) as box:
            yield box

    async def test_held_tasks_are_served_first_come_first_served(self, relay: Running, sandbox: Sandbox) -> None:
        """Each says its place, moves up, and is sent when the one before it has ended."""
        sandbox.next_run(hold_at="task_start")
        started = [await relay.context.tasks.start(wish(prompt)) for prompt in ("one", "two", "three")]
        states = [await relay.context.tasks.snapshot(one.snapshot.id) for one in started]
        assert [state.state for state in states[1:]] == [State.HELD, State.HELD]
        assert [state.hold.position for state in states[1:] if state.hold] == [1, 2]
        await let_go(sandbox, states[0].upstream_id)
        for one in started:
            assert (await ended(relay, one.snapshot.id)).state is State.SUCCEEDED
        created = [sandbox.tasks[await upstream_id(relay, one.snapshot.id)].identity.prompt for one in started]
        order = [task.identity.prompt for task in sandbox.tasks.values()]
        assert created == order == ["one", "two", "three"]

    async def test_who_comes_later_does_not_overtake(self, relay: Running, sandbox: Sandbox) -> None:
        """While somebody waits, a new task joins the line without asking the upstream."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(wish("one"))
        await relay.context.tasks.start(wish("two"))
        asked = len([run for run in sandbox.runs if prompt_of(run.fields) == "three"])
        third = await relay.context.tasks.start(wish("three"))
        assert third.snapshot.state is State.HELD
        assert len([run for run in sandbox.runs if prompt_of(run.fields) == "three"]) == asked == 0
        await let_go(sandbox, first.snapshot.upstream_id)
        await ended(relay, third.snapshot.id)

    async def test_nobody_waits_behind_one_whose_run_is_looked_for(
        self, relay: Running, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It waits for no place any more: looking for it can take minutes, and the place may be free."""
        monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 60.0))
        sandbox.next_run(hold_at="task_start")
        prompts = ("one", "two", "three [sandbox: run_http=drop_before]", "four")
        first, _, third, fourth = [await relay.context.tasks.start(wish(prompt)) for prompt in prompts]
        await let_go(sandbox, (await committed_state(relay, first.snapshot.id)).upstream_id)
        assert (await ended(relay, fourth.snapshot.id)).state is State.SUCCEEDED
        assert (await committed_state(relay, third.snapshot.id)).state is State.SUBMITTING

    async def test_a_held_task_can_be_canceled_and_was_never_started(self, relay: Running, sandbox: Sandbox) -> None:
        """It ends canceled and unbilled; the one behind it moves up."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(wish("one"))
        second = await relay.context.tasks.start(wish("two"))
        third = await relay.context.tasks.start(wish("three"))
        await relay.context.tasks.cancel(second.snapshot.id, "key")
        done = done_of(await ended(relay, second.snapshot.id))
        assert (done.verdict, done.billed) == ("canceled", False)
        moved = await reached(
            relay, third.snapshot.id, lambda state: state.hold is not None and state.hold.position == 1
        )
        assert moved.state is State.HELD
        assert len(sandbox.tasks) == 1
        await let_go(sandbox, first.snapshot.upstream_id)
        await ended(relay, third.snapshot.id)

    async def test_a_full_line_refuses(self, make_relay: MakeRelay, sandbox: Sandbox) -> None:
        """429 with Retry-After, and nothing is made."""
        async with make_relay(hold_limit=1) as relay:
            sandbox.next_run(hold_at="task_start")
            for prompt in ("one", "two"):
                await relay.context.tasks.start(wish(prompt))
            headers = {"Authorization": f"Bearer {relay.api_key}"}
            async with aiohttp.ClientSession(relay.url, headers=headers) as client:
                body = {"model": MODEL, "input": {"prompt": "three"}}
                async with client.post("/v1/tasks", json=body) as answer:
                    assert answer.status == 429
                    assert int(answer.headers["Retry-After"]) > 0
                async with client.get("/v1/tasks") as listed:
                    assert len((await listed.json())["tasks"]) == 2

    async def test_a_task_is_not_held_for_ever(self, make_relay: MakeRelay, sandbox: Sandbox) -> None:
        """After its time it has failed, unbilled."""
        async with make_relay(hold_s=0.2) as relay:
            sandbox.next_run(hold_at="task_start")
            await relay.context.tasks.start(wish("one"))
            held = await relay.context.tasks.start(wish("two"))
            done = done_of(await ended(relay, held.snapshot.id))
            assert (done.verdict, done.billed) == ("failed", False)

    async def test_a_held_task_survives_a_restart_with_its_place(
        self, make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """The next process takes the line up in order."""
        store = f"sqlite:///{tmp_path}/relay.db"
        async with make_relay(store=store) as relay:
            sandbox.next_run(hold_at="task_start")
            first = await relay.context.tasks.start(wish("one"))
            later = [await relay.context.tasks.start(wish(prompt)) for prompt in ("two", "three")]
        async with make_relay(store=store) as relay:
            await let_go(sandbox, first.snapshot.upstream_id)
            for one in (first, *later):
                assert (await ended(relay, one.snapshot.id)).state is State.SUCCEEDED
            assert [task.identity.prompt for task in sandbox.tasks.values()] == ["one", "two", "three"]

    async def test_the_log_says_submitting_before_a_held_run_is_sent(self, relay: Running, sandbox: Sandbox) -> None:
        """From then on its outcome may be unknown."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(wish("one"))
        second = await relay.context.tasks.start(wish("two"))
        await let_go(sandbox, first.snapshot.upstream_id)
        await ended(relay, second.snapshot.id)
        history = await relay.context.journal.read(second.snapshot.id, after=0, limit=50)
        events = [entry.event for entry in history.entries]
        sent = next(number for number, event in enumerate(events) if event.type == "submitted")
        before = events[sent - 1]
        assert isinstance(before.data, Hold)
        assert (before.data.position, before.state) == (0, State.SUBMITTING)


async def upstream_id(relay: Running, task: str) -> str:
    return (await relay.context.tasks.snapshot(task)).upstream_id or ""


def prompt_of(fields: Any) -> object:
    return next((field.value for field in fields if field.name == "prompt"), None)


class TestIdempotency:
    """`Idempotency-Key`."""

    BODY = {"model": MODEL, "input": {"prompt": "a cat"}}  # noqa: RUF012 -- never changed

    async def post(self, client: aiohttp.ClientSession, body: object, key: str) -> tuple[int, dict[str, Any]]:
        async with client.post("/v1/tasks", json=body, headers={"Idempotency-Key": key}) as answer:
            return answer.status, await answer.json()

    async def test_the_same_key_and_body_give_the_same_task(
        self, client: aiohttp.ClientSession, sandbox: Sandbox
    ) -> None:
        """However the body's fields are ordered; the upstream hears of it once."""
        first = await self.post(client, self.BODY, "k1")
        again = await self.post(client, dict(reversed(self.BODY.items())), "k1")
        assert (first[0], again[0]) == (201, 201)
        assert first[1]["task"]["id"] == again[1]["task"]["id"]
        assert len(sandbox.runs) == 1

    async def test_two_at_once_under_one_key_make_one_task(
        self, client: aiohttp.ClientSession, sandbox: Sandbox
    ) -> None:
        """The second waits for what becomes of the first."""
        answers = await asyncio.gather(*(self.post(client, self.BODY, "k1") for _ in range(5)))
        assert len({answer["task"]["id"] for _, answer in answers}) == 1
        assert len(sandbox.runs) == 1

    async def test_another_body_under_the_same_key_is_a_conflict(self, client: aiohttp.ClientSession) -> None:
        """409, and nothing is made."""
        await self.post(client, self.BODY, "k1")
        status, problem = await self.post(client, {"model": MODEL, "input": {"prompt": "a dog"}}, "k1")
        assert (status, problem["code"]) == (409, "conflict")

    async def test_a_refusal_frees_the_key(self, client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        """The caller may try again when the reason is gone."""
        sandbox.next_run(run_error="97:Insufficient balance")
        refused, _ = await self.post(client, self.BODY, "k1")
        status, _ = await self.post(client, self.BODY, "k1")
        assert (refused, status) == (402, 201)

    async def test_two_that_wait_behind_a_refused_one_make_one_task(
        self, client: aiohttp.ClientSession, sandbox: Sandbox
    ) -> None:
        """The first is refused and frees the key; of those that waited only one goes upstream."""
        sandbox.next_run(run_error="97:Insufficient balance")
        answers = await asyncio.gather(*(self.post(client, self.BODY, "k1") for _ in range(6)))
        assert sorted(status for status, _ in answers) == [201] * 5 + [402]
        assert len(sandbox.runs) == 2

    async def test_a_key_survives_a_restart(self, make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path) -> None:
        """The next process still knows which task it made."""
        ids = []
        for _ in range(2):
            async with make_relay(store=f"sqlite:///{tmp_path}/relay.db") as relay:
                headers = {"Authorization": f"Bearer {relay.api_key}"}
                async with aiohttp.ClientSession(relay.url, headers=headers) as client:
                    ids.append((await self.post(client, self.BODY, "k1"))[1]["task"]["id"])
        assert ids[0] == ids[1]
        assert len(sandbox.runs) == 1


class TestAttach:
    """`POST /v1/tasks/attach`."""

    @pytest.mark.parametrize("stage", ["task_queue", "task_start", "ended"])
    async def test_a_task_started_elsewhere_is_followed_from_any_stage(
        self, stage: str, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
    ) -> None:
        """Its story is worked out from the stage clock, and ends as the upstream's does."""
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

    async def test_attaching_twice_gives_the_same_task(
        self, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
    ) -> None:
        """201 first, then 200; a task of our own is found too."""
        token = await start_elsewhere(client, sandbox)
        answers = []
        for _ in range(2):
            async with client.post("/v1/tasks/attach", json={"socket_token": token}) as answer:
                answers.append((answer.status, (await answer.json())["task"]["id"]))
        assert [status for status, _ in answers] == [201, 200]
        assert answers[0][1] == answers[1][1]

    async def test_an_unknown_token_is_no_task(self, client: aiohttp.ClientSession) -> None:
        """404 that names the field."""
        async with client.post("/v1/tasks/attach", json={"socket_token": "nobody"}) as answer:
            problem = await answer.json()
        assert (answer.status, problem["errors"][0]["field"]) == (404, "socket_token")


class TestCallbacks:
    """`POST /hooks/{provider}/{word}`."""

    @pytest.mark.parametrize("shape", ["tasklist", "task", "status"])
    async def test_a_callback_ends_a_task_whose_socket_is_silent(
        self, shape: str, make_relay: MakeRelay, sandbox: Sandbox
    ) -> None:
        """Whatever its body's shape, even when repeated, it makes the relay read the detail, and nothing more."""
        async with make_relay() as relay:
            pass  # only to learn a free port
        port = int(relay.url.rsplit(":", 1)[1])
        async with make_relay(port=port, public_url=relay.url) as relay:
            sandbox.next_run(silent=True, webhook=shape, webhook_times=2)
            started = await relay.context.tasks.start(wish())
            snapshot = await ended(relay, started.snapshot.id)
            assert snapshot.state is State.SUCCEEDED

    async def test_an_unknown_word_is_no_hook(self, client: aiohttp.ClientSession) -> None:
        """404, whatever the body."""
        async with client.post("/hooks/wiro/nobody", data=b"{}") as answer:
            assert answer.status == 404
