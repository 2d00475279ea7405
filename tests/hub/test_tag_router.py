"""Routing of events to the channels of tags, and what has to be read from the journal for it."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.errors import StoreDamaged, StoreError
from relay.hub import tag_channel, tag_router
from relay.hub.hub import Hub
from relay.hub.rounds import ROUND_S
from relay.hub.tag_channel import LISTED
from relay.hub.topic import ALL
from relay.hub.viewer import HIGH_WATER_BYTES
from relay.journal.base import StoredTask
from relay.journal.lists import Filter, ListPosition
from tests.hub.fakes import (
    SHOP,
    TASK,
    Clock,
    FakeViewer,
    SlowJournal,
    assert_has,
    brief,
    reads_finished,
    sweep,
    visit,
    watch,
)


@pytest.fixture
def short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a list have one task."""
    for module in (tag_channel, tag_router):
        monkeypatch.setattr(module, "LISTED", 1)


async def test_subscribers_share_one_read_of_the_list(journal: SlowJournal, hub: Hub) -> None:
    """This includes a subscriber that comes later."""
    await journal.start("a", SHOP)
    await journal.start("b", SHOP)
    first, *others = await asyncio.gather(*(watch(hub) for _ in range(20)))
    reads = journal.reads
    late = await watch(hub)

    assert journal.reads == reads
    assert {brief(viewer)[-1] for viewer in (first, *others, late)} == {"listed shop"}
    assert {len(viewer.messages) for viewer in (first, *others, late)} == {3}


async def test_events_committed_while_the_list_is_read_are_not_missed(journal: SlowJournal, hub: Hub) -> None:
    """A new task, an end and a progress event arrive between question and answer."""
    for task in ("a", "b"):
        await journal.start(task, SHOP)
    journal.gate.clear()
    joining = asyncio.create_task(watch(hub))
    await journal.asked.wait()
    await journal.advance(50.0, task="a")
    await journal.end("b")
    await journal.start("c", SHOP)
    journal.gate.set()
    viewer = await joining
    await reads_finished(hub)

    assert_has(viewer, journal, "a", "b", "c")


async def test_a_state_read_for_the_list_does_not_replace_a_newer_one(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is published while its state is being read."""
    page = journal.page

    async def page_then_wait(where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        answer = await page(where, after=after, limit=limit)
        if not where.states:  # the last part of the list
            journal.gate.clear()
            journal.asked.clear()
        return answer

    monkeypatch.setattr(journal, "page", page_then_wait)
    journal.hold_commits()
    await journal.start("a", SHOP)
    joining = asyncio.create_task(watch(hub))
    while not journal.reads or not journal.asked.is_set():  # noqa: ASYNC110 -- until it waits for the state
        await asyncio.sleep(0)
    await journal.end("a")
    journal.publish_held()
    journal.gate.set()

    assert_has(await joining, journal, "a")


async def test_the_tags_of_a_task_are_read_once(journal: SlowJournal, hub: Hub) -> None:
    """They are remembered until the task ends."""
    journal.passes_state = False
    await journal.start("b", "else")
    viewer = await watch(hub)
    reads = journal.reads
    for number in range(5):
        await journal.advance(float(number), task="b")
        await reads_finished(hub)
    assert journal.reads == reads + 1
    await journal.end("b")

    assert brief(viewer) == ["listed shop"]
    assert not hub._tags._tags_of


async def test_nothing_is_remembered_while_no_tag_has_viewers(journal: SlowJournal, hub: Hub) -> None:
    """Events of tasks are then ignored."""
    await journal.start("a", SHOP)
    await journal.reach("queue", State.QUEUED, "a")
    assert not hub._tags._tags_of
    one, other = await watch(hub), await watch(hub)
    assert hub.channels == 1
    hub.leave(one)
    hub.unsubscribe(other, ("tag", SHOP))
    hub.unsubscribe(other, ("tag", SHOP))
    await journal.reach("accept", State.PREPARING, "a")

    assert hub.channels == 0
    assert not hub._tags._tags_of
    assert not hub._tags._waiting
    assert brief(other) == ["snapshot a", "listed shop"]


async def test_a_task_with_two_tags_is_sent_for_each(journal: SlowJournal, hub: Hub) -> None:
    """The second copy repeats a seq and changes nothing."""
    await journal.start("a", SHOP, "vip")
    both, one = await watch(hub, ("tag", SHOP), ("tag", "vip")), await watch(hub, ("tag", "vip"))
    await journal.reach("queue", State.QUEUED, "a")

    assert brief(both) == ["snapshot a", "listed shop", "snapshot a", "listed vip", "queue a", "queue a"]
    assert brief(one) == ["snapshot a", "listed vip", "queue a"]


@pytest.mark.usefixtures("short_list")
async def test_events_published_while_a_task_is_read_are_not_missed(journal: SlowJournal, hub: Hub) -> None:
    """The summary that is sent includes them."""
    journal.passes_state = False
    for task in ("a", "b"):
        await journal.start(task, SHOP)
    viewer = await watch(hub)
    journal.gate.clear()
    journal.asked.clear()
    await journal.reach("queue", State.QUEUED, "a")
    await journal.asked.wait()
    journal.asked.clear()
    journal.gate.set()  # its record is answered, and then its state is asked for
    journal.gate.clear()
    await journal.asked.wait()
    await journal.end("a")
    journal.gate.set()
    await reads_finished(hub)

    assert brief(viewer) == ["snapshot b", "listed shop", "snapshot a"]
    assert_has(viewer, journal, "a", "b")
    assert {*hub._tags._tags_of} == {"b"}


@pytest.mark.usefixtures("short_list")
async def test_each_tag_has_its_own_summaries(journal: SlowJournal, hub: Hub) -> None:
    """A task known for one tag is not yet listed for another."""
    await journal.start("a", "vip", SHOP)
    await journal.start("b", SHOP)
    vip, shop = await watch(hub, ("tag", "vip")), await watch(hub)
    await journal.reach("queue", State.QUEUED, "a")
    await reads_finished(hub)

    assert brief(vip) == ["snapshot a", "listed vip", "queue a"]
    assert brief(shop) == ["snapshot b", "listed shop", "snapshot a"]


async def test_the_tags_of_an_ended_task_are_not_remembered(journal: SlowJournal, hub: Hub) -> None:
    """This includes a task whose first published event is its last."""
    journal.passes_state = False
    await journal.start("b", "else")
    await watch(hub)
    await journal.end("b")
    await reads_finished(hub)

    assert not hub._tags._tags_of
    assert not hub._tags._waiting


async def test_a_read_of_the_list_continues_when_its_first_subscriber_is_cancelled(
    journal: SlowJournal, hub: Hub
) -> None:
    """It leaves no trace once all viewers have left."""
    await journal.start("a", SHOP)
    journal.gate.clear()
    joining = [asyncio.create_task(watch(hub)) for _ in range(2)]
    await journal.asked.wait()
    joining[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining[0]
    journal.gate.set()
    viewer = await joining[1]
    assert brief(viewer) == ["snapshot a", "listed shop"]

    hub.leave(viewer)
    for each in list(hub._viewers):
        hub.leave(each)
    assert hub.channels == 0
    assert not hub._tags.channels._loads


async def test_a_viewer_that_leaves_while_the_list_is_read_is_sent_nothing(journal: SlowJournal, hub: Hub) -> None:
    """It is not added to the channel either."""
    journal.gate.clear()
    viewer = FakeViewer()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("tag", SHOP)))
    await journal.asked.wait()
    hub.leave(viewer)
    journal.gate.set()
    await joining

    assert viewer.messages == []
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_a_failed_read_of_the_list_is_repeated_for_the_next_subscriber(journal: SlowJournal, hub: Hub) -> None:
    """The error is raised for all subscribers that waited, and only for those."""
    await journal.start("a", SHOP)
    journal.failure = OSError("the disk is gone")
    results = await asyncio.gather(watch(hub), watch(hub), return_exceptions=True)
    journal.failure = None
    viewer = await watch(hub)

    assert [type(result) for result in results] == [OSError, OSError]
    assert brief(viewer) == ["snapshot a", "listed shop"]


@pytest.mark.parametrize("failure", [OSError("the disk is gone"), StoreError("the disk is gone")])
async def test_no_event_is_lost_while_the_journal_cannot_be_read(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    """Events wait until the tags of their task can be read."""
    journal.passes_state = False
    monkeypatch.setattr(tag_router, "full_jitter", lambda _failures: 0.0)
    await journal.start("a", "vip", SHOP)
    viewer = await watch(hub, ("tag", "vip"))
    await journal.start("b", "vip")
    await watch(hub)  # its channel is new and has no summary of `a`
    hub._tags._tags_of.clear()
    journal.failure = failure
    asked = journal.reads
    await journal.reach("queue", State.QUEUED, "a")
    await journal.end("a")
    while journal.reads < asked + 3:  # noqa: ASYNC110 -- until the read has been repeated
        await asyncio.sleep(0)
    assert brief(viewer)[-1] == "snapshot b"
    journal.failure = None
    await reads_finished(hub)

    assert_has(viewer, journal, "a", "b")


@pytest.mark.parametrize("failure", [ValueError("not JSON"), StoreDamaged("a", "record")])
async def test_a_task_that_cannot_be_read_does_not_hide_others(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The failure is logged, and its events are dropped."""
    journal.passes_state = False
    await journal.start("a", SHOP)
    await journal.start("b", "vip", SHOP)
    viewer = await watch(hub, ("tag", "vip"))
    hub._tags._tags_of.clear()
    read = journal.stored_task

    async def broken(task: str) -> StoredTask | None:
        if task == "a":
            raise failure
        return await read(task)

    monkeypatch.setattr(journal, "stored_task", broken)
    for task in ("a", "b", "a"):
        await journal.reach("queue" if task == "b" else "accept", State.QUEUED, task)
        await reads_finished(hub)

    assert_has(viewer, journal, "b")
    assert hub._tags._waiting == {}


async def test_tasks_are_read_one_after_the_other(journal: SlowJournal, hub: Hub) -> None:
    """Their events wait, and none is lost."""
    viewer = await watch(hub)
    journal.passes_state = False
    journal.gate.clear()
    await journal.start("a", SHOP)
    await journal.start("b", SHOP)
    await journal.reach("queue", State.QUEUED, "a")
    await journal.reach("queue", State.QUEUED, "b")
    journal.gate.set()
    await reads_finished(hub)

    assert_has(viewer, journal, "a", "b")


async def test_reads_stop_when_the_last_viewer_of_a_tag_leaves(journal: SlowJournal, hub: Hub) -> None:
    """The events that wait are dropped."""
    viewer = await watch(hub)
    journal.passes_state = False
    journal.gate.clear()
    await journal.start("a", SHOP)
    reading = hub._tags._reading
    assert reading is not None
    hub.leave(viewer)
    await asyncio.wait([reading])

    assert reading.cancelled()
    assert hub._tags._reading is None
    assert not hub._tags._waiting


async def test_a_task_that_ends_unread_is_forgotten(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is published about it, so nothing has to be ignored."""
    await watch(hub)
    journal.passes_state = False
    hub._tags._tags_of.clear()

    async def fail(task: str) -> StoredTask | None:
        raise StoreDamaged(task, "record")

    monkeypatch.setattr(journal, "stored_task", fail)
    await journal.end()
    await reads_finished(hub)

    assert not hub._tags._unreadable
    assert not hub._tags._waiting


async def test_a_task_that_cannot_be_read_is_left_out_of_the_list(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal leaves it out of the states; the other tasks are listed."""
    await journal.start("a", SHOP)
    await journal.start("b", SHOP)
    read = journal.snapshots

    async def without_a(tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        return tuple(snapshot for snapshot in await read(tasks) if snapshot.id != "a")

    monkeypatch.setattr(journal, "snapshots", without_a)

    assert brief(await watch(hub)) == ["snapshot b", "listed shop"]


async def test_all_tasks_includes_tasks_with_and_without_tags(journal: SlowJournal, hub: Hub) -> None:
    """Each is sent once, those that exist and those that are started later."""
    await journal.start("tagged", "x", "y")
    await journal.end("tagged")
    viewer = await watch(hub, ALL)
    assert viewer.types == ["snapshot", "snapshot", "listed"]
    assert viewer.messages[-1] == {"type": "listed", "all": True}
    await journal.start("late", "z")
    await journal.start("bare")
    await journal.reach("start", State.RUNNING, "late")
    await journal.log("left out", task="late")
    await journal.end("bare")
    await journal.end(TASK)

    assert viewer.types[3:] == ["snapshot", "snapshot", "start", "done", "done"]
    assert_has(viewer, journal, *journal.states)


async def test_the_list_of_all_tasks_has_100_entries(journal: SlowJournal, hub: Hub) -> None:
    """The others appear with their next event."""
    for number in range(2 * LISTED):
        await journal.start(f"task{number}", "x")
    viewer = await watch(hub, ALL)
    assert viewer.types == ["snapshot"] * LISTED + ["listed"]
    await journal.advance(5.0, task=TASK)
    await reads_finished(hub)

    assert viewer.messages[-1]["task"]["id"] == TASK
    assert viewer.messages[-1]["task"]["progress"]["percent"] == 5.0


async def test_a_stalled_task_is_the_first_of_a_list_that_has_no_room_for_all(
    journal: SlowJournal, hub: Hub, short_list: None
) -> None:
    """However old it is; also for a viewer that joins later, until it goes on."""
    await journal.start("stuck", "x")
    await journal.start("newer", "x")
    await journal.stall("stuck")
    for _ in range(2):
        assert brief(await watch(hub, ALL)) == ["snapshot stuck", "listed None"]
    await journal.stall("stuck", ends=True)
    await journal.advance(5.0, task="newer")
    await reads_finished(hub)
    assert brief(await watch(hub, ALL)) == ["snapshot newer", "listed None"]


async def test_all_tasks_leaves_out_a_task_with_its_own_subscription(journal: SlowJournal, hub: Hub) -> None:
    """It is sent again when that subscription ends."""
    viewer = FakeViewer()
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", TASK))
    await hub.subscribe(viewer, ALL)
    await journal.advance(1.0)
    assert viewer.types == ["snapshot", "listed", "output"]
    hub.unsubscribe(viewer, ("task", TASK))
    await journal.advance(2.0)
    assert viewer.types[3:] == ["snapshot", "output"]


async def test_a_tag_and_all_tasks_each_send_a_task(journal: SlowJournal, hub: Hub) -> None:
    """Ending one subscription does not end the other."""
    viewer = await watch(hub, ALL)
    await hub.subscribe(viewer, ("tag", "x"))
    await journal.start("a", "x")
    assert [message["task"]["id"] for message in viewer.messages[-2:]] == ["a", "a"]
    hub.unsubscribe(viewer, ALL)
    hub.unsubscribe(viewer, ALL)
    await journal.start("b", "x")
    await journal.start("c")
    assert [message["task"]["id"] for message in viewer.messages[-1:]] == ["b"]
    assert viewer.types.count("snapshot") == 4


async def test_a_slow_viewer_of_all_tasks_is_sent_the_tasks_that_have_changed(journal: SlowJournal, hub: Hub) -> None:
    """It gets one summary per task, and every end."""
    for name in ("a", "b", "c"):
        await journal.start(name)
    viewer = await watch(hub, ALL)
    received = len(viewer.types)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.advance(1.0, task="a")
    for percent in range(50):
        await journal.advance(float(percent), task="a")
    await journal.end("b")
    viewer.transport.unread = 0
    sweep(hub)

    assert viewer.types[received:].count("snapshot") == 2
    assert_has(viewer, journal, *journal.states)


async def test_a_subscription_to_all_tasks_can_expire(journal: SlowJournal, hub: Hub, clock: Clock) -> None:
    """Nothing more is sent after that."""
    viewer = await watch(hub, ALL, expires_at=clock.now + 1)
    clock.now += 2
    for _ in range(ROUND_S):
        visit(hub)
    await journal.advance(1.0)
    assert viewer.expired_topics == [ALL]
    assert viewer.types == ["snapshot", "listed", "ping"]
    assert hub.channels == 0


async def test_a_task_that_cannot_be_read_is_read_once(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read again for each of its events."""
    journal.passes_state = False
    viewer = await watch(hub, ALL)
    await journal.start("a")
    hub._tags.channels._channels[ALL]._summaries.clear()
    asked: list[str] = []
    snapshot = journal.snapshot

    async def fail(task: str) -> Snapshot | None:
        asked.append(task)
        if task == "a":
            raise ValueError("it is garbled")
        return await snapshot(task)

    monkeypatch.setattr(journal, "snapshot", fail)
    for percent in (1.0, 2.0, 3.0):
        await journal.advance(percent, task="a")
        await reads_finished(hub)
    await journal.advance(4.0)
    await reads_finished(hub)
    assert asked == ["a", TASK]
    assert viewer.messages[-1]["task"]["id"] == TASK
    await journal.end("a")
    assert hub._tags._unreadable == set()


async def test_the_channel_of_all_tasks_is_removed_with_its_last_viewer(journal: SlowJournal, hub: Hub) -> None:
    """Here the viewer leaves while the list is read."""
    journal.gate.clear()
    viewer = FakeViewer()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ALL))
    await asyncio.sleep(0)
    hub.leave(viewer)
    journal.gate.set()
    await joining
    assert hub.channels == 0
