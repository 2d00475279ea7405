"""The search for a run whose outcome is unknown: it is found or given up, and never sent again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import aiohttp
import pytest

from relay import backoff
from relay.app import Running
from relay.core.events import State
from relay.core.lifecycle import Lifecycle, submit
from relay.core.signals import Accepted, GivenUp
from relay.core.snapshot import Snapshot
from relay.core.upstream import Found, Run, UpstreamTask
from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.journal.base import StoredTask
from relay.journal.lists import Filter
from relay.providers.base import Provider
from relay.sandbox import Sandbox
from relay.tasks import search
from relay.tasks.admission import CONNECTIONS
from relay.tasks.outcome import Outcome
from relay.tasks.watching import becomes_true
from tests.tasks.fakes import OTHER, UPSTREAM, Bench, FakeProvider, bench
from tests.tasks.nodes import until
from tests.tasks.shared_journal import SharedJournal, SharedStore
from tests.tasks.support import (
    MakeRelay,
    addresses,
    committed,
    done_of,
    ended,
    reached,
    release,
    request,
    start_elsewhere,
)


@pytest.mark.parametrize("fault", ["drop*1", "502:html*1", "200:empty*1", "200:truncated*1", "500:envelope*1"])
async def test_a_run_whose_answer_is_lost_is_found_and_not_sent_again(
    fault: str, relay: Running, sandbox: Sandbox
) -> None:
    """The client is told at once that the start is unconfirmed; the task is found in the platform's list."""
    sandbox.next_run(run_http=fault, run_http_started=True)
    started = await relay.context.tasks.start(request())
    assert started.refusal is not None
    assert started.snapshot.state is State.SUBMITTING
    snapshot = await ended(relay, started.snapshot.id)
    assert snapshot.state is State.SUCCEEDED
    assert snapshot.upstream_id in sandbox.tasks
    assert len(sandbox.runs) == 1


async def test_a_run_that_was_never_started_is_lost_with_evidence(relay: Running, sandbox: Sandbox) -> None:
    """The relay cannot know that it was not started, so it is not sent again."""
    sandbox.next_run(run_http="drop", run_http_started=False)
    started = await relay.context.tasks.start(request())
    done = done_of(await ended(relay, started.snapshot.id))
    assert (done.verdict, done.inferred) == ("lost", True)
    assert "it is not sent again" in done.evidence[-1]
    assert len(sandbox.runs) == 1


async def test_searches_do_not_delay_tasks_that_are_known(make_relay: MakeRelay) -> None:
    """A search that hangs occupies none of the slots for connections."""
    no_list = {"at_s": 0, "task": "*", "from": "platform", "channel": "Task/List", "fault": "hang"}
    async with (
        Sandbox(speed=50, script=[no_list]) as sandbox,
        make_relay(**addresses(sandbox), request_timeout_s=600.0) as relay,
    ):
        for number in range(CONNECTIONS):
            lost = await relay.context.tasks.start(request(f"{number} [sandbox: run_http=drop_before]"))
            assert lost.snapshot.state is State.SUBMITTING
        started = await relay.context.tasks.start(request())
        assert (await ended(relay, started.snapshot.id)).state is State.SUCCEEDED


async def test_of_two_tasks_that_match_neither_is_adopted(relay: Running, sandbox: Sandbox) -> None:
    """A guess could be the task of another client."""
    async with aiohttp.ClientSession() as other:
        for _ in range(2):
            await start_elsewhere(other, sandbox)
    sandbox.next_run(run_http="drop", run_http_started=False)
    started = await relay.context.tasks.start(request())
    done = done_of(await ended(relay, started.snapshot.id))
    assert done.verdict == "lost"
    assert "2 tasks" in done.evidence[1]


async def test_the_upstream_task_of_another_task_is_not_adopted(relay: Running, sandbox: Sandbox) -> None:
    """Of two equal requests, the confirmed one keeps its upstream task and the lost one finds its own."""
    sandbox.next_run(hold_at="task_start")
    first = await relay.context.tasks.start(request())
    sandbox.next_run(run_http="drop", run_http_started=True)
    second = await relay.context.tasks.start(request())
    found = await reached(relay, second.snapshot.id, lambda state: state.upstream_id is not None)
    assert found.upstream_id != first.snapshot.upstream_id
    await release(sandbox, first.snapshot.upstream_id)
    assert (await ended(relay, first.snapshot.id)).state is State.SUCCEEDED
    assert (await ended(relay, second.snapshot.id)).state is State.SUCCEEDED


async def test_callbacks_and_cancels_do_not_use_up_the_attempts(
    make_relay: MakeRelay, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may cause an extra attempt; the planned ones remain."""

    async def read() -> bytes:
        return b"{}"

    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 600.0))
    async with make_relay(public_url="http://relay.example/") as relay:
        sandbox.next_run(run_http="drop", run_http_started=False)
        task = (await relay.context.tasks.start(request())).snapshot.id
        hook = (await relay.context.tasks.stored_task(task)).hook
        assert hook is not None
        for _ in range(20):  # more often than attempts are planned
            await relay.context.tasks.call_back("wiro", hook, {}, read)
            await relay.context.tasks.cancel(task, "key")
            assert (await committed(relay, task)).done is None


async def test_a_cancel_while_the_run_is_being_sent_stops_it_once(relay: Running, sandbox: Sandbox) -> None:
    """Nothing can be stopped yet, so the cancel succeeds; the task is stopped when the answer comes."""
    sandbox.next_run(hold_at="task_queue")
    starting = asyncio.create_task(relay.context.tasks.start(request()))
    await sandbox.received(1)
    page = await relay.context.tasks.lists.page(Filter(), after=None, limit=1)
    await relay.context.tasks.cancel(page.snapshots[0].id, "key")
    await starting
    assert (await ended(relay, page.snapshots[0].id)).state is State.CANCELED


async def test_the_callback_address_identifies_the_run_among_equal_tasks(
    make_relay: MakeRelay, sandbox: Sandbox
) -> None:
    """With a public URL, every run has a callback address of its own."""
    async with make_relay(public_url="http://relay.example/") as relay, aiohttp.ClientSession() as other:
        for _ in range(2):
            await start_elsewhere(other, sandbox)
        sandbox.next_run(run_http="drop", run_http_started=True)
        started = await relay.context.tasks.start(request())
        snapshot = await ended(relay, started.snapshot.id)
    assert snapshot.state is State.SUCCEEDED


async def outcomes_of(one: Bench, **known: UpstreamTask) -> list[Outcome]:
    searching = search.Search(one.context)
    searching.called_back(known.get("named"))
    return [outcome async for outcome in searching.outcomes("no answer came", 1000.0)]


async def test_a_provider_that_cannot_be_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed call does not use up an attempt."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    one = await bench()
    one.provider.found = [UpstreamUnavailable("no connection"), UpstreamUnclear("no answer"), Found(certain=UPSTREAM)]

    assert await outcomes_of(one) == [Outcome.accepted(UPSTREAM)]


async def test_a_provider_that_can_never_be_asked_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline of a task; the evidence says that nothing was found."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    one = await bench()

    class Unreachable(FakeProvider):
        async def find(self, _run: Run, *, since: float, until: float) -> Found:
            one.clock.now += one.context.time_limits.deadline_s / 2
            raise UpstreamUnavailable("no connection")

    context = replace(one.context, provider=cast("Provider", Unreachable()))
    (outcome,) = [each async for each in search.Search(context).outcomes("no answer came", 1000.0)]

    assert isinstance(outcome.signal, GivenUp)
    assert outcome.signal.evidence[:2] == (
        "relay: no answer came",
        "relay: 0 tasks on the platform match the run; none could be identified as this task",
    )


async def test_the_task_that_a_callback_named_is_adopted_without_a_search() -> None:
    """The callback proved which one it is."""
    one = await bench()

    assert await outcomes_of(one, named=OTHER) == [Outcome.accepted(OTHER)]
    assert one.provider.searches == []


async def test_a_likely_task_is_not_adopted_while_another_run_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be that run's. When its answer has come, a later attempt decides."""
    monkeypatch.setattr(search, "BEING_SENT_S", 0.0)
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.0))
    one = await bench()
    one.provider.found = [Found(likely=(UPSTREAM,))]
    with one.context.admission.sending():
        (outcome,) = await outcomes_of(one)
    assert isinstance(outcome.signal, GivenUp)

    assert await outcomes_of(one) == [Outcome.accepted(UPSTREAM)]


async def test_where_only_a_callback_can_tell_the_search_waits_for_it() -> None:
    """A provider without a list is asked once more after half an hour: by then a task has called back."""
    one = await bench(callback_url="https://relay.example/hooks/fake/secret")
    searching = search.Search(one.context)
    assert searching._pauses_s() == search.SEARCH_AFTER_S
    one.provider.lists = False
    assert searching._pauses_s() == (*search.SEARCH_AFTER_S, search.CALLBACK_S)


async def test_a_run_dated_in_the_future_is_searched_for_in_the_whole_list() -> None:
    """Only if its callback address identifies it: a matching task of any age would be a guess."""
    for callback_url, since in (("https://relay.example/hooks/fake/secret", 0.0), (None, 1000.0)):
        one = await bench(callback_url=callback_url)
        one.clock.now -= 60.0
        one.provider.found = [Found(certain=UPSTREAM)]
        assert await outcomes_of(one) == [Outcome.accepted(UPSTREAM)]
        assert one.provider.searches[0][0] == since


@pytest.fixture
async def nodes(store: SharedStore) -> AsyncIterator[tuple[Bench, SharedJournal]]:
    """A task that is searched for, and the journal of another node."""
    view, another = store.node(), store.node()
    for each in (view, another):
        await each.open(lock=True)
    one = await bench(journal=view.journal)
    await view.sent("task")
    one.provider.found = [Found(likely=(UPSTREAM,))]
    yield one, another
    for each in (view, another):
        await each.close()


async def begin(another: SharedJournal, task: str = "another") -> Snapshot:
    """Commit the intent of another node to send a run."""
    event, snapshot = submit(task=task, model="o/m", provider="fake", tags=(), epoch=another.epoch, now=1000.0)
    stored = StoredTask(id=task, provider="fake", model="o/m", created_at=1000.0, input={}, metadata={})
    await another.create(stored, event)
    return snapshot


async def test_a_likely_task_is_not_adopted_while_another_node_sends_a_run(
    nodes: tuple[Bench, SharedJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that run's. A run that is searched for does not count: two searches would wait for each other."""
    monkeypatch.setattr(search, "BEING_SENT_S", 0.01)
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.0))
    one, another = nodes
    await begin(another)
    (outcome,) = await outcomes_of(one)
    assert isinstance(outcome.signal, GivenUp)

    await another.sent("another")
    assert await outcomes_of(one) == [Outcome.accepted(UPSTREAM)]


async def test_the_answer_to_a_run_of_another_node_is_awaited(nodes: tuple[Bench, SharedJournal]) -> None:
    """Then it is known whose the task is."""
    one, another = nodes
    snapshot = await begin(another)
    searching = asyncio.create_task(outcomes_of(one))
    await until(lambda: one.provider.searches)
    events = Lifecycle(snapshot, 1000.0).receive(Accepted(upstream_id="1"), 1000.0)
    await another.append(events, upstream=UPSTREAM)
    (outcome,) = await searching
    assert isinstance(outcome.signal, GivenUp)


async def test_it_is_known_which_runs_are_being_sent_before_the_platform_lists_its_tasks(
    nodes: tuple[Bench, SharedJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is answered while the list is read may be in it."""
    one, another = nodes
    snapshot = await begin(another)
    events = Lifecycle(snapshot, 1000.0).receive(Accepted(upstream_id="1"), 1000.0)
    answering: list[asyncio.Task[float]] = []

    def answer() -> None:
        if not answering:
            answering.append(asyncio.create_task(another.append(events, upstream=UPSTREAM)))

    one.provider.during_search = answer
    waited: list[tuple[str, ...]] = []

    async def noted(condition: Any, journal: Any, tasks: tuple[str, ...], within_s: float) -> bool:
        waited.append(tasks)
        return await becomes_true(condition, journal, tasks, within_s)

    monkeypatch.setattr("relay.tasks.search.becomes_true", noted)
    (outcome,) = await outcomes_of(one)

    assert waited[0] == ("another",)
    assert isinstance(outcome.signal, GivenUp)
