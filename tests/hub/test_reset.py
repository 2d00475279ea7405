"""What viewers are sent when the journal has skipped entries or has changed its epoch."""

import asyncio

import pytest

from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError, StoreDamaged, StoreError
from relay.hub import channels
from relay.hub.close_codes import FAILED
from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.viewer import HIGH_WATER_BYTES
from relay.journal.entries import History
from tests.hub.fakes import SHOP, TASK, SlowJournal, assert_has, join, sweep, watch


async def reloaded(hub: Hub) -> None:
    """Wait until all channels have been read again, then let the hub write to its slow viewers."""
    for registry in (hub._tasks, hub._tags.channels):
        assert registry._reloading is not None
        await registry._reloading
    sweep(hub)


async def test_each_viewer_of_a_task_is_sent_one_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """It has what was skipped, and later events continue it with cursors of the new epoch."""
    one, slow = await join(hub), await join(hub)
    slow.transport.unread = HIGH_WATER_BYTES + 1
    journal.hold_commits()
    await journal.log("skipped")
    journal.skip(epoch="new")
    await reloaded(hub)
    await journal.log("next")
    slow.transport.unread = 0
    sweep(hub)

    assert one.types == ["snapshot", "snapshot", "output"]
    assert slow.types == ["snapshot", "snapshot"]
    assert one.state() == slow.state() == journal.states[TASK]
    assert b"id: new:3\n" in bytes(one.transport.written)
    assert journal.states[TASK].epoch == "new"


async def test_a_viewer_of_a_state_that_has_not_changed_is_sent_nothing(journal: SlowJournal, hub: Hub) -> None:
    """As when a node was declared dead while nothing happened to the task: the viewer has all of it."""
    viewer = await join(hub)
    journal.skip(epoch="new")
    await reloaded(hub)
    journal.skip()
    await reloaded(hub)
    await journal.log("next")

    assert viewer.types == ["snapshot", "snapshot", "output"]
    assert viewer.state() == journal.states[TASK]


async def test_an_event_during_a_reset_that_no_viewer_has_received_leads_to_a_snapshot(
    journal: SlowJournal, hub: Hub
) -> None:
    """Even if it was published: the channel only collects events meanwhile."""
    viewer = await join(hub)
    journal.gate.clear()
    journal.asked.clear()
    journal.skip()
    await journal.asked.wait()
    await journal.log("during")
    journal.gate.set()
    await reloaded(hub)

    assert viewer.types == ["snapshot", "snapshot"]
    assert viewer.state() == journal.states[TASK]


async def test_a_state_that_was_read_before_a_reset_is_not_used(journal: SlowJournal, hub: Hub) -> None:
    """A read that was under way is repeated: what it returns may have been lost."""
    await journal.log("lost")
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.lose()
    journal.skip(epoch="new")
    journal.gate.set()
    viewer = await joining
    await reloaded(hub)

    assert viewer.types == ["snapshot"]
    assert viewer.state() == journal.states[TASK]
    assert journal.states[TASK].seq == 1


async def test_events_of_the_old_epoch_that_were_waiting_are_dropped(journal: SlowJournal, hub: Hub) -> None:
    """Another event has the same `seq` in the new one."""
    viewer = await join(hub)
    journal.skip()
    journal.gate.clear()
    await asyncio.sleep(0)
    await journal.log("lost")
    await journal.lose()
    journal.skip(epoch="new")
    journal.gate.set()
    await reloaded(hub)
    await journal.log("kept")

    assert viewer.state() == journal.states[TASK]
    assert [chunk.text for chunk in journal.states[TASK].log] == ["kept"]


async def test_a_cursor_of_the_old_epoch_leads_to_a_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """The events before it may have been lost."""
    old = Cursor(epoch=journal.epoch, seq=1)
    watcher = await join(hub)
    journal.skip(epoch="new")
    await reloaded(hub)
    resumed = await join(hub, old)
    fresh = await join(hub, Cursor(epoch="new", seq=1))

    assert resumed.types == ["snapshot"]
    assert fresh.types == ["resumed"]
    assert watcher.types == ["snapshot", "snapshot"]


async def test_events_from_before_and_after_a_gap_are_not_sent_together(journal: SlowJournal, hub: Hub) -> None:
    """The skipped ones are read from the journal when a viewer resumes from before them."""
    known = await journal.snapshot(TASK)
    await join(hub)
    await journal.log("before")
    journal.hold_commits()
    await journal.log("skipped")
    journal.skip()
    await reloaded(hub)
    await journal.log("after")
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=1))

    assert viewer.types == ["resumed", "output", "output", "output"]
    assert viewer.state(known) == journal.states[TASK]


async def test_a_reset_while_missed_events_are_read_leads_to_a_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """What was read may not be what the channel has now."""
    await journal.log("a", "b")
    watcher = await join(hub)
    journal.gate.clear()
    journal.asked.clear()
    joining = asyncio.create_task(join(hub, Cursor(epoch=journal.epoch, seq=1)))
    await journal.asked.wait()
    journal.skip()
    journal.gate.set()
    viewer = await joining
    await reloaded(hub)

    assert "resumed" not in viewer.types
    assert viewer.state() == watcher.state() == journal.states[TASK]


async def test_a_cursor_ahead_of_a_channel_that_is_read_again(journal: SlowJournal, hub: Hub) -> None:
    """What was read before a reset is not used, and the viewer is not sent the older state from then either."""
    await join(hub)
    journal.hold_commits()
    await journal.log("a")
    journal.gate.clear()
    journal.asked.clear()
    joining = asyncio.create_task(join(hub, Cursor(epoch=journal.epoch, seq=2)))
    await journal.asked.wait()
    journal.skip()
    journal.gate.set()
    viewer = await joining
    assert viewer.types[0] == "resumed"


async def test_viewers_of_a_task_that_was_lost_are_disconnected(journal: SlowJournal, hub: Hub) -> None:
    """They reconnect and learn whether the task exists, and so does a viewer that was joining."""
    await journal.log("a", "b")
    viewer = await join(hub)
    reading, read_on, read = asyncio.Event(), asyncio.Event(), journal.read

    async def read_slowly(task: str, *, after: int, limit: int) -> History:
        answer = await read(task, after=after, limit=limit)
        reading.set()
        await read_on.wait()
        return answer

    journal.read = read_slowly  # type: ignore[method-assign]
    joining = asyncio.create_task(join(hub, Cursor(epoch=journal.epoch, seq=1)))
    await reading.wait()
    del journal._tasks[TASK]
    journal.skip(epoch="new")
    await reloaded(hub)
    read_on.set()
    with pytest.raises(RequestError) as caught:
        await joining

    assert caught.value.code is Code.NOT_FOUND
    assert viewer.closes == [FAILED]
    assert hub.channels == 0


@pytest.mark.parametrize("error", [StoreDamaged(TASK, "log"), ValueError("a bug")])
async def test_viewers_of_a_state_that_cannot_be_read_are_disconnected(
    journal: SlowJournal, hub: Hub, error: Exception
) -> None:
    """Other channels are not affected."""
    await journal.start("t2")
    viewer, other = await join(hub), await join(hub, task="t2")
    read = journal.snapshot

    async def fail(task: str) -> object:
        if task == TASK:
            raise error
        return await read(task)

    journal.snapshot = fail  # type: ignore[method-assign, assignment]
    journal.skip(epoch="new")
    await reloaded(hub)

    assert viewer.closes == [FAILED]
    assert other.types == ["snapshot", "snapshot"]


async def test_a_failed_read_is_repeated_until_it_succeeds(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers keep what they have during an outage, and a new one gets the error."""
    monkeypatch.setattr(channels, "full_jitter", lambda _failures: 0.0)
    viewer = await join(hub)
    journal.failure = StoreError("the server is down")
    journal.skip(epoch="new")
    with pytest.raises(StoreError):
        await join(hub)
    assert viewer.types == ["snapshot"]
    journal.failure = None
    await reloaded(hub)

    assert viewer.types == ["snapshot", "snapshot"]


async def test_a_second_reset_starts_again(journal: SlowJournal, hub: Hub) -> None:
    """Each viewer still gets one snapshot, of the last epoch."""
    viewer = await join(hub)
    journal.gate.clear()
    journal.asked.clear()
    journal.skip(epoch="second")
    await journal.asked.wait()
    journal.skip(epoch="third")
    journal.gate.set()
    await reloaded(hub)

    assert viewer.types == ["snapshot", "snapshot"]
    assert viewer.state() == journal.states[TASK]
    assert journal.states[TASK].epoch == "third"


async def test_a_tag_is_read_again(journal: SlowJournal, hub: Hub) -> None:
    """Its viewers are sent the tasks that were skipped, and those that have changed."""
    await journal.start("a", SHOP)
    viewer = await watch(hub)
    journal.hold_commits()
    await journal.reach("start", State.RUNNING, "a")
    await journal.start("b", SHOP)
    journal.skip(epoch="new")
    await reloaded(hub)
    await journal.reach("start", State.RUNNING, "b")

    assert_has(viewer, journal, "a", "b")
    assert {state.epoch for state in viewer.tasks().values()} == {"new"}


async def test_a_summary_that_was_read_before_a_reset_is_not_used(journal: SlowJournal, hub: Hub) -> None:
    """The list that is read again would keep it."""
    await journal.start("a", SHOP)
    reading, read_on, read = asyncio.Event(), asyncio.Event(), journal.snapshot

    async def read_slowly(task: str) -> Snapshot | None:
        answer = await read(task)
        reading.set()
        await read_on.wait()
        return answer

    journal.snapshot = read_slowly  # type: ignore[method-assign]
    joining = asyncio.create_task(watch(hub))
    await reading.wait()
    journal.hold_commits()
    await journal.reach("start", State.RUNNING, "a")
    journal.skip()
    read_on.set()
    viewer = await joining
    await reloaded(hub)

    assert_has(viewer, journal, "a")


async def test_a_task_that_left_the_list_is_sent_after_a_reset(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer would show it as running for ever: its end was skipped, and newer tasks fill the list."""
    monkeypatch.setattr("relay.hub.tag_router.LISTED", 1)
    await journal.start("a", SHOP)
    viewer = await watch(hub)
    journal.hold_commits()
    await journal.end("a")
    await journal.start("b", SHOP)
    journal.skip()
    await reloaded(hub)

    assert_has(viewer, journal, "a", "b")


async def test_events_that_wait_for_their_tags_are_dropped_by_a_reset(journal: SlowJournal, hub: Hub) -> None:
    """They may be of the old epoch; the list is read again anyway."""
    viewer = await watch(hub)
    journal.passes_state = False
    journal.gate.clear()
    await journal.start("a", SHOP)
    await journal.log("lost", task="a")
    await journal.lose("a")
    journal.skip(epoch="new")
    journal.gate.set()
    await reloaded(hub)

    assert_has(viewer, journal, "a")
