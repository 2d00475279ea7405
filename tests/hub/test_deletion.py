"""What viewers are sent when a task is deleted."""

import asyncio

import pytest

from relay.errors import RequestError
from relay.hub import tag_channel
from relay.hub.hub import Hub
from relay.hub.topic import ALL
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import SHOP, SlowJournal, brief, join, reads_finished, sweep, watch


async def delete(journal: SlowJournal, task: str) -> None:
    """End a task and delete it."""
    await journal.end(task)
    await journal.deletions.delete([task], at=1.0, upstream=False)


async def test_boards_forget_a_deleted_task(journal: SlowJournal, hub: Hub) -> None:
    """Viewers of its tags and of all tasks are told; a later viewer is not sent it."""
    await journal.start("a", SHOP)
    await journal.start("b", "else")
    viewer, everything, other = await watch(hub), await watch(hub, ALL), await watch(hub, ("tag", "else"))
    await delete(journal, "a")
    later = await watch(hub)

    assert brief(viewer)[-2:] == ["done a", "deleted a"]
    assert brief(everything)[-1] == "deleted a"
    assert "deleted a" not in brief(other)
    assert brief(later) == ["listed shop"]
    assert viewer.messages[-1] == {"type": "deleted", "task": "a", "at": 1000.0}


async def test_a_slow_viewer_of_a_board_is_told_later(journal: SlowJournal, hub: Hub) -> None:
    """With what else it has missed."""
    for task in "ab":
        await journal.start(task, SHOP)
    viewer = await watch(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.advance(1.0, task="a")
    await delete(journal, "a")
    await journal.end("b")
    before = len(viewer.messages)
    viewer.transport.unread = 0
    sweep(hub)

    assert sorted(brief(viewer)[before:]) == ["deleted a", "snapshot b"]
    await journal.start("c", SHOP)
    assert hub._tags.channels["tag", SHOP]._deleted == {}


async def test_a_board_remembers_tasks_that_have_left_its_list(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers may still show them. Only the last ones are remembered."""
    monkeypatch.setattr(tag_channel, "LISTED", 1)
    monkeypatch.setattr(tag_channel, "DROPPED", 1)
    viewer = await watch(hub)
    for task in ("a", "b", "c"):
        await journal.start(task, SHOP)
        await journal.end(task)
    for task in ("a", "b", "c"):
        await journal.deletions.delete([task], at=1.0, upstream=False)

    assert [line for line in brief(viewer) if line.startswith("deleted")] == ["deleted b", "deleted c"]


async def test_a_viewer_of_the_task_that_has_missed_its_end_is_told(journal: SlowJournal, hub: Hub) -> None:
    """It is slow, for example. Its subscription ends, and so does every new one."""
    await journal.start("a", SHOP)
    viewer = await join(hub, task="a")
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.advance(1.0, task="a")
    await delete(journal, "a")

    assert brief(viewer)[-1] == "deleted a"
    assert viewer.subscriptions == {}
    with pytest.raises(RequestError, match="was deleted"):
        await join(hub, task="a")


async def test_a_state_that_was_read_before_the_deletion_is_not_used(journal: SlowJournal, hub: Hub) -> None:
    """Neither for a viewer of the task nor for one of its tag."""
    await journal.start("a", SHOP)
    await journal.end("a")
    journal.gate.clear()
    joining = [asyncio.create_task(join(hub, task="a")), asyncio.create_task(watch(hub))]
    await journal.asked.wait()
    await journal.deletions.delete(["a"], at=1.0, upstream=False)
    journal.gate.set()
    with pytest.raises(RequestError, match="was deleted"):
        await joining[0]
    assert "snapshot a" not in brief(await joining[1])


async def test_events_of_a_deleted_task_do_not_wait_for_its_tags(journal: SlowJournal, hub: Hub) -> None:
    """On a node that does not know the task, they are dropped."""
    await journal.start("a", SHOP)
    await watch(hub, ("tag", "else"))
    journal.passes_state = False
    journal.gate.clear()
    await journal.log("one", task="a")
    await delete(journal, "a")
    journal.gate.set()
    await reads_finished(hub)
    assert hub._tags._waiting == {}
    assert hub._tags._tags_of == {}
