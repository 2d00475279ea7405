"""The queue that all nodes share: one order, true positions, and no task is sent before one that is ahead of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay import backoff
from relay.core.events import State
from relay.core.signals import Accepted, Held, Released, Signal, Withdrawn
from relay.errors import RequestError, UpstreamFull, UpstreamUnclear
from relay.tasks import shared_queue
from relay.tasks.limits import Limits
from relay.tasks.shared_queue import SharedQueue
from tests.tasks.fakes import OTHER
from tests.tasks.nodes import NodeUnderTest, running, until
from tests.tasks.shared_journal import SharedStore

WAIT_S = 30.0
HELD = Held(reason="full", position=1)


@pytest.fixture
async def one(store: SharedStore) -> AsyncIterator[NodeUnderTest]:
    async with running(store, Limits(queue_limit=2)) as node:
        yield node


@pytest.fixture
async def other(store: SharedStore) -> AsyncIterator[NodeUnderTest]:
    async with running(store, Limits(queue_limit=2)) as node:
        node.provider.answers = [OTHER]
        yield node


def queue_of(node: NodeUnderTest) -> SharedQueue:
    queue = node.supervisor.admission("fake").queue
    assert isinstance(queue, SharedQueue)
    return queue


async def hold(node: NodeUnderTest, task: str, *, created_at: float) -> None:
    """Create a task of a node that is queued and not followed."""
    await node.create(task, created_at=created_at)
    await node.commit(task, HELD)


async def woken(queue: SharedQueue, task: str) -> None:
    """Wait until a task is woken."""
    async with asyncio.timeout(WAIT_S):
        await queue.wait(task, 3600.0)


async def test_positions_count_the_tasks_of_all_nodes(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The oldest is the first, whichever node has it. A task that is not queued would get the last position."""
    await hold(one, "c", created_at=3.0)
    await hold(other, "a", created_at=1.0)
    for node in (one, other):
        assert [await queue_of(node).position(task) for task in ("a", "c", "new")] == [1, 2, 3]


async def test_the_limit_counts_the_tasks_of_all_nodes(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """One node alone would have room."""
    await hold(one, "a", created_at=1.0)
    await queue_of(other).check_room()
    await hold(one, "b", created_at=2.0)
    with pytest.raises(RequestError, match="2 tasks are queued already"):
        await queue_of(other).check_room()


async def test_a_task_is_not_sent_before_one_of_another_node(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while that is being sent: it keeps its place until the platform has answered."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)
    one.provider.answers = [UpstreamFull("full"), UpstreamFull("full"), OTHER]
    first = await one.start("a", created_at=1.0)
    await until(lambda: first.snapshot.state is State.HELD)
    one.provider.entered.clear()
    one.provider.answering.clear()
    second = await other.start("b", created_at=2.0)
    await until(lambda: second.snapshot.hold is not None and second.snapshot.hold.position == 2)
    await one.provider.entered.wait()
    assert await queue_of(other).position("b") == 2
    assert other.provider.sent == []
    other.provider.answers = [OTHER]
    one.provider.answers = [UpstreamUnclear("no answer")]
    one.provider.answering.set()
    await until(lambda: second.snapshot.upstream_id is not None)


@pytest.mark.parametrize("leaves", [(Released(), Accepted(upstream_id="1")), (Withdrawn(),)], ids=["sent", "canceled"])
async def test_a_task_moves_up_when_one_of_another_node_leaves(
    one: NodeUnderTest, other: NodeUnderTest, leaves: tuple[Signal, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events wake it at once."""
    monkeypatch.setattr(shared_queue, "RECHECK_S", 3600.0)
    queue = queue_of(other)
    for node, task, created_at in ((one, "a", 1.0), (other, "b", 2.0)):
        await hold(node, task, created_at=created_at)
    queue.join("b")
    assert await queue.position("b") == 2
    waiting = asyncio.create_task(woken(queue, "b"))
    await one.commit("a", *leaves)
    await waiting
    assert await queue.position("b") == 1


async def test_the_end_of_a_task_of_any_node_wakes_the_first(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """The provider may have capacity again. The others do not move up."""
    queue = queue_of(other)
    for task in ("a", "b"):
        await hold(other, task, created_at=1.0 if task == "a" else 2.0)
        queue.join(task)
    await one.create("running", created_at=0.0)
    await queue.position("a")
    await one.commit("running", Withdrawn())

    assert [task for task, event in queue._woken.items() if event.is_set()] == ["a"]


async def test_a_change_without_an_event_is_noticed(
    one: NodeUnderTest, other: NodeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose outcome is unknown leaves the queue, which its log does not say."""
    monkeypatch.setattr(shared_queue, "RECHECK_S", 0.01)
    queue = queue_of(other)
    for node, task, created_at in ((one, "a", 1.0), (other, "b", 2.0)):
        await hold(node, task, created_at=created_at)
    queue.join("b")
    assert await queue.position("b") == 2
    await one.commit("a", Released())
    await one.journal.sent("a")
    async with asyncio.timeout(WAIT_S):
        while await queue.position("b") != 1:
            await queue.wait("b", WAIT_S)


async def test_a_task_is_the_first_only_according_to_a_new_read(one: NodeUnderTest, other: NodeUnderTest) -> None:
    """An older task may have joined just now."""
    queue = queue_of(other)
    await hold(other, "b", created_at=2.0)
    assert await queue.position("b") == 1
    one.view.store.in_line.discard("b")
    await hold(one, "a", created_at=1.0)
    one.view.store.in_line.add("b")
    queue._outdated = False
    assert await queue.position("b") == 2


async def test_many_queued_tasks_share_a_read(other: NodeUnderTest) -> None:
    """The order is read again only after a change, and by a task that believes to be the first."""
    reads, queued = [0], other.view.queued

    async def counted(provider: str) -> tuple[str, ...]:
        reads[0] += 1
        await asyncio.sleep(0)
        return await queued(provider)

    other.view.queued = counted  # type: ignore[method-assign]
    queue = queue_of(other)
    for number in range(20):
        await hold(other, f"{number:02}", created_at=float(number))
        queue.join(f"{number:02}")
    reads[0] = 0
    positions = await asyncio.gather(*(queue.position(f"{number:02}") for number in range(20)))

    assert positions == [*range(1, 21)]
    assert reads[0] == 2


async def test_a_store_that_fails_leaves_the_order_as_it_was(one: NodeUnderTest) -> None:
    """A new task must not be lost for that: its run has not been sent, and only this process knows it."""
    queue = queue_of(one)
    await hold(one, "a", created_at=1.0)
    await hold(one, "b", created_at=2.0)
    assert await queue.position("b") == 2
    queue._outdated = True
    one.view.fails = 1
    assert await queue.position("b") == 2


async def test_a_task_that_leaves_makes_room_for_those_behind_it(one: NodeUnderTest) -> None:
    """The first one only waits for capacity, so it is not woken. Leaving is idempotent."""
    queue = queue_of(one)
    for number, task in enumerate(("a", "b", "c")):
        await hold(one, task, created_at=float(number))
        queue.join(task)
    await queue.position("a")
    queue.leave("b")
    queue.leave("b")
    assert [task for task, event in queue._woken.items() if event.is_set()] == ["c"]
