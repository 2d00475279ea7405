"""The audience of all tasks: a tag's channel that every task belongs to, whatever its tags."""

import asyncio

import pytest

from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.hub.hub import Hub
from relay.hub.rounds import ROUND_S
from relay.hub.tag_channel import LISTED
from relay.hub.topic import ALL
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import TASK, Clock, SlowJournal, Told, short, sweep, visit


async def watch(hub: Hub, *, expires_at: float | None = None) -> Told:
    """Let somebody come who follows all tasks."""
    viewer = Told()
    hub.join(viewer)
    await hub.subscribe(viewer, ALL, expires_at=expires_at)
    return viewer


async def settled(hub: Hub) -> None:
    """Wait until nothing is looked up any more."""
    if (looking_up := hub._tags._reading) is not None:
        await looking_up


def assert_knows_all(viewer: Told, journal: SlowJournal) -> None:
    """See that a viewer's fold is the truth about every task there is."""
    assert {task: short(state) for task, state in viewer.board().items()} == {
        task: short(state) for task, state in journal.states.items()
    }


async def test_every_task_is_listed_and_told_of_whatever_its_tags(journal: SlowJournal, hub: Hub) -> None:
    """Those that were there, those that join, with tags and without; each once."""
    await journal.begin("tagged", "x", "y")
    await journal.end("tagged")
    viewer = await watch(hub)
    assert viewer.types == ["snapshot", "snapshot", "listed"]
    assert viewer.messages[-1] == {"type": "listed", "all": True}
    await journal.begin("late", "z")
    await journal.begin("bare")
    await journal.reach("start", State.RUNNING, "late")
    await journal.say("left out", task="late")
    await journal.end("bare")
    await journal.end(TASK)

    assert viewer.types[3:] == ["snapshot", "snapshot", "start", "done", "done"]
    assert_knows_all(viewer, journal)


async def test_its_list_is_bounded_and_the_rest_comes_when_it_moves(journal: SlowJournal, hub: Hub) -> None:
    """With tens of thousands of tasks the first messages are as many as with a hundred."""
    for number in range(2 * LISTED):
        await journal.begin(f"task{number}", "x")
    viewer = await watch(hub)
    assert viewer.types == ["snapshot"] * LISTED + ["listed"]
    await journal.advance(5.0, task=TASK)
    await settled(hub)

    assert viewer.messages[-1]["task"]["id"] == TASK
    assert viewer.messages[-1]["task"]["progress"]["percent"] == 5.0


async def test_a_task_that_is_followed_itself_is_not_told_of_twice(journal: SlowJournal, hub: Hub) -> None:
    """It is left out of the list and of the news, and handed back when its own subscription ends."""
    viewer = Told()
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", TASK))
    await hub.subscribe(viewer, ALL)
    await journal.advance(1.0)
    assert viewer.types == ["snapshot", "listed", "output"]
    hub.unsubscribe(viewer, ("task", TASK))
    await journal.advance(2.0)
    assert viewer.types[3:] == ["snapshot", "output"]


async def test_a_tag_and_all_tell_of_a_task_each(journal: SlowJournal, hub: Hub) -> None:
    """As two tags do; leaving one leaves the other."""
    viewer = await watch(hub)
    await hub.subscribe(viewer, ("tag", "x"))
    await journal.begin("a", "x")
    assert [message["task"]["id"] for message in viewer.messages[-2:]] == ["a", "a"]
    hub.unsubscribe(viewer, ALL)
    hub.unsubscribe(viewer, ALL)
    await journal.begin("b", "x")
    await journal.begin("c")
    assert [message["task"]["id"] for message in viewer.messages[-1:]] == ["b"]
    assert viewer.types.count("snapshot") == 4


async def test_a_viewer_that_fell_behind_is_given_what_changed(journal: SlowJournal, hub: Hub) -> None:
    """One state for each task that moved, and every end."""
    for name in ("a", "b", "c"):
        await journal.begin(name)
    viewer = await watch(hub)
    told = len(viewer.types)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.advance(1.0, task="a")
    for percent in range(50):
        await journal.advance(float(percent), task="a")
    await journal.end("b")
    viewer.paper.stuck = 0
    sweep(hub)

    assert viewer.types[told:].count("snapshot") == 2
    assert_knows_all(viewer, journal)


async def test_its_right_can_expire(journal: SlowJournal, hub: Hub, clock: Clock) -> None:
    """Nothing more comes from then on."""
    viewer = await watch(hub, expires_at=clock.now + 1)
    clock.now += 2
    for _ in range(ROUND_S):
        visit(hub)
    await journal.advance(1.0)
    assert viewer.expiries == [ALL]
    assert viewer.types == ["snapshot", "listed", "ping"]
    assert hub.channels == 0


async def test_a_task_that_cannot_be_read_hides_no_other_and_is_read_once(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its every event would be another attempt."""
    viewer = await watch(hub)
    await journal.begin("a")
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
        await settled(hub)
    await journal.advance(4.0)
    await settled(hub)
    assert asked == ["a", TASK]
    assert viewer.messages[-1]["task"]["id"] == TASK
    await journal.end("a")
    assert hub._tags._unreadable == set()


async def test_whoever_leaves_while_the_list_is_read_leaves_nothing(journal: SlowJournal, hub: Hub) -> None:
    """The channel goes with its last viewer."""
    journal.gate.clear()
    viewer = Told()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ALL))
    await asyncio.sleep(0)
    hub.leave(viewer)
    journal.gate.set()
    await joining
    assert hub.channels == 0
