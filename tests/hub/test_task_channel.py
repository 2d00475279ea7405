"""The channel of a task: what its viewers are sent, and in which order."""

import asyncio

from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.recent_entries import RECENT_BYTES
from relay.hub.task_channel import FLOOD_BYTES
from tests.hub.fakes import TASK, SlowJournal, join, sweep


async def test_a_subscription_starts_with_a_snapshot_and_continues_with_every_event(
    journal: SlowJournal, hub: Hub
) -> None:
    """The snapshot holds the state so far, and nothing is missing after it."""
    await journal.log("a", "b")
    viewer = await join(hub)
    await journal.log("c")
    await journal.log("d", "e")

    assert viewer.types == ["snapshot", "output", "output", "output"]
    assert viewer.state() == journal.states[TASK]


async def test_the_events_of_one_commit_are_one_write(journal: SlowJournal, hub: Hub) -> None:
    """A burst costs one system call per viewer, not one per event."""
    viewer = await join(hub)
    before = viewer.transport.writes
    await journal.log(*"abcdefghij")

    assert viewer.transport.writes == before + 1


async def test_events_committed_while_the_state_is_read_are_sent_once(journal: SlowJournal, hub: Hub) -> None:
    """They come after the snapshot, without a gap or a duplicate."""
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.log("between")
    journal.gate.set()
    viewer = await joining
    await journal.log("after")

    assert viewer.types == ["snapshot", "output"]
    assert viewer.messages[0]["task"]["seq"] == 2
    assert viewer.state() == journal.states[TASK]


async def test_a_task_that_ends_while_its_state_is_read_ends_the_subscription(journal: SlowJournal, hub: Hub) -> None:
    """The viewer is sent the final state, and the channel is removed."""
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.end()
    journal.gate.set()
    viewer = await joining

    state = viewer.state()
    assert state is not None
    assert state.done is not None
    assert viewer.ended_tasks == [TASK]
    assert hub.channels == 0


async def test_events_that_were_read_before_they_are_published_are_sent_once(journal: SlowJournal, hub: Hub) -> None:
    """The journal may return a commit before its listeners are called."""
    known = await journal.snapshot(TASK)
    journal.hold_commits()
    await journal.log("a", "b")
    joined = await join(hub)
    resumed = await join(hub, Cursor(epoch=journal.epoch, seq=1))
    await journal.log("c")
    after = await join(hub, Cursor(epoch=journal.epoch, seq=1))
    journal.publish_held()

    assert joined.types == ["snapshot", "output"]
    assert resumed.types == after.types == ["resumed", *["output"] * 3]
    assert joined.state() == resumed.state(known) == after.state(known) == journal.states[TASK]


async def test_a_state_that_is_ahead_of_the_published_events_is_not_sent_again(journal: SlowJournal, hub: Hub) -> None:
    """Of two commits during the read one has been published, and the state includes both."""
    journal.fresh = True
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.log("published")
    journal.hold_commits()
    await journal.log("not published yet")
    journal.gate.set()
    viewer = await joining
    journal.publish_held()
    await journal.log("after")

    assert [message.get("seq", 3) for message in viewer.messages] == [3, 4]
    assert viewer.state() == journal.states[TASK]


async def test_a_very_large_commit_is_sent_as_a_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """Otherwise each write buffer would hold all of it."""
    viewer = await join(hub)
    written = len(viewer.transport.written)
    await journal.log(*["x" * 30_000] * (FLOOD_BYTES // 30_000 + 1))
    assert len(viewer.transport.written) == written
    sweep(hub)
    await journal.log("live again")

    assert viewer.types == ["snapshot", "snapshot", "output"]
    assert viewer.state() == journal.states[TASK]


async def test_a_channel_keeps_a_bounded_part_of_the_log(journal: SlowJournal, hub: Hub) -> None:
    """Large events do not increase what is kept for resuming or folding."""
    await join(hub)
    for _ in range(100):
        await journal.log("x" * 30_000)
    (channel,) = hub._tasks._channels.values()

    assert channel._state is not None
    assert sum(len(entry.body) for entry in channel._recent._entries) <= RECENT_BYTES
    assert sum(len(entry.body) for entry in channel._state._unfolded) <= RECENT_BYTES
    assert channel._state.value() == journal.states[TASK]


async def test_subscribing_again_replaces_the_subscription(journal: SlowJournal, hub: Hub) -> None:
    """The viewer is sent a second snapshot, and each event once."""
    viewer = await join(hub)
    await hub.subscribe(viewer, ("task", TASK))
    await journal.log("a")

    assert viewer.types == ["snapshot", "snapshot", "output"]
    hub.leave(viewer)
    assert hub.channels == 0


async def test_the_end_of_one_task_does_not_end_another(journal: SlowJournal, hub: Hub) -> None:
    """A viewer may be subscribed to several tasks."""
    await journal.start("t2")
    viewer = await join(hub)
    await hub.subscribe(viewer, ("task", "t2"))
    await journal.end()
    await journal.log("a", task="t2")

    assert viewer.ended_tasks == [TASK]
    assert [(message["type"], message["task"]) for message in viewer.messages[2:]] == [("done", TASK), ("output", "t2")]
    assert hub.channels == 1
