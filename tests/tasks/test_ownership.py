"""Tasks are taken over from nodes that have stopped, given up by those that were replaced, and handed over."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from relay import backoff
from relay.catalogue.catalogue import load
from relay.clock import uptime_s
from relay.core.events import Output, State
from relay.core.signals import Accepted, Held, Record
from relay.core.upstream import File, Found
from relay.errors import StoreDamaged, StoreError, UpstreamUnclear
from relay.files.spool import Spool
from relay.journal.base import StoredTask
from relay.journal.nodes import Order
from relay.sandbox import Sandbox
from relay.tasks import missing_files, ownership
from relay.tasks.limits import Limits
from relay.tasks.ownership import Ownership
from relay.tasks.supervisor import Supervisor
from tests.tasks.fakes import OTHER, UPSTREAM, bench
from tests.tasks.nodes import NodeSpool, NodeUnderTest, running, until
from tests.tasks.shared_journal import SharedJournal, SharedStore
from tests.tasks.support import MakeRelay, ended, release, request

SUCCEEDED = Record(
    phase="succeeded",
    status="success",
    outputs=(Output(url="https://cdn.example/a.png", content_type="image/png", size=1),),
)


@pytest.fixture
async def one(store: SharedStore) -> AsyncIterator[NodeUnderTest]:
    async with running(store) as node:
        yield node


@pytest.fixture
async def other(store: SharedStore) -> AsyncIterator[NodeUnderTest]:
    async with running(store) as node:
        yield node


async def followed(node: NodeUnderTest, task: str = "task") -> None:
    """Wait until a task is accepted."""
    await until(lambda: (found := node.supervisor.get(task)) and found.snapshot.upstream_id)


async def test_the_tasks_of_a_node_that_has_stopped_are_taken_over(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The new owner follows them, and does not send them."""
    await one.start()
    await followed(one)
    await other.look()
    assert other.supervisor.get("task") is None
    one.view.die()
    other.provider.records = [SUCCEEDED]
    await other.look()
    await until(lambda: not len(other.supervisor))

    assert (await other.state()).state is State.SUCCEEDED
    assert (len(one.provider.sent), other.provider.sent) == (1, [])


async def test_a_task_that_may_have_been_sent_is_only_searched_for(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The node that stopped was sending its run."""
    await one.create("task")
    one.view.die()
    other.provider.found = [Found(certain=UPSTREAM)]
    await other.look()
    await followed(other)

    assert other.provider.sent == []


async def test_a_queued_task_is_sent_by_its_new_owner(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """It has certainly not been sent before."""
    await one.create("task")
    await one.commit("task", Held(reason="full", position=1))
    one.view.die()
    await other.look()
    await followed(other)

    assert len(other.provider.sent) == 1


@pytest.mark.parametrize("failures", [0, 1])
async def test_tasks_do_not_queue_behind_one_that_is_damaged(
    one: NodeUnderTest, other: NodeUnderTest, failures: int
) -> None:
    """It is logged, and another one is sent. If the journal cannot be written, the node looks at it again."""
    for task in ("damaged", "behind"):
        await one.create(task)
        await one.commit(task, Held(reason="full", position=1))
    one.view.die()
    damage(other, "damaged")
    with capture_logs() as lines:
        if failures:
            other.view.fails_to_note = failures
            with pytest.raises(StoreError):
                await other.look()
        await other.look()
        await followed(other, "behind")

    assert [line["event"] for line in lines].count("task.skipped") == 1
    assert len(other.provider.sent) == 1
    assert await other.journal.queued("fake") == ()


async def test_tasks_do_not_queue_behind_one_whose_damage_is_found_later(
    one: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its follower has crashed and the task is read again."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    await one.create("damaged")
    await one.commit("damaged", Held(reason="full", position=1))
    one.provider.during_run = crash
    one.view.fails_to_note = 1
    damage(one, "damaged", after=1)
    await one.look()
    await until(lambda: not len(one.supervisor))

    assert await one.journal.queued("fake") == ()


def crash() -> None:
    raise ZeroDivisionError("a bug")


def damage(node: NodeUnderTest, damaged: str, *, after: int = 0) -> None:
    """Let a node find a task's row damaged, after it has read it so many times."""
    stored_task, reads = node.journal.stored_task, itertools.count()

    async def read(task: str) -> StoredTask | None:
        if task == damaged and next(reads) >= after:
            raise StoreDamaged(task, "input")
        return await stored_task(task)

    setattr(node.view, "stored_task", read)  # noqa: B010 -- the view finds it in another object


async def test_all_tasks_are_taken_over_a_few_at_once(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node looks again at once while there are more."""
    monkeypatch.setattr(ownership, "TAKEN_AT_ONCE", 2)
    for number in range(5):
        await one.create(f"{number}")
        await one.commit(f"{number}", Accepted(upstream_id=f"{number}"))
    one.view.die()
    await other.look()

    assert len(other.supervisor) == 5


async def test_a_task_whose_take_over_got_no_answer_is_followed(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The journal has made this node its owner, and no other will look at it."""
    await one.create("task")
    one.view.die()
    take_over, lost = other.view.take_over, [True]

    async def without_an_answer(providers: Collection[str], *, limit: int, leave: Collection[str]) -> tuple[str, ...]:
        taken = await take_over(providers, limit=limit, leave=leave)
        if lost.pop():
            raise StoreError("the connection broke")
        return taken

    other.view.take_over = without_an_answer  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreError):
        await other.look()
    assert other.supervisor.get("task") is None
    lost.append(False)
    await other.look()

    assert other.supervisor.get("task") is not None


async def test_a_task_that_is_being_created_is_not_taken_up(one: NodeUnderTest) -> None:
    """It would be searched for although its run has not been sent."""
    with one.supervisor.creating("task"):
        await one.create("task")
        await one.look()
        assert one.supervisor.get("task") is None
    await one.look()
    assert one.supervisor.get("task") is not None


async def test_a_task_that_ended_after_it_was_listed_is_not_taken_up(one: NodeUnderTest) -> None:
    """Its follower has just finished."""
    one.provider.records = [SUCCEEDED]
    await one.start()
    await until(lambda: not len(one.supervisor))
    await one.supervisor.take_up("task")

    assert len(one.supervisor) == 0


async def test_a_task_that_cannot_be_followed_is_logged_once(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """Not each time that the node looks for work."""
    await one.create("task")
    spool = cast("Spool", NodeSpool())
    async with Supervisor(one.journal, {}, load(), spool, one.clock, Limits()) as supervisor:
        with capture_logs() as lines:
            for _ in range(3):
                await supervisor.take_up("task")
    assert [line["event"] for line in lines] == ["task.skipped"]


async def test_a_node_that_was_replaced_stops_without_a_write(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """Its tasks belong to others, and may be taken over by itself under its new id."""
    await one.start("followed")
    await followed(one, "followed")
    one.provider.answers = [UpstreamUnclear("no answer")]
    searching = await one.start("searched for")
    await until(lambda: searching.submitted.done())
    before = [(await one.state(task)).seq for task in ("followed", "searched for")]
    one.view.die()
    await one.view.work()
    await one.look()

    assert [(await one.state(task)).seq for task in ("followed", "searched for")] == before
    assert set(one.view.store.owners.values()) == {one.view.node}
    assert searching.closed
    assert one.supervisor.get("searched for") not in (None, searching)
    assert other.supervisor.get("followed") is None


async def test_the_answer_to_a_run_is_passed_on_to_the_new_owner(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The client learns that the outcome is unknown. The new owner adopts the run that was answered."""
    one.provider.answering.clear()
    follower = await one.start()
    await one.provider.entered.wait()
    one.view.die()
    await other.look()
    await one.view.work()
    await one.look()
    assert isinstance(follower.submitted.result(), UpstreamUnclear)
    with capture_logs() as lines:
        one.provider.answering.set()
        await until(lambda: one.view.store.commands)
    await other.look()
    await followed(other)

    assert [line["event"] for line in lines] == ["task.handed_over"]
    assert (await other.state()).upstream_id == UPSTREAM.upstream_id
    assert (len(one.provider.sent), other.provider.sent) == (1, [])


async def test_a_follower_that_is_fenced_ends_and_is_not_restarted(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """Before this node has noticed that it was replaced. What the platform answered is passed on."""
    one.provider.answering.clear()
    follower = await one.start()
    await one.provider.entered.wait()
    one.view.die()
    await other.look()
    with capture_logs() as lines:
        one.provider.answering.set()
        await until(lambda: not len(one.supervisor))

    assert isinstance(follower.submitted.result(), UpstreamUnclear)
    assert [line["event"] for line in lines] == ["task.handed_over"]
    (command,) = one.view.store.commands.values()
    assert (command.order, command.task, command.named) == (Order.CALLED_BACK, "task", UPSTREAM)


async def test_an_answer_is_passed_on_once_the_store_works(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is billed, and without it the task may end as lost."""
    monkeypatch.setattr("relay.tasks.follower.STORE_RETRY_S", 0.0)
    one.provider.answering.clear()
    await one.start()
    await one.provider.entered.wait()
    one.view.die()
    await other.look()
    one.view.fails = 3
    one.provider.answering.set()
    await until(lambda: one.view.store.commands)


async def test_a_failing_store_is_logged_once_and_asked_again(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks are taken over when it works again."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    await one.create("task")
    other.view.fails = 5
    one.view.die()
    with capture_logs() as lines:
        async with other.ownership:
            await until(lambda: other.supervisor.get("task"))
    assert [line["event"] for line in lines] == ["tasks.take_over_failed", "tasks.taken_over"]


async def test_a_bug_does_not_end_the_loop(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and tasks are still taken over."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    await one.create("task")
    one.view.die()
    owned, bugs = other.view.owned, [ZeroDivisionError("a bug")]

    async def broken() -> tuple[str, ...]:
        if bugs:
            raise bugs.pop()
        return await owned()

    other.view.owned = broken  # type: ignore[method-assign]
    with capture_logs() as lines:
        async with other.ownership:
            await until(lambda: other.supervisor.get("task"))
    assert "ownership.crashed" in [line["event"] for line in lines]
    assert repr(other.ownership) == f"<Ownership {other.view.node}>"


async def test_tasks_are_handed_over_at_once(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """Those that are followed and those that are queued. The node takes no task over any more."""
    await one.start("followed")
    await followed(one, "followed")
    await one.create("queued")
    await one.commit("queued", Held(reason="full", position=1))
    other.provider.answers = [OTHER]
    async with one.ownership:
        await one.ownership.hand_over()
        assert len(one.supervisor) == 0
        for _ in range(20):
            await asyncio.sleep(0)
        assert set(one.view.store.owners.values()) == {""}
        await other.look()
        assert len(other.supervisor) == 2
    await followed(other, "queued")


FILES = (File(input="x", filename="x", content_type="x/x", size_bytes=3, sha256="", path=Path("upload/0")),)


async def test_a_queued_task_waits_for_the_node_that_has_its_files(
    store: SharedStore, one: NodeUnderTest, other: NodeUnderTest
) -> None:
    """As in a rolling restart with a local spool. Tasks behind it need not wait for that node."""
    await one.create("with files", files=FILES)
    await one.create("behind", created_at=1001.0)
    for task in ("with files", "behind"):
        await one.commit(task, Held(reason="full", position=1))
    await one.ownership.hand_over()
    other.spool.complete, other.provider.answers = False, [OTHER]
    await other.look()
    await followed(other, "behind")
    await other.look()
    assert other.supervisor.get("with files") is None
    assert store.owners["with files"] == ""
    async with running(store) as restarted:
        await restarted.look()
        await followed(restarted, "with files")
        assert len(restarted.provider.sent) == len(other.provider.sent) == 1


async def test_a_queued_task_whose_files_do_not_come_back_fails(
    store: SharedStore, one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unbilled, and its evidence says why."""
    await one.create("task", files=FILES)
    await one.commit("task", Held(reason="full", position=1))
    await one.ownership.hand_over()
    other.spool.complete = False
    with capture_logs() as lines:
        for _ in range(3):
            await other.look()
    assert [line["event"] for line in lines] == ["tasks.taken_over", "task.given_back"]
    monkeypatch.setattr(other.supervisor._missing_files, "_clock", lambda: uptime_s() + missing_files.WAIT_S)
    await other.look()
    await until(lambda: store.memory._tasks["task"].state.ended)

    done = (await other.state()).done
    assert done is not None
    assert (done.verdict, done.billed) == ("failed", False)
    assert "on a node that has stopped" in done.evidence[0]


async def test_a_draining_node_takes_no_task_over(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """It would hand it over at once."""
    await one.create("task")
    one.view.die()
    other.supervisor.draining = True
    await other.look()

    assert other.supervisor.get("task") is None


async def test_a_run_that_was_not_sent_when_its_node_hands_over_is_queued(
    one: NodeUnderTest, other: NodeUnderTest
) -> None:
    """So that the next owner sends it."""

    def hand_over() -> None:
        handing_over.append(asyncio.create_task(one.ownership.hand_over()))
        raise asyncio.CancelledError

    handing_over: list[asyncio.Task[None]] = []
    one.provider.during_run = hand_over
    await one.start()
    await until(lambda: handing_over)
    await handing_over[0]
    await other.look()
    await followed(other)

    assert len(other.provider.sent) == 1


async def test_a_store_that_fails_does_not_stop_the_shutdown(one: NodeUnderTest) -> None:
    """The other nodes take the tasks over when the lease of this one has run out."""

    async def release() -> None:
        raise StoreError("the engine is down")

    one.view.release = release  # type: ignore[method-assign]
    with capture_logs() as lines:
        await one.ownership.hand_over()
    assert [line["event"] for line in lines] == ["tasks.release_failed"]


async def test_a_journal_for_one_process_keeps_its_tasks() -> None:
    """They are followed until the process ends: no other process could."""
    alone = await bench()
    supervisor = Supervisor(
        alone.journal,
        {"fake": alone.context.provider},
        load(),
        cast("Spool", NodeSpool()),
        alone.clock,
        Limits(),
    )
    async with supervisor, Ownership(alone.journal, supervisor, ("fake",)) as owner:
        supervisor.follow(alone.context.stored, alone.snapshot)
        await owner.hand_over()
        assert len(supervisor) == 1


async def test_a_task_goes_on_when_its_relay_is_shut_down(make_node: MakeRelay, sandbox: Sandbox) -> None:
    """Whole relays: the second one follows at once what the first one has started."""
    sandbox.next_run(hold_at="task_start")
    async with make_node() as second:
        async with make_node() as first:
            started = await first.context.tasks.start(request())
        await until(lambda: second.context.tasks.following)
        await release(sandbox, started.snapshot.upstream_id)
        assert (await ended(second, started.snapshot.id)).state is State.SUCCEEDED
    assert len(sandbox.runs) == 1


async def test_a_run_whose_answer_was_lost_with_its_node_is_found(make_node: MakeRelay, sandbox: Sandbox) -> None:
    """Whole relays: the second one searches for it and never sends it."""
    sandbox.next_run(run_http="hang", run_http_started=True)
    async with make_node() as second, make_node() as first:
        starting = asyncio.create_task(first.context.tasks.start(request()))
        await sandbox.received(1)
        (task,) = await first.journal.owned()
        cast("SharedJournal", first.journal).die()
        assert (await ended(second, task)).state is State.SUCCEEDED
        assert isinstance((await starting).refusal, UpstreamUnclear)
    assert len(sandbox.runs) == 1
