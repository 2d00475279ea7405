"""One task is followed to its end; the client that started it is answered, cancels and callbacks reach it."""

import asyncio
import math
from dataclasses import replace

import pytest

from relay import backoff
from relay.clock import uptime_s
from relay.core.events import Output, State
from relay.core.lifecycle import Lifecycle, submit
from relay.core.signals import CancelRequested, Record
from relay.errors import UpstreamRejected, UpstreamUnavailable, UpstreamUnclear
from relay.journal.base import Claim
from relay.tasks import follower as follower_module
from relay.tasks.follower import Follower
from tests.tasks.fakes import OTHER, UPSTREAM, Bench, bench
from tests.tasks.shared_journal import SharedStore

WAIT_S = 30.0

OUTPUT = Output(url="https://cdn.example/a.png", content_type="image/png", size=1)
SUCCEEDED = Record(phase="succeeded", status="success", outputs=(OUTPUT,))


@pytest.fixture
async def one() -> Bench:
    return await bench()


@pytest.fixture
async def follower(one: Bench) -> Follower:
    """A follower of a new task."""
    return Follower(one.lifecycle(), one.context)


async def run(follower: Follower) -> None:
    async with asyncio.timeout(WAIT_S):
        await follower.run(send_until_s=math.inf)


async def test_a_task_is_followed_from_its_start_to_its_end(one: Bench, follower: Follower) -> None:
    """The client is answered; capacity is free for the next queued task."""
    one.provider.records = [SUCCEEDED]
    one.provider.during_run = lambda: one.context.admission.queue.join("next")
    await run(follower)

    assert follower.submitted.result() is None
    assert follower.snapshot.state is State.SUCCEEDED
    assert one.context.admission.queue._woken["next"].is_set()
    assert repr(follower) == f"<Follower <TaskLog task succeeded seq={follower.snapshot.seq}>>"


async def test_a_refused_task_is_not_followed(one: Bench, follower: Follower) -> None:
    """The client gets the refusal."""
    refusal = UpstreamRejected("Wiro refused.")
    one.provider.answers = [refusal]
    await run(follower)

    assert follower.submitted.result() is refusal
    assert follower.snapshot.state is State.FAILED
    assert one.provider.reads == 0


async def test_a_cancel_during_the_submission_stops_the_task_once(one: Bench, follower: Follower) -> None:
    """Even if the platform cannot be asked: the record tells what happened."""
    one.provider.records = [Record(phase="canceled", status="cancel")]
    one.provider.stop_errors = [UpstreamUnavailable("no connection")]
    canceling: list[asyncio.Task[None]] = []
    one.provider.during_run = lambda: canceling.append(asyncio.create_task(follower.cancel("key")))
    await run(follower)
    await asyncio.gather(*canceling)

    assert one.provider.stopped == [False]
    assert follower.snapshot.state is State.CANCELED


async def test_a_cancel_after_the_end_does_nothing(one: Bench, follower: Follower) -> None:
    """The platform is not asked."""
    one.provider.records = [SUCCEEDED]
    await run(follower)
    await follower.cancel("key")
    assert one.provider.stopped == []


async def test_a_callback_makes_the_record_be_read(one: Bench, follower: Follower) -> None:
    """It also names the upstream task to a search."""
    one.provider.records = [None, None, SUCCEEDED]
    running = asyncio.create_task(run(follower))
    async with asyncio.timeout(WAIT_S):
        while not running.done():
            follower.called_back(OTHER)
            await asyncio.sleep(0.01)
    await running
    assert follower._submission.search._named == OTHER
    assert follower.snapshot.state is State.SUCCEEDED


async def test_a_check_waits_while_the_inbox_is_full(monkeypatch: pytest.MonkeyPatch, one: Bench) -> None:
    """It is repeated later, so that none is lost."""
    monkeypatch.setattr(follower_module, "INBOX_SIGNALS", 1)
    follower = Follower(one.lifecycle(), one.context)
    follower.called_back()
    assert not follower._extra_checks.pending
    follower.called_back()
    assert follower._extra_checks.pending
    follower._extra_checks.close()


async def test_a_task_that_is_known_to_the_platform_is_not_submitted(one: Bench) -> None:
    """After a restart, or when it was attached to."""
    context = replace(one.context, stored=replace(one.context.stored, upstream=UPSTREAM))
    follower = Follower(one.lifecycle(), context)
    one.provider.records = [SUCCEEDED]
    await run(follower)

    assert one.provider.sent == []
    assert follower.snapshot.done is not None


async def test_an_unclear_outcome_does_not_free_the_key(one: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run may have been started, so a repeated request must find its task, even if events are due just then."""
    one.provider.answers = [UpstreamUnclear("no answer")]
    claim = Claim(key="k", digest="d", task="claimed", at=1.0)
    stored = replace(one.context.stored, id="claimed")
    event, snapshot = submit(task="claimed", model="o/m", provider="fake", tags=(), epoch=one.journal.epoch, now=1.0)
    await one.journal.create(stored, event, claim=claim)
    lifecycle = Lifecycle(snapshot, 1.0)
    due = lifecycle.receive(CancelRequested(by="key"), 1.0)
    monkeypatch.setattr(lifecycle, "handle_deadline", lambda _now: [due.pop()] if due else [])
    follower = Follower(lifecycle, replace(one.context, stored=stored))
    running = asyncio.create_task(run(follower))
    await asyncio.wait({follower.submitted})

    assert due == []
    assert await one.journal.find_claim("k") == claim
    running.cancel()


async def test_a_follower_that_is_fenced_may_be_cancelled_unless_its_run_is_being_sent(
    one: Bench, follower: Follower
) -> None:
    """Its client is answered at once."""
    assert follower.fence()
    one.provider.answering.clear()
    sending = Follower(one.lifecycle(), one.context)
    running = asyncio.create_task(run(sending))
    await one.provider.entered.wait()
    assert not sending.fence()
    assert isinstance(sending.submitted.result(), UpstreamUnclear)
    running.cancel()


async def test_the_task_that_a_callback_named_is_passed_on(monkeypatch: pytest.MonkeyPatch, store: SharedStore) -> None:
    """It reached this node just before that lost the task."""
    view = store.node()
    await view.open(lock=True)
    one = await bench(journal=view.journal)
    one.provider.answers = [UpstreamUnclear("no answer")]
    follower = Follower(one.lifecycle(), one.context)
    store.owners["task"] = "another"
    follower.called_back(OTHER)
    await run(follower)

    assert [command.named for command in store.commands.values()] == [OTHER]
    await view.close()


async def test_a_running_task_that_was_lost_is_handed_over_without_a_command(store: SharedStore) -> None:
    """The new owner knows the upstream task from the journal."""
    view = store.node()
    await view.open(lock=True)
    one = await bench(journal=view.journal)
    one.provider.during_read = lambda: store.owners.update(task="another")
    one.provider.records = [SUCCEEDED]
    follower = Follower(one.lifecycle(), one.context)
    await run(follower)

    assert (await one.journal.snapshot("task") or one.snapshot).state is State.QUEUED
    assert store.commands == {}
    await view.close()


async def test_each_commit_of_the_intent_permits_to_send_for_a_while(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The creation of the task, and later each release from the queue. A run that is late is never sent."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    view = store.node()
    await view.open(lock=True)
    one = await bench(journal=view.journal)
    one.provider.records = [SUCCEEDED]
    view.send_for_s = -1.0

    def renew() -> None:
        if len(one.provider.attempts) == 2:
            view.send_for_s = 600.0

    one.provider.during_run = renew
    follower = Follower(one.lifecycle(), one.context)
    async with asyncio.timeout(WAIT_S):
        await follower.run(send_until_s=uptime_s())

    assert [attempt.late for attempt in one.provider.attempts][:2] == [True, True]
    assert not one.provider.attempts[-1].late
    assert follower.submitted.result() is None
    assert follower.snapshot.state is State.SUCCEEDED
    await view.close()
