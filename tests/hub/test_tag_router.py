"""A tag's audience: which tasks it is shown, what it is told of them, and that nothing is missed or comes twice."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.events import State
from relay.hub import tag_channel as tag_channel_module
from relay.hub import tag_router as router_module
from relay.hub.framing import Framing
from relay.hub.hub import Hub
from relay.hub.rounds import ROUND_S
from relay.hub.tag_channel import LISTED, TagChannel
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.topic import ALL, Topic
from relay.hub.viewer import HIGH_WATER_BYTES
from relay.journal.base import Filter, ListPosition, StoredTask
from tests.hub.fakes import TASK, Clock, SlowJournal, Told, short, sweep, visit

SHOP = "shop"
EMPTY: dict[str, object] = {}


async def watch(hub: Hub, *tags: str, expires_at: float | None = None) -> Told:
    """Let somebody come who subscribes to these tags."""
    viewer = Told()
    hub.join(viewer)
    for tag in tags or (SHOP,):
        await hub.subscribe(viewer, ("tag", tag), expires_at=expires_at)
    return viewer


async def settled(hub: Hub) -> None:
    """Wait until nothing is looked up any more."""
    if (looking_up := hub._tags._reading) is not None:
        await looking_up


def known(viewer: Told) -> list[str]:
    """Return what a viewer was told, in short: the type and of which task or tag."""
    said = []
    for message in viewer.messages:
        about = message["task"]["id"] if message["type"] == "snapshot" else message.get("task", message.get("tag"))
        said.append(f"{message['type']} {about}")
    return said


def assert_knows(viewer: Told, journal: SlowJournal, *tasks: str) -> None:
    """See that a viewer's fold is the truth, for just these tasks."""
    board = viewer.board()
    assert sorted(board) == sorted(tasks)
    assert {task: short(state) for task, state in board.items()} == {
        task: short(journal.states[task]) for task in tasks
    }


async def test_a_tag_begins_with_a_snapshot_of_each_task_and_ends_its_list(journal: SlowJournal, hub: Hub) -> None:
    """Not ended first, newest first; without log and segments; and only the tasks of that tag."""
    for task in ("old", "ended", "new"):
        await journal.begin(task, "else", SHOP)
    await journal.begin("other", "else")
    await journal.say("a line", task="new")
    await journal.answer("an answer", task="new")
    await journal.end("ended")
    viewer = await watch(hub)

    assert known(viewer) == ["snapshot new", "snapshot old", "snapshot ended", "listed shop"]
    assert viewer.messages[0]["at"] == 1000.0
    assert viewer.messages[0]["task"]["log"] == viewer.messages[0]["task"]["segments"] == []
    assert_knows(viewer, journal, "old", "ended", "new")


async def test_a_tag_without_tasks_is_an_empty_list(hub: Hub) -> None:
    """Its first task may come tomorrow."""
    viewer = await watch(hub)

    assert known(viewer) == ["listed shop"]
    assert viewer.messages == [{"type": "listed", "tag": SHOP}]


async def test_a_tag_tells_all_but_logs_and_appends(journal: SlowJournal, hub: Hub) -> None:
    """What the model writes is for who looks at the one task."""
    await journal.begin("a", SHOP)
    viewer = await watch(hub)
    await journal.reach("start", State.RUNNING, "a")
    await journal.say("one", "two", task="a")
    await journal.advance(10.0, 20.0, task="a")
    await journal.answer("text", task="a")
    await journal.end("a")

    assert known(viewer)[2:] == ["start a", "output a", "output a", "done a"]
    assert [message["seq"] for message in viewer.messages[2:]] == [2, 5, 6, 8]
    assert_knows(viewer, journal, "a")


async def test_a_state_that_only_a_line_tells_comes_as_a_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """Else a task that was never said to have started would look as if it waited."""
    await journal.begin("a", SHOP)
    viewer = await watch(hub)
    await journal.say("it runs", task="a")
    await journal.say("and runs", task="a")

    assert known(viewer)[2:] == ["snapshot a"]
    assert_knows(viewer, journal, "a")


async def test_a_task_that_joins_later_begins_with_its_snapshot(journal: SlowJournal, hub: Hub) -> None:
    """No event comes of a task that the viewer has no state of; nothing is read for it."""
    viewer = await watch(hub)
    reads = journal.reads
    await journal.begin("a", SHOP)
    await journal.begin("b", "else")
    await journal.reach("queue", State.QUEUED, "a")

    assert known(viewer)[1:] == ["snapshot a", "queue a"]
    assert journal.reads == reads
    assert_knows(viewer, journal, "a")


async def test_everybody_gets_the_same_bytes_and_a_commit_is_one_write(journal: SlowJournal, hub: Hub) -> None:
    """Framed once per form, however many watch; many tasks of a tag in one commit leave together."""
    tasks = [f"t{number}" for number in range(10, 15)]
    for task in tasks:
        await journal.begin(task, SHOP)
    framed: list[bytes] = []

    def frame(message: bytes, _cursor: str | None) -> bytes:
        framed.append(message)
        return message

    form = Framing("counted", frame, ping_rounds=1)
    viewers = [Told(form) for _ in range(5)]
    for viewer in viewers:
        hub.join(viewer)
        await hub.subscribe(viewer, ("tag", SHOP))
        viewer.paper.written.clear()
        viewer.paper.writes = 0
    framed.clear()
    journal.hold_tail()
    for task in tasks:
        await journal.advance(50.0, task=task)
    journal.catch_tail_up(together=True)

    assert len(framed) == len(tasks)
    assert [bytes(viewer.paper.written) for viewer in viewers] == [b"".join(framed)] * 5
    assert {viewer.paper.writes for viewer in viewers} == {1}


async def test_all_who_come_share_one_reading(journal: SlowJournal, hub: Hub) -> None:
    """A thousand viewers of one board are one question to the store, whenever they come."""
    await journal.begin("a", SHOP)
    await journal.begin("b", SHOP)
    first, *others = await asyncio.gather(*(watch(hub) for _ in range(20)))
    reads = journal.reads
    late = await watch(hub)

    assert journal.reads == reads
    assert {known(viewer)[-1] for viewer in (first, *others, late)} == {"listed shop"}
    assert {len(viewer.messages) for viewer in (first, *others, late)} == {3}


async def test_what_is_committed_while_the_list_is_read_is_not_missed(journal: SlowJournal, hub: Hub) -> None:
    """A new task, an end and a progress between question and answer: each is known when all is quiet."""
    for task in ("a", "b"):
        await journal.begin(task, SHOP)
    journal.gate.clear()
    joining = asyncio.create_task(watch(hub))
    await journal.asked.wait()
    await journal.advance(50.0, task="a")
    await journal.end("b")
    await journal.begin("c", SHOP)
    journal.gate.set()
    viewer = await joining
    await settled(hub)

    assert_knows(viewer, journal, "a", "b", "c")


async def test_a_task_that_comes_by_the_tail_first_is_not_read_over(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list knew of it before the tail, and its state was asked for early: the answer is too old when it comes."""
    page = journal.page

    async def page_then_wait(where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        answer = await page(where, after=after, limit=limit)
        if not where.states:  # the last part of the list
            journal.gate.clear()
            journal.asked.clear()
        return answer

    monkeypatch.setattr(journal, "page", page_then_wait)
    journal.hold_tail()
    await journal.begin("a", SHOP)
    joining = asyncio.create_task(watch(hub))
    while not journal.reads or not journal.asked.is_set():  # noqa: ASYNC110 -- until it waits for the state
        await asyncio.sleep(0)
    await journal.end("a")
    journal.catch_tail_up()
    journal.gate.set()

    assert_knows(await joining, journal, "a")


async def test_what_a_reader_knew_before_the_tail_is_told_once(journal: SlowJournal, hub: Hub) -> None:
    """A commit can be read before its tail is heard."""
    await journal.begin("a", SHOP)
    journal.hold_tail()
    await journal.reach("queue", State.QUEUED, "a")
    viewer = await watch(hub)
    journal.catch_tail_up()
    await journal.reach("accept", State.PREPARING, "a")

    assert known(viewer) == ["snapshot a", "listed shop", "accept a"]


async def test_a_list_has_a_hundred_tasks_and_the_others_appear_when_they_move(journal: SlowJournal, hub: Hub) -> None:
    """What has not ended comes first, however old; what is beyond the list begins with its snapshot, for everybody."""
    tasks = [f"run{number:03}" for number in range(LISTED + 2)]
    for task in tasks:
        await journal.begin(task, SHOP)
    await journal.begin("ended", SHOP)
    await journal.end("ended")
    viewer = await watch(hub)
    assert known(viewer) == [*(f"snapshot {task}" for task in reversed(tasks[2:])), "listed shop"]

    await journal.reach("queue", State.QUEUED, "run000")
    await settled(hub)
    later = await watch(hub)
    assert len(later.messages) == LISTED + 1
    for task in ("run000", "run001", "run101"):
        await journal.reach("accept", State.PREPARING, task)
    await settled(hub)

    assert known(viewer)[LISTED + 1 :] == ["snapshot run000", "snapshot run000", "snapshot run001", "accept run101"]
    assert known(later)[LISTED + 1 :] == ["snapshot run000", "snapshot run001", "accept run101"]
    assert_knows(viewer, journal, *tasks)


async def test_a_place_that_becomes_free_in_a_full_list_is_filled(journal: SlowJournal, hub: Hub) -> None:
    """Whoever comes later sees the tasks that were beyond the list before; whoever was there, once they move."""
    tasks = [f"run{number:03}" for number in range(LISTED + 1)]
    for task in tasks:
        await journal.begin(task, SHOP)
    early = await watch(hub)
    await journal.end("run100")
    late = await watch(hub)
    assert "snapshot run000" in known(late)
    assert "snapshot run000" not in known(early)

    await journal.reach("queue", State.QUEUED, "run000")

    assert known(early)[-1] == "snapshot run000"
    assert_knows(early, journal, *tasks)


async def test_a_busy_tag_keeps_only_a_list_of_what_has_ended(journal: SlowJournal, hub: Hub) -> None:
    """Tasks come and go for days: memory is for those that a list shows."""
    viewer = await watch(hub)
    for number in range(LISTED + 20):
        await journal.begin(f"run{number}", SHOP)
        await journal.end(f"run{number}")
    (channel,) = hub._tags.channels._channels.values()

    assert len(channel._summaries) == LISTED
    assert "run0" not in channel
    assert (hub._tags._tags_of, hub._tags._waiting) == (EMPTY, EMPTY)
    assert known(await watch(hub))[0] == f"snapshot run{LISTED + 19}"
    assert_knows(viewer, journal, *(f"run{number}" for number in range(LISTED + 20)))


async def test_a_task_of_another_tag_is_looked_up_once(journal: SlowJournal, hub: Hub) -> None:
    """An event names no tag: its task's are read at the first, and then known, until it ends."""
    await journal.begin("b", "else")
    viewer = await watch(hub)
    reads = journal.reads
    for number in range(5):
        await journal.advance(float(number), task="b")
        await settled(hub)
    assert journal.reads == reads + 1
    await journal.end("b")

    assert known(viewer) == ["listed shop"]
    assert hub._tags._tags_of == EMPTY


async def test_nobody_watches_nothing_is_remembered(journal: SlowJournal, hub: Hub) -> None:
    """Without a viewer of a tag no event is looked at, and with the last one all is let go."""
    await journal.begin("a", SHOP)
    await journal.reach("queue", State.QUEUED, "a")
    assert hub._tags._tags_of == EMPTY
    one, other = await watch(hub), await watch(hub)
    assert hub.channels == 1
    hub.leave(one)
    hub.unsubscribe(other, ("tag", SHOP))
    hub.unsubscribe(other, ("tag", SHOP))
    await journal.reach("accept", State.PREPARING, "a")

    assert (hub.channels, hub._tags._tags_of, hub._tags._waiting) == (0, EMPTY, EMPTY)
    assert known(other) == ["snapshot a", "listed shop"]


async def test_a_task_of_two_tags_comes_by_each(journal: SlowJournal, hub: Hub) -> None:
    """Each tag tells its own; what comes second repeats a seq, and changes nothing."""
    await journal.begin("a", SHOP, "vip")
    both, one = await watch(hub, SHOP, "vip"), await watch(hub, "vip")
    await journal.reach("queue", State.QUEUED, "a")

    assert known(both) == ["snapshot a", "listed shop", "snapshot a", "listed vip", "queue a", "queue a"]
    assert known(one) == ["snapshot a", "listed vip", "queue a"]


@pytest.fixture
def short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a list have room for one task."""
    for module in (tag_channel_module, router_module):
        monkeypatch.setattr(module, "LISTED", 1)


@pytest.mark.usefixtures("short_list")
async def test_what_happens_while_a_task_is_looked_up_is_not_missed(journal: SlowJournal, hub: Hub) -> None:
    """The answer of a slow store is old when it comes: what was heard since is in the snapshot that is shown."""
    for task in ("a", "b"):
        await journal.begin(task, SHOP)
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
    await settled(hub)

    assert known(viewer) == ["snapshot b", "listed shop", "snapshot a"]
    assert_knows(viewer, journal, "a", "b")
    assert {*hub._tags._tags_of} == {"b"}


@pytest.mark.usefixtures("short_list")
async def test_a_tag_that_opens_later_has_rows_of_its_own(journal: SlowJournal, hub: Hub) -> None:
    """What is known of a task for one tag is not shown for another whose list had no room for it."""
    await journal.begin("a", "vip", SHOP)
    await journal.begin("b", SHOP)
    vip, shop = await watch(hub, "vip"), await watch(hub)
    await journal.reach("queue", State.QUEUED, "a")
    await settled(hub)

    assert known(vip) == ["snapshot a", "listed vip", "snapshot a"]
    assert known(shop) == ["snapshot b", "listed shop", "snapshot a"]


async def test_of_a_task_that_ends_nothing_is_remembered_even_if_it_is_heard_of_only_then(
    journal: SlowJournal, hub: Hub
) -> None:
    """Its tags are looked up for its last event, and never needed again."""
    await journal.begin("b", "else")
    await watch(hub)
    await journal.end("b")
    await settled(hub)

    assert (hub._tags._tags_of, hub._tags._waiting) == (EMPTY, EMPTY)


async def test_a_row_does_not_go_back(journal: SlowJournal) -> None:
    """An answer that was asked for earlier may come later: the list had the newer one."""
    old = journal.states[TASK]
    await journal.advance(1.0)
    channel = TagChannel(("tag", SHOP))
    channel.load(journal.states[TASK])
    viewer = Told()
    channel.begin(viewer, None, 1000.0)
    channel.introduce(old, [], 1000.0)
    channel.flush()

    assert [message["task"]["seq"] for message in viewer.messages[:-1]] == [2]


class TestTogetherWithTheTaskItself:
    """Who is subscribed to a task itself is told of it there, in full, and not by its tags."""

    async def test_an_event_comes_once_and_its_end_too(self, journal: SlowJournal, hub: Hub) -> None:
        """The whole state is not overwritten by a short one, and nothing comes twice."""
        for task in ("a", "b"):
            await journal.begin(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        await journal.say("a line", task="a")
        await journal.advance(10.0, task="a")
        await journal.advance(20.0, task="b")
        await journal.end("a")

        assert known(viewer)[3:] == ["snapshot a", "output a", "output a", "output b", "done a"]
        assert viewer.endings == ["a"]

    async def test_one_commit_of_both_is_told_in_parts(self, journal: SlowJournal, hub: Hub) -> None:
        """Of what a commit has for a tag, it gets what it does not get elsewhere."""
        for task in ("a", "b"):
            await journal.begin(task, SHOP)
        viewer, other = await watch(hub), await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        journal.hold_tail()
        await journal.advance(10.0, task="a")
        await journal.advance(20.0, task="b")
        journal.catch_tail_up(together=True)

        assert known(viewer)[4:] == ["output b", "output a"]
        assert known(other)[3:] == ["output a", "output b"]

    async def test_a_list_leaves_it_out(self, journal: SlowJournal, hub: Hub) -> None:
        """It has more of that task than a list would say."""
        await journal.begin("a", SHOP)
        await journal.begin("b", SHOP)
        viewer = Told()
        hub.join(viewer)
        await hub.subscribe(viewer, ("task", "a"))
        await hub.subscribe(viewer, ("tag", SHOP))

        assert known(viewer) == ["snapshot a", "snapshot b", "listed shop"]

    async def test_unsubscribed_from_the_task_the_tag_goes_on_with_a_snapshot(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """Nothing falls between the one and the other."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        await journal.say("a line", task="a")
        hub.unsubscribe(viewer, ("task", "a"))
        await journal.end("a")

        assert known(viewer)[3:] == ["output a", "snapshot a", "done a"]
        assert viewer.messages[-2]["task"]["log"] == []
        assert_knows(viewer, journal, "a")

    async def test_expired_for_the_task_the_tag_goes_on(self, journal: SlowJournal, hub: Hub, clock: Clock) -> None:
        """The right to the whole is over, the right to the tag is not: the error first, then the row."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"), expires_at=clock.now + 1)
        clock.now += 1
        for _ in range(ROUND_S):
            visit(hub)

        assert viewer.expiries == [("task", "a")]
        assert [each for each in known(viewer) if "ping" not in each][3:] == ["snapshot a"]

    async def test_what_the_task_still_owed_the_tag_owes(self, journal: SlowJournal, hub: Hub) -> None:
        """Unsubscribed while it is behind: the end that it was not told of comes by the tag."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        await journal.end("a")
        hub.unsubscribe(viewer, ("task", "a"))
        viewer.paper.stuck = 0
        sweep(hub)

        assert known(viewer)[-1] == "snapshot a"
        assert_knows(viewer, journal, "a")

    async def test_unsubscribed_while_behind_the_tag_goes_on_once_drained(self, journal: SlowJournal, hub: Hub) -> None:
        """Also where the tag itself owes nothing: the snapshot waits for its turn."""
        for task in ("a", "b"):
            await journal.begin(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="b")
        hub.unsubscribe(viewer, ("task", "a"))
        assert known(viewer)[4:] == ["output b"]
        viewer.paper.stuck = 0
        sweep(hub)

        assert known(viewer)[5:] == ["snapshot a"]

    async def test_who_was_behind_gets_the_whole_end_and_no_short_one(self, journal: SlowJournal, hub: Hub) -> None:
        """The final state has its log; the tag does not write over it, at once or later."""
        for task in ("a", "b"):
            await journal.begin(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.say("a line", task="a")
        await journal.advance(5.0, task="b")
        await journal.end("a")
        viewer.paper.stuck = 0
        sweep(hub)
        assert known(viewer)[4:] == ["output a", "snapshot b", "snapshot a"]
        assert viewer.messages[-1]["task"]["log"] != []

        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(6.0, 7.0, task="b")
        await journal.advance(8.0, task="b")
        viewer.paper.stuck = 0
        sweep(hub)

        assert known(viewer)[7:] == ["output b", "output b", "snapshot b"]


class TestBehind:
    """A viewer that does not read gets the state of what it missed, and goes on."""

    async def test_only_what_has_changed_comes_again(self, journal: SlowJournal, hub: Hub) -> None:
        """No backlog, and no whole list."""
        for task in ("a", "b", "c"):
            await journal.begin(task, SHOP)
        slow, quick = await watch(hub), await watch(hub)
        slow.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        written = len(slow.paper.written)
        for percent in range(2, 50):
            await journal.advance(float(percent), task="b")
        await journal.begin("d", SHOP)
        sweep(hub)
        assert len(slow.paper.written) == written

        slow.paper.stuck = 0
        sweep(hub)
        await journal.advance(50.0, task="b")

        assert known(slow)[4:] == ["output a", "snapshot b", "snapshot d", "output b"]
        assert_knows(slow, journal, "a", "b", "c", "d")
        assert_knows(quick, journal, "a", "b", "c", "d")

    async def test_who_missed_nothing_gets_nothing(self, journal: SlowJournal, hub: Hub) -> None:
        """Being behind is no reason to be told again what one has."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        await journal.say("left out", task="a")
        viewer.paper.stuck = 0
        sweep(hub)

        assert known(viewer) == ["snapshot a", "listed shop", "output a"]

    async def test_an_end_is_never_missed_however_many_there_are(self, journal: SlowJournal, hub: Hub) -> None:
        """It comes piece by piece, and what a viewer may still be owed is not forgotten; once nobody is, it is."""
        tasks = [f"run{number}" for number in range(LISTED + 30)]
        for task in tasks:
            await journal.begin(task, SHOP)
        viewer = await watch(hub)
        for task in tasks:
            await journal.reach("queue", State.QUEUED, task)
            await settled(hub)
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.reach("accept", State.PREPARING, tasks[0])
        for task in tasks:
            await journal.end(task)
        viewer.paper.stuck = 0
        rounds = 0
        while viewer.slow_since is not None:
            before = len(viewer.paper.written)
            sweep(hub)
            rounds += 1
            assert len(viewer.paper.written) - before <= HIGH_WATER_BYTES + 2048
        assert rounds > 1
        assert_knows(viewer, journal, *tasks)

        await journal.begin("last", SHOP)
        (channel,) = hub._tags.channels._channels.values()
        assert len(channel._summaries) == LISTED

    async def test_who_comes_while_behind_gets_the_list_once_drained(self, journal: SlowJournal, hub: Hub) -> None:
        """A tag on a full connection waits its turn."""
        await journal.begin("a", SHOP)
        viewer = Told()
        hub.join(viewer)
        await hub.subscribe(viewer, ("task", TASK))
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.say("a line")
        await hub.subscribe(viewer, ("tag", SHOP))
        await journal.begin("b", SHOP)
        assert known(viewer) == [f"snapshot {TASK}", f"output {TASK}"]

        viewer.paper.stuck = 0
        sweep(hub)
        await journal.reach("queue", State.QUEUED, "a")

        assert known(viewer)[2:] == ["snapshot b", "snapshot a", "listed shop", "queue a"]

    async def test_who_is_filled_by_its_list_is_behind_at_once(self, journal: SlowJournal, hub: Hub) -> None:
        """A list is not small: what comes after it waits until it has gone out."""
        await journal.begin("a", SHOP)
        viewer = Told()
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        hub.join(viewer)
        await hub.subscribe(viewer, ("tag", SHOP))
        await journal.reach("queue", State.QUEUED, "a")

        assert known(viewer) == ["snapshot a", "listed shop"]
        viewer.paper.stuck = 0
        sweep(hub)
        assert known(viewer)[2:] == ["snapshot a"]

    async def test_what_fills_it_again_keeps_it_behind(self, journal: SlowJournal, hub: Hub) -> None:
        """Caught up and full again: its time begins anew, and nothing is written until it has drained."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        viewer.paper.stuck = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, 2.0, task="a")
        await journal.advance(3.0, task="a")
        sizes = iter([0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(viewer, "buffered", lambda: next(sizes, HIGH_WATER_BYTES + 1))
            sweep(hub)

        assert viewer.slow_since == 1000.0
        assert known(viewer)[-1] == "snapshot a"

    async def test_a_flood_is_told_as_states(self, journal: SlowJournal, hub: Hub) -> None:
        """More in one commit than a write buffer should hold is written to nobody."""
        await journal.begin("a", SHOP)
        viewer = await watch(hub)
        written = len(viewer.paper.written)
        await journal.advance(*[50.0] * (FLOOD_BYTES // 200))
        await journal.advance(*[50.0] * (FLOOD_BYTES // 200), task="a")
        assert len(viewer.paper.written) == written
        sweep(hub)

        assert known(viewer)[2:] == ["snapshot a"]
        assert_knows(viewer, journal, "a")


async def test_rights_to_a_tag_end_within_a_round(hub: Hub, journal: SlowJournal, clock: Clock) -> None:
    """A token's time is up: that subscription ends, its viewer hears why, and the channel goes."""
    await journal.begin("a", SHOP)
    viewer = await watch(hub, expires_at=clock.now + 10)
    await hub.subscribe(viewer, ("tag", "vip"), expires_at=clock.now + 1000)
    for _ in range(ROUND_S):
        visit(hub)
    assert viewer.expiries == []
    clock.now += 10
    for _ in range(ROUND_S):
        visit(hub)
    await journal.end("a")

    assert viewer.expiries == [("tag", SHOP)]
    assert "done a" not in known(viewer)
    assert hub.channels == 1


async def test_subscribing_again_begins_anew(journal: SlowJournal, hub: Hub) -> None:
    """A second subscription takes the place of the first: the list again, and each event once."""
    await journal.begin("a", SHOP)
    viewer = await watch(hub, SHOP, SHOP)
    await journal.reach("queue", State.QUEUED, "a")

    assert known(viewer) == [*["snapshot a", "listed shop"] * 2, "queue a"]
    hub.leave(viewer)
    assert hub.channels == 0


async def test_whoever_leaves_while_the_list_is_read_takes_nothing_with_it(journal: SlowJournal, hub: Hub) -> None:
    """The reading goes on for those who came after, and ends without a trace where nobody did."""
    await journal.begin("a", SHOP)
    journal.gate.clear()
    joining = [asyncio.create_task(watch(hub)) for _ in range(2)]
    await journal.asked.wait()
    joining[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining[0]
    journal.gate.set()
    viewer = await joining[1]
    assert known(viewer) == ["snapshot a", "listed shop"]

    hub.leave(viewer)
    for each in list(hub._viewers):
        hub.leave(each)
    assert hub.channels == 0
    assert not hub._tags.channels._loads


async def test_a_viewer_that_is_gone_when_the_list_comes_gets_nothing(journal: SlowJournal, hub: Hub) -> None:
    """Leaving during the reading is leaving: the viewer is not put back into the channel."""
    journal.gate.clear()
    viewer = Told()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("tag", SHOP)))
    await journal.asked.wait()
    hub.leave(viewer)
    journal.gate.set()
    await joining

    assert viewer.messages == []
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_a_store_that_failed_is_asked_again_by_the_next(journal: SlowJournal, hub: Hub) -> None:
    """A failed reading is the failure of those who waited for it, and of nobody after."""
    await journal.begin("a", SHOP)
    journal.failure = OSError("the disk is gone")
    results = await asyncio.gather(watch(hub), watch(hub), return_exceptions=True)
    journal.failure = None
    viewer = await watch(hub)

    assert [type(result) for result in results] == [OSError, OSError]
    assert known(viewer) == ["snapshot a", "listed shop"]


async def test_a_store_that_fails_for_a_while_loses_nothing(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was heard of a task waits until its tags can be read, its end too."""
    monkeypatch.setattr(router_module, "full_jitter", lambda _failures: 0.0)
    await journal.begin("a", "vip", SHOP)
    viewer = await watch(hub, "vip")
    await journal.begin("b", "vip")
    await watch(hub)  # its channel is new: what the other one knows of `a` does not help it
    hub._tags._tags_of.clear()
    journal.failure = OSError("the disk is gone")
    asked = journal.reads
    await journal.reach("queue", State.QUEUED, "a")
    await journal.end("a")
    while journal.reads < asked + 3:  # noqa: ASYNC110 -- until it has been asked again
        await asyncio.sleep(0)
    assert known(viewer)[-1] == "snapshot b"
    journal.failure = None
    await settled(hub)

    assert_knows(viewer, journal, "a", "b")


async def test_a_task_that_cannot_be_read_hides_no_other(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is broken is a line in the log; what is heard of it is kept no longer."""
    await journal.begin("a", SHOP)
    await journal.begin("b", "vip", SHOP)
    viewer = await watch(hub, "vip")
    hub._tags._tags_of.clear()
    read = journal.stored_task

    async def broken(task: str) -> StoredTask | None:
        if task == "a":
            raise ValueError("no JSON")
        return await read(task)

    monkeypatch.setattr(journal, "stored_task", broken)
    for task in ("a", "b", "a"):
        await journal.reach("queue" if task == "b" else "accept", State.QUEUED, task)
        await settled(hub)

    assert_knows(viewer, journal, "b")
    assert hub._tags._waiting == {}


STEPS = st.one_of(
    st.tuples(st.sampled_from(["say", "advance", "run", "end"]), st.integers(0, 5)),
    st.tuples(st.just("begin"), st.integers(0, 3)),
    st.tuples(st.just("watch"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["watch more", "unwatch", "follow", "unfollow", "stick", "drain"]), st.integers(0, 15)),
    st.tuples(st.sampled_from(["shut", "open", "hold tail", "catch up", "sweep"]), st.just(0)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
)
TAGS = ("x", "y", "z", None)
"""What can be watched; null stands for all tasks."""

TAGGED: tuple[tuple[str, ...], ...] = (("x",), ("x", "y"), ("y",), ())


class Play:
    """A journal and a hub, and viewers that come, watch, follow, stop reading and go."""

    def __init__(self) -> None:
        self.journal = SlowJournal(history_events=6)
        self.hub = Hub(self.journal, Clock())
        self.tags_of: dict[str, tuple[str, ...]] = {}
        self.viewers: list[Told] = []
        self.doing: dict[Told, asyncio.Task[None]] = {}

    async def step(self, step: str, number: int) -> None:
        journal, unended = self.journal, [id_ for id_, state in self.journal.states.items() if state.done is None]
        task = unended[number % len(unended)] if unended else None
        match step:
            case "begin":
                name = f"t{len(self.tags_of)}"
                self.tags_of[name] = TAGGED[number]
                await journal.begin(name, *TAGGED[number])
            case "say" if task:
                await journal.say("x", task=task)
            case "advance" if task:
                await journal.advance(1.0, 2.0, task=task)
            case "run" if task:
                await journal.reach("start", State.RUNNING, task)
            case "end" if task:
                await journal.end(task)
            case "watch":
                viewer = Told()
                self.hub.join(viewer)
                self.viewers.append(viewer)
                self._ask(viewer, "watch", TAGS[number])
            case "watch more" | "unwatch" | "follow" | "unfollow" if self.viewers:
                viewer, other = self.viewers[number % len(self.viewers)], number // 4
                names: Sequence[str | None] = list(self.tags_of) if "follow" in step else TAGS
                if names:
                    self._ask(viewer, step, names[other % len(names)])
            case "stick" | "drain" if self.viewers:
                viewer = self.viewers[number % len(self.viewers)]
                viewer.paper.stuck = HIGH_WATER_BYTES + 1 if step == "stick" else 0
            case "sweep":
                sweep(self.hub)
            case "shut":
                journal.gate.clear()
            case "open":
                journal.gate.set()
            case "hold tail":
                journal.hold_tail()
            case "catch up":
                journal.catch_tail_up(together=True)
            case "turn":
                for _ in range(number):
                    await asyncio.sleep(0)
            case _:
                pass  # a wish about what is not there

    def _ask(self, viewer: Told, wish: str, name: str | None) -> None:
        """A connection's wishes are fulfilled one after the other."""
        before = self.doing.get(viewer)

        async def fulfil() -> None:
            if before is not None:
                await before
            match wish:
                case "watch" | "watch more":
                    await self.hub.subscribe(viewer, ("tag", name) if name is not None else ALL)
                case "unwatch":
                    self.hub.unsubscribe(viewer, ("tag", name) if name is not None else ALL)
                case "follow" if name is not None:
                    await self.hub.subscribe(viewer, ("task", name))
                case "unfollow" if name is not None:
                    self.hub.unsubscribe(viewer, ("task", name))
                case _:
                    raise AssertionError(wish)

        self.doing[viewer] = asyncio.create_task(fulfil())

    async def finish(self) -> None:
        """Let everything come to rest."""
        self.journal.catch_tail_up()
        self.journal.gate.set()
        await asyncio.gather(*self.doing.values())
        while self.hub._tags._reading or self.hub._tags.channels._loads or self.hub._tasks._loads:  # noqa: ASYNC110 -- at rest
            await asyncio.sleep(0)
        for viewer in self.viewers:
            viewer.paper.stuck = 0
        sweep(self.hub)

    def check(self, *, all_are_listed: bool) -> None:
        """See that everybody knows the truth about every task that one of its subscriptions shows."""
        for viewer in self.viewers:
            board = viewer.board(twice=True)
            for task, tags in self.tags_of.items():
                if ("task", task) in viewer.subscriptions:
                    assert board[task] == self.journal.states[task]
                elif not {*_topics(tags)}.isdisjoint(viewer.subscriptions) and (all_are_listed or task in board):
                    assert short(board[task]) == short(self.journal.states[task])


def _topics(tags: Sequence[str]) -> list[Topic]:
    return [*(("tag", tag) for tag in tags), ALL]


async def play(steps: Sequence[tuple[str, int]], *, all_are_listed: bool) -> None:
    """Do the steps, end every task, and see that nobody misses an end; then nothing is left."""
    play = Play()
    await play.journal.open(lock=False)
    for step, number in steps:
        await play.step(step, number)
    await play.finish()
    play.check(all_are_listed=all_are_listed)
    for task, state in play.journal.states.items():
        if state.done is None:
            await play.journal.end(task)
    await play.finish()
    play.check(all_are_listed=all_are_listed)
    for viewer in play.viewers:
        play.hub.leave(viewer)
    assert play.hub.channels == 0
    assert (play.hub._tags._tags_of, play.hub._tags._waiting) == (EMPTY, EMPTY)
    play.hub.close()


@pytest.mark.parametrize("listed", [1, 1000])
@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_whatever_happens_in_whatever_order_nobody_misses_a_thing(listed: int, steps: list[tuple[str, int]]) -> None:
    """Tags and tasks on one connection, slow reads, late tails, full buffers: each knows all that it may see."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (tag_channel_module, router_module):
            patch.setattr(module, "LISTED", listed)
        asyncio.run(play(steps, all_are_listed=listed > len(steps)))
