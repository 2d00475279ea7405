"""
Submitting a task: the outcomes that a submission yields (`relay.tasks.outcome`), and queueing in a whole relay.

What one task needs (`relay.tasks.context`) is assembled by `tests.tasks.fakes`.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay import backoff
from relay.app import Running
from relay.clock import uptime_s
from relay.core.events import Done, Hold, State
from relay.core.signals import Accepted, GivenUp, Held, Refused, Released, Withdrawn
from relay.core.upstream import Found
from relay.errors import (
    UpstreamError,
    UpstreamFault,
    UpstreamFull,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnclear,
)
from relay.journal.memory import MemoryJournal
from relay.sandbox import Sandbox
from relay.tasks import search
from relay.tasks.outcome import Outcome
from relay.tasks.submission import QUEUE_GRACE_S, Submission
from tests.tasks.fakes import UPSTREAM, Bench, bench
from tests.tasks.shared_journal import SharedStore
from tests.tasks.support import MODEL, MakeRelay, committed, done_of, ended, reached, release, request

FULL = UpstreamFull("Wiro is at capacity.")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)


async def outcomes_of(one: Bench, submission: Submission | None = None, *, may_be_sent: bool = False) -> list[Outcome]:
    submission = submission or Submission(one.context, one.snapshot)
    return [outcome async for outcome in submission.outcomes(may_be_sent=may_be_sent)]


def kinds(outcomes: list[Outcome]) -> list[type | None]:
    return [None if outcome.signal is None else type(outcome.signal) for outcome in outcomes]


async def test_a_task_that_is_taken_has_one_outcome() -> None:
    """It says how the provider identifies the task. The files are released."""
    one = await bench()
    (outcome,) = await outcomes_of(one)

    assert outcome == Outcome(signal=Accepted(upstream_id="1"), upstream=UPSTREAM)
    assert (len(one.provider.sent), one.spool.releases) == (1, 1)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UpstreamRejected("Wiro refused: no money", fault=UpstreamFault(code=97, message="no money")), 97, "no money"),
        (UpstreamUnavailable("Wiro could not be reached."), None, "Wiro could not be reached."),
    ],
)
async def test_a_refusal_ends_the_task_and_answers_the_client(
    error: UpstreamError, code: int | None, message: str
) -> None:
    """The fault is the platform's own, if it gave one."""
    one = await bench()
    one.provider.answers = [error]
    (outcome,) = await outcomes_of(one)

    assert outcome.refusal is error
    assert isinstance(outcome.signal, Refused)
    assert (outcome.signal.fault.code, outcome.signal.fault.message) == (code, message)
    assert one.spool.releases == 1


@pytest.mark.usefixtures("no_pause")
async def test_a_task_is_queued_while_the_provider_is_at_capacity() -> None:
    """The intent to send it again is synced to the disk first, every time."""
    one = await bench()
    one.provider.answers = [FULL, FULL, UPSTREAM]
    outcomes = await outcomes_of(one)

    assert kinds(outcomes) == [Held, Held, Released, Held, Held, Released, Accepted]
    assert [outcome.synced for outcome in outcomes] == [False, False, True, False, False, True, False]
    assert outcomes[0].signal == Held(reason="Wiro is at capacity.", position=1)
    assert one.context.admission.queue._woken == {}


async def test_a_new_task_queues_behind_others_without_being_sent() -> None:
    """It is sent when those before it have left the queue."""
    one = await bench()
    queue = one.context.admission.queue
    queue.join("earlier")
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    first = await anext(outcomes)
    assert (first.signal, one.provider.sent) == (Held(reason="Queued behind other tasks.", position=2), [])
    queue.leave("earlier")

    assert kinds([outcome async for outcome in outcomes]) == [Released, Accepted]


async def test_a_queued_task_that_is_canceled_is_withdrawn() -> None:
    """It is never sent."""
    one = await bench()
    one.context.admission.queue.join("earlier")
    submission = Submission(one.context, one.snapshot)
    outcomes = submission.outcomes(may_be_sent=False)
    await anext(outcomes)
    submission.cancel()

    assert kinds([outcome async for outcome in outcomes]) == [Withdrawn]
    assert (one.provider.sent, one.spool.releases) == ([], 1)
    assert [*one.context.admission.queue._woken] == ["earlier"]


async def test_a_task_is_queued_for_a_limited_time() -> None:
    """Then it fails, unsent; the message has the limit."""
    one = await bench(queue_limit_s=3600.0)
    one.context.admission.queue.join("earlier")
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    await anext(outcomes)
    one.clock.now += 3600.0
    (refused,) = [outcome async for outcome in outcomes]

    assert isinstance(refused.signal, Refused)
    assert refused.signal.fault.message == "The platform had no capacity for the task within 3600 s."


async def test_a_task_that_was_queued_before_a_restart_has_time_left() -> None:
    """However long the relay was off, by its clock."""
    one = await bench()
    one.context.admission.queue.join("earlier")
    one.clock.now += 48 * 3600.0
    outcomes = Submission(one.context, replace(one.snapshot, state=State.HELD)).outcomes(may_be_sent=False)
    await anext(outcomes)
    one.clock.now += QUEUE_GRACE_S - 1
    one.context.admission.queue.leave("earlier")

    assert kinds([outcome async for outcome in outcomes]) == [Released, Accepted]


async def test_an_unclear_outcome_answers_the_client_and_starts_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is sent once; its files are not needed any more."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    one = await bench()
    error = UpstreamUnclear("Wiro did not answer within 30 s.")
    one.provider.answers = [error]
    unclear, given_up = await outcomes_of(one)

    assert (unclear.signal, unclear.refusal) == (None, error)
    assert isinstance(given_up.signal, GivenUp)
    assert given_up.signal.evidence[0] == "relay: Wiro did not answer within 30 s."
    assert (len(one.provider.sent), one.spool.releases) == (1, 1)


async def test_a_run_that_may_have_been_sent_is_only_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    one = await bench()
    unclear, given_up = await outcomes_of(one, may_be_sent=True)

    assert isinstance(unclear.refusal, UpstreamUnclear)
    assert isinstance(given_up.signal, GivenUp)
    assert one.provider.sent == []
    assert one.provider.searches == [(1000.0, 1000.0)]


async def test_a_cancel_while_the_run_is_sent_withdraws_it_if_it_did_not_arrive() -> None:
    """The provider stops sending; nothing was started."""
    one = await bench()
    submission = Submission(one.context, one.snapshot)
    one.provider.during_run = submission.cancel
    one.provider.answers = [UpstreamUnavailable("It was interrupted before all of it was sent.")]

    assert kinds(await outcomes_of(one, submission)) == [Withdrawn]


@pytest.mark.usefixtures("no_pause")
async def test_a_run_counts_as_being_sent_until_its_answer_is_committed() -> None:
    """Also one that is sent from the queue, and one that goes back to it: a drain waits for them."""
    one = await bench()
    one.provider.answers = [FULL, FULL, UPSTREAM]
    sending = [
        (type(outcome.signal), len(one.context.admission.being_sent()))
        async for outcome in Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    ]

    assert sending == [(Held, 1), (Held, 0), (Released, 1), (Held, 1), (Held, 0), (Released, 1), (Accepted, 1)]


async def test_a_closed_queue_keeps_its_tasks() -> None:
    """A relay that shuts down would not learn whether their runs were started."""
    one = await bench()
    queue = one.context.admission.queue
    queue.join("earlier")
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    await anext(outcomes)
    queue.closed = True
    queue.leave("earlier")
    assert (await anext(outcomes)).signal == Held(reason="Queued behind other tasks.", position=1)
    waiting = asyncio.ensure_future(anext(outcomes))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert one.provider.sent == []


async def test_a_run_that_was_not_sent_when_the_relay_stopped_stays_queued() -> None:
    """So the next process sends it. Its files are kept for that."""
    one = await bench()

    def stop() -> None:
        raise asyncio.CancelledError

    one.provider.during_run = stop
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    assert isinstance((await anext(outcomes)).signal, Held)
    with pytest.raises(asyncio.CancelledError):
        await anext(outcomes)
    assert one.spool.releases == 0


async def test_a_run_that_was_sent_when_the_relay_stopped_is_left_to_the_search() -> None:
    """It may have been started, so it must not look as if it were queued."""
    one = await bench()
    submission = Submission(one.context, one.snapshot)

    def stop() -> None:
        submission._attempt.complete = True
        raise asyncio.CancelledError

    one.provider.during_run = stop
    outcomes = submission.outcomes(may_be_sent=False)
    with pytest.raises(asyncio.CancelledError):
        await anext(outcomes)


async def test_a_submission_that_is_closed_frees_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and not when its memory is collected: a commit may fail, and the task be submitted again."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    one = await bench()
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=False)
    await anext(outcomes)
    assert len(one.context.admission.being_sent()) == 1
    await outcomes.aclose()
    assert one.context.admission.being_sent() == set()

    one.provider.found = [Found(certain=UPSTREAM)]
    outcomes = Submission(one.context, one.snapshot).outcomes(may_be_sent=True)
    await anext(outcomes)
    await anext(outcomes)
    assert one.context.admission.adopting.locked()
    await outcomes.aclose()
    assert not one.context.admission.adopting.locked()


async def test_large_files_are_not_uploaded_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for every MiB, in addition to the backoff."""
    pauses: list[float | None] = []

    def full_jitter(_failures: int, *, asked_s: float | None = None) -> float:
        pauses.append(asked_s)
        return 0.0

    monkeypatch.setattr("relay.tasks.submission.full_jitter", full_jitter)
    one = await bench(file_bytes=3 * 2**20)
    one.provider.answers = [FULL, UPSTREAM]
    await outcomes_of(one)

    assert pauses == [3.0]


@pytest.mark.usefixtures("no_pause")
async def test_a_run_that_is_late_is_queued_and_sent_with_the_next_permit() -> None:
    """The commit of an intent permits to send for a few seconds: another node may look for the run after that."""
    one = await bench()
    submission = Submission(one.context, one.snapshot)
    submission.send_until_s = uptime_s()
    seen: list[Outcome] = []
    async for outcome in submission.outcomes(may_be_sent=False):
        seen.append(outcome)
        if isinstance(outcome.signal, Released):
            submission.send_until_s = math.inf

    assert kinds(seen) == [Held, Held, Released, Accepted]
    assert [outcome.refusal for outcome in seen] == [None] * 4
    assert [attempt.late for attempt in one.provider.attempts] == [True, False]


async def test_a_search_begins_after_the_journal_knows_that_the_run_is_not_being_sent(store: SharedStore) -> None:
    """Searches of other nodes wait for runs that are being sent, so two of them would wait for each other."""
    view = store.node()
    await view.open(lock=True)
    one = await bench(journal=view.journal)
    assert store.sending == {"task"}
    one.provider.answers = [UpstreamUnclear("no answer")]
    one.provider.during_search = lambda: sending.append(set(store.sending))
    sending: list[set[str]] = []
    await outcomes_of(one)

    assert sending[0] == set()
    await view.close()


async def test_a_queued_task_without_its_files_fails_unsent() -> None:
    """They are on the disk of a node that has stopped."""
    one = await bench(file_bytes=3)
    one.spool.complete = False
    (outcome,) = await outcomes_of(one, Submission(one.context, replace(one.snapshot, state=State.HELD)))

    assert isinstance(outcome.signal, Refused)
    assert "on a node that has stopped" in outcome.signal.fault.message
    assert outcome.refusal is not None
    (done,) = one.lifecycle().receive(outcome.signal, 1000.0)
    assert isinstance(done.data, Done)
    assert (done.data.verdict, done.data.billed) == ("failed", False)
    assert done.data.evidence[0].startswith("relay: the run was not sent: The uploaded files")
    assert one.provider.sent == []


class FailedOver(MemoryJournal):
    """A journal that may have lost the last events of tasks that were created before second 1001."""

    @property
    def complete_since(self) -> float:
        return 1001.0


class TestAfterAFailover:
    """A queued task may have been sent before, by an intent that was lost: it is looked for before it is sent."""

    @pytest.fixture
    async def one(self) -> Bench:
        journal = FailedOver()
        await journal.open(lock=True)
        return await bench(journal=journal, file_bytes=3)

    def queued(self, one: Bench, created_at: float = 1000.0) -> Submission:
        return Submission(one.context, replace(one.snapshot, state=State.HELD, created_at=created_at))

    async def test_a_run_that_is_found_is_not_sent(self, one: Bench) -> None:
        """Its files have been deleted when it was sent."""
        one.spool.complete = False
        one.provider.found = [Found(certain=UPSTREAM)]
        one.clock.now = 1234.0
        outcomes = await outcomes_of(one, self.queued(one))

        assert kinds(outcomes) == [Held, Accepted]
        assert outcomes[-1].upstream == UPSTREAM
        assert one.provider.searches == [(1000.0, 1234.0)]
        assert one.provider.sent == []

    async def test_a_run_that_is_not_found_is_sent(self, one: Bench) -> None:
        """It is looked for once, however often it is sent."""
        one.provider.answers = [FULL, UPSTREAM]
        assert kinds(await outcomes_of(one, self.queued(one))) == [Held, Released, Held, Held, Released, Accepted]
        assert (len(one.provider.searches), len(one.provider.sent)) == (1, 2)

    async def test_a_run_that_is_not_found_and_has_no_files_fails(self, one: Bench) -> None:
        """As without a failover."""
        one.spool.complete = False
        assert kinds(await outcomes_of(one, self.queued(one))) == [Held, Refused]
        assert one.provider.sent == []

    @pytest.mark.usefixtures("no_pause")
    async def test_it_waits_until_the_platform_can_be_asked(self, one: Bench) -> None:
        """An error says nothing about the run."""
        one.provider.found = [UpstreamUnavailable("down"), UpstreamUnavailable("down"), Found(certain=UPSTREAM)]
        outcomes = await outcomes_of(one, self.queued(one))

        assert outcomes[-1].upstream == UPSTREAM
        assert (len(one.provider.searches), one.provider.sent) == (3, [])

    async def test_a_later_task_is_sent_at_once(self, one: Bench) -> None:
        """Its log has all its events."""
        await outcomes_of(one, self.queued(one, created_at=1001.0))
        assert (one.provider.searches, len(one.provider.sent)) == ([], 1)

    async def test_a_platform_without_a_list_is_not_asked(self, one: Bench) -> None:
        """Nothing can be found there."""
        one.provider.lists = False
        await outcomes_of(one, self.queued(one))
        assert (one.provider.searches, len(one.provider.sent)) == ([], 1)


class TestQueue:
    """A platform that runs one task at a time."""

    @pytest.fixture
    async def sandbox(self) -> AsyncIterator[Sandbox]:
        async with Sandbox(speed=50, concurrency=1) as box:
            yield box

    async def test_queued_tasks_are_sent_in_order(self, relay: Running, sandbox: Sandbox) -> None:
        """Each shows its position, moves up, and is sent when the one before it has ended."""
        sandbox.next_run(hold_at="task_start")
        started = [await relay.context.tasks.start(request(prompt)) for prompt in ("one", "two", "three")]
        states = [await relay.context.tasks.snapshot(one.snapshot.id) for one in started]
        assert [state.state for state in states[1:]] == [State.HELD, State.HELD]
        assert [state.hold.position for state in states[1:] if state.hold] == [1, 2]
        await release(sandbox, states[0].upstream_id)
        for one in started:
            assert (await ended(relay, one.snapshot.id)).state is State.SUCCEEDED
        created = [sandbox.tasks[await upstream_id(relay, one.snapshot.id)].identity.prompt for one in started]
        order = [task.identity.prompt for task in sandbox.tasks.values()]
        assert created == order == ["one", "two", "three"]

    async def test_a_later_task_does_not_overtake(self, relay: Running, sandbox: Sandbox) -> None:
        """While tasks are queued, a new one joins them without a call to the platform."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(request("one"))
        await relay.context.tasks.start(request("two"))
        third = await relay.context.tasks.start(request("three"))
        assert third.snapshot.state is State.HELD
        assert [run for run in sandbox.runs if prompt_of(run.fields) == "three"] == []
        await release(sandbox, first.snapshot.upstream_id)
        await ended(relay, third.snapshot.id)

    async def test_a_task_that_is_searched_for_leaves_the_queue(
        self, relay: Running, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The search can take minutes, and the platform may have capacity."""
        monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 60.0))
        sandbox.next_run(hold_at="task_start")
        prompts = ("one", "two", "three [sandbox: run_http=drop_before]", "four")
        first, _, third, fourth = [await relay.context.tasks.start(request(prompt)) for prompt in prompts]
        await release(sandbox, (await committed(relay, first.snapshot.id)).upstream_id)
        assert (await ended(relay, fourth.snapshot.id)).state is State.SUCCEEDED
        assert (await committed(relay, third.snapshot.id)).state is State.SUBMITTING

    async def test_a_queued_task_can_be_canceled(self, relay: Running, sandbox: Sandbox) -> None:
        """It ends canceled and unbilled, and was never sent; the one behind it moves up."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(request("one"))
        second = await relay.context.tasks.start(request("two"))
        third = await relay.context.tasks.start(request("three"))
        await relay.context.tasks.cancel(second.snapshot.id, "key")
        done = done_of(await ended(relay, second.snapshot.id))
        assert (done.verdict, done.billed) == ("canceled", False)
        moved = await reached(
            relay, third.snapshot.id, lambda state: state.hold is not None and state.hold.position == 1
        )
        assert moved.state is State.HELD
        assert len(sandbox.tasks) == 1
        await release(sandbox, first.snapshot.upstream_id)
        await ended(relay, third.snapshot.id)

    async def test_a_full_queue_rejects_requests(self, make_relay: MakeRelay, sandbox: Sandbox) -> None:
        """429 with Retry-After, and no task is created."""
        async with make_relay(hold_limit=1) as relay:
            sandbox.next_run(hold_at="task_start")
            for prompt in ("one", "two"):
                await relay.context.tasks.start(request(prompt))
            headers = {"Authorization": f"Bearer {relay.api_key}"}
            async with aiohttp.ClientSession(relay.url, headers=headers) as client:
                body = {"model": MODEL, "input": {"prompt": "three"}}
                async with client.post("/v1/tasks", json=body) as answer:
                    assert answer.status == 429
                    assert int(answer.headers["Retry-After"]) > 0
                async with client.get("/v1/tasks") as listed:
                    assert len((await listed.json())["tasks"]) == 2

    async def test_a_task_is_not_queued_for_ever(self, make_relay: MakeRelay, sandbox: Sandbox) -> None:
        """After the time limit it fails, unbilled."""
        async with make_relay(hold_s=0.2) as relay:
            sandbox.next_run(hold_at="task_start")
            await relay.context.tasks.start(request("one"))
            queued = await relay.context.tasks.start(request("two"))
            done = done_of(await ended(relay, queued.snapshot.id))
            assert (done.verdict, done.billed) == ("failed", False)

    async def test_a_queued_task_keeps_its_position_over_a_restart(
        self, make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """The next process continues the queue in order."""
        store = f"sqlite:///{tmp_path}/relay.db"
        async with make_relay(store=store) as relay:
            sandbox.next_run(hold_at="task_start")
            first = await relay.context.tasks.start(request("one"))
            later = [await relay.context.tasks.start(request(prompt)) for prompt in ("two", "three")]
        async with make_relay(store=store) as relay:
            await release(sandbox, first.snapshot.upstream_id)
            for one in (first, *later):
                assert (await ended(relay, one.snapshot.id)).state is State.SUCCEEDED
            assert [task.identity.prompt for task in sandbox.tasks.values()] == ["one", "two", "three"]

    async def test_the_log_says_submitting_before_a_queued_run_is_sent(self, relay: Running, sandbox: Sandbox) -> None:
        """From then on its outcome may be unknown."""
        sandbox.next_run(hold_at="task_start")
        first = await relay.context.tasks.start(request("one"))
        second = await relay.context.tasks.start(request("two"))
        await release(sandbox, first.snapshot.upstream_id)
        await ended(relay, second.snapshot.id)
        history = await relay.journal.read(second.snapshot.id, after=0, limit=50)
        events = [entry.event for entry in history.entries]
        sent = next(number for number, event in enumerate(events) if event.type == "submitted")
        before = events[sent - 1]
        assert isinstance(before.data, Hold)
        assert (before.data.position, before.state) == (0, State.SUBMITTING)


async def upstream_id(relay: Running, task: str) -> str:
    return (await relay.context.tasks.snapshot(task)).upstream_id or ""


def prompt_of(fields: Any) -> object:
    return next((field.value for field in fields if field.name == "prompt"), None)
