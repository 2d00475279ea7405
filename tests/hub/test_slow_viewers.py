"""Viewers that read too slowly: what they are sent later, and when they are disconnected."""

from relay.hub.close_codes import TOO_SLOW
from relay.hub.hub import Hub
from relay.hub.slow_viewers import TOO_SLOW_S
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import TASK, Clock, FakeViewer, SlowJournal, join, sweep


async def test_a_viewer_whose_first_snapshot_fills_the_buffer_is_slow(journal: SlowJournal, hub: Hub) -> None:
    """Later events wait until the snapshot has been sent."""
    viewer = FakeViewer()
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", TASK))
    await journal.log("a")

    assert viewer.types == ["snapshot"]


async def test_a_slow_viewer_is_sent_one_snapshot_once_its_buffer_is_empty(journal: SlowJournal, hub: Hub) -> None:
    """There is no backlog: the snapshot replaces the missed events."""
    slow, quick = await join(hub), await join(hub)
    slow.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("the last that is written")
    written = len(slow.transport.written)
    await journal.log("a")
    await journal.log("b", "c")
    sweep(hub)
    assert len(slow.transport.written) == written

    slow.transport.unread = 0
    sweep(hub)
    await journal.log("live again")

    assert slow.types == ["snapshot", "output", "snapshot", "output"]
    assert slow.state() == quick.state() == journal.states[TASK]
    assert quick.types == ["snapshot", *["output"] * 5]


async def test_a_slow_viewer_that_has_missed_nothing_is_sent_no_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """It continues with the next event."""
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    viewer.transport.unread = 0
    sweep(hub)
    await journal.log("b")

    assert viewer.types == ["snapshot", "output", "output"]


async def test_a_slow_viewer_is_sent_the_end_of_a_task_later(journal: SlowJournal, hub: Hub) -> None:
    """Its subscription ends with the final snapshot, not before."""
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    await journal.end()
    sweep(hub)
    assert viewer.ended_tasks == []
    assert hub.channels == 1

    viewer.transport.unread = 0
    sweep(hub)

    state = viewer.state()
    assert state is not None
    assert state.done is not None
    assert viewer.ended_tasks == [TASK]
    assert hub.channels == 0


async def test_a_slow_viewer_that_subscribes_is_sent_the_state_later(journal: SlowJournal, hub: Hub) -> None:
    """This includes a task that has already ended."""
    await journal.start("t2")
    await journal.end("t2")
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    written = len(viewer.transport.written)
    await hub.subscribe(viewer, ("task", "t2"))
    assert len(viewer.transport.written) == written

    viewer.transport.unread = 0
    sweep(hub)

    assert viewer.messages[-1]["task"]["id"] == "t2"
    assert viewer.ended_tasks == ["t2"]


async def test_a_viewer_that_does_not_read_for_a_minute_is_disconnected(
    journal: SlowJournal, hub: Hub, clock: Clock
) -> None:
    """It is closed with 4003."""
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    clock.now += TOO_SLOW_S - 0.1
    sweep(hub)
    assert viewer.closes == []
    clock.now += 0.1
    sweep(hub)

    assert viewer.closes == [TOO_SLOW]
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_a_viewer_that_is_lost_does_not_catch_up(journal: SlowJournal, hub: Hub) -> None:
    """Its transport has dropped the write buffer, and its protocol does not know it yet."""
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    viewer.transport.abort()
    viewer.transport.unread = 0
    sweep(hub)

    assert viewer.slow_since is not None
    assert hub.counts.slow == {("fell_behind",): 1}


async def test_a_viewer_that_is_never_slow_is_sent_what_it_has_missed_at_once(journal: SlowJournal, hub: Hub) -> None:
    """A poll gets the state instead of a very large commit, without waiting for a sweep."""
    viewer = await join(hub)
    await journal.log(*["x" * 30_000] * (FLOOD_BYTES // 30_000 + 1))
    assert viewer.types == ["snapshot"]
    hub.flush(viewer)
    hub.flush(viewer)

    assert viewer.types == ["snapshot", "snapshot"]
    assert viewer.state() == journal.states[TASK]
