"""Resuming a task from a cursor: when the missed events are sent, and when a snapshot."""

import asyncio

import pytest

from relay.hub import recent_entries
from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.recent_entries import RECENT_EVENTS
from tests.hub.fakes import TASK, Clock, SlowJournal, join


async def test_a_resumed_subscription_starts_with_the_missed_events(journal: SlowJournal, hub: Hub) -> None:
    """`resumed` gives their number, and live events follow."""
    await journal.log("a", "b", "c")
    known = await journal.snapshot(TASK)
    await journal.log("d", "e")
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=4))
    await journal.log("f")

    head, *events = viewer.messages
    assert head == {"type": "resumed", "task": TASK, "seq": 4, "events": 2, "at": 1000.0}
    assert [event["seq"] for event in events] == [5, 6, 7]
    assert viewer.state(known) == journal.states[TASK]


@pytest.mark.parametrize("missing", [0, 1, RECENT_EVENTS, RECENT_EVENTS + 1])
async def test_up_to_500_missed_events_are_sent_from_memory_or_from_the_journal(
    journal: SlowJournal, hub: Hub, missing: int
) -> None:
    """If more are missing, a snapshot is shorter."""
    watcher = await join(hub)  # it keeps the channel, and with it the memory, alive
    known = await journal.snapshot(TASK)
    for number in range(missing):
        await journal.log(f"{number}")
    cursor = Cursor(epoch=journal.epoch, seq=1)
    from_memory = await join(hub, cursor)
    hub.leave(watcher)
    hub.leave(from_memory)
    assert hub.channels == 0
    from_journal = await join(hub, cursor)

    assert from_memory.messages[1:] == from_journal.messages[1:]
    assert from_memory.types[0] == from_journal.types[0] == ("resumed" if missing <= RECENT_EVENTS else "snapshot")
    assert from_memory.state(known) == from_journal.state(known) == journal.states[TASK]


async def test_a_snapshot_is_sent_if_too_many_events_are_committed_during_the_read(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit applies to what is sent, not to what was missing at first."""
    monkeypatch.setattr(recent_entries, "RECENT_EVENTS", 4)
    watcher = await join(hub)
    for number in range(RECENT_EVENTS):
        await journal.log(f"{number}")
    journal.gate.clear()
    joining = asyncio.create_task(join(hub, Cursor(epoch=journal.epoch, seq=1)))
    journal.asked.clear()
    await journal.asked.wait()
    await journal.log("one too many")
    journal.gate.set()
    viewer = await joining

    assert viewer.types == ["snapshot"]
    assert watcher.state() == viewer.state() == journal.states[TASK]


@pytest.mark.parametrize(("epoch", "seq"), [("another", 1), (None, 3), (None, 999_999)])
async def test_a_foreign_epoch_or_a_cursor_beyond_the_log_gets_a_snapshot(
    journal: SlowJournal, hub: Hub, epoch: str | None, seq: int
) -> None:
    """The viewer has to forget what it has."""
    await journal.log("a")
    viewer = await join(hub, Cursor(epoch=epoch or journal.epoch, seq=seq))

    assert viewer.types == ["snapshot"]


async def test_a_cursor_ahead_of_the_channel_is_resumed(journal: SlowJournal, hub: Hub) -> None:
    """A viewer may come from a node that has received more: its state must not go back."""
    watcher = await join(hub)
    journal.hold_commits()
    await journal.log("a")
    await journal.log("b")
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=2))
    await journal.log("c")
    journal.publish_held()

    assert viewer.types == ["resumed", "output", "output"]
    assert watcher.types == ["snapshot", "output", "output", "output"]
    assert watcher.state() == journal.states[TASK]


async def test_a_cursor_before_the_trimmed_part_of_the_log_gets_a_snapshot() -> None:
    """Events that the journal no longer keeps cannot be sent."""
    journal = SlowJournal(history_events=2)
    await journal.open(lock=False)
    await journal.start()
    await journal.log(*"abcdef", trim=True)
    hub = Hub(journal, Clock())
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=2))

    assert viewer.types == ["snapshot"]
    hub.close()
