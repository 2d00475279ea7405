"""The channel of a tag: its list, the events that it forwards, and slow viewers."""

import pytest

from relay.core.events import State
from relay.hub.cursor import Cursor
from relay.hub.framing import Framing
from relay.hub.hub import Hub
from relay.hub.rounds import ROUND_S
from relay.hub.tag_channel import LISTED, TagChannel
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.viewer import HIGH_WATER_BYTES
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


async def test_a_tag_starts_with_a_summary_of_each_task_and_listed(journal: SlowJournal, hub: Hub) -> None:
    """Tasks that have not ended come first, then the newest; a summary has no log and no segments."""
    for task in ("old", "ended", "new"):
        await journal.start(task, "else", SHOP)
    await journal.start("other", "else")
    await journal.log("a line", task="new")
    await journal.append_text("an answer", task="new")
    await journal.end("ended")
    viewer = await watch(hub)

    assert brief(viewer) == ["snapshot new", "snapshot old", "snapshot ended", "listed shop"]
    assert viewer.messages[0]["at"] == 1000.0
    assert viewer.messages[0]["task"]["log"] == viewer.messages[0]["task"]["segments"] == []
    assert_has(viewer, journal, "old", "ended", "new")


async def test_a_tag_without_tasks_starts_with_an_empty_list(hub: Hub) -> None:
    """Its first task may be started later."""
    viewer = await watch(hub)

    assert brief(viewer) == ["listed shop"]
    assert viewer.messages == [{"type": "listed", "tag": SHOP}]


async def test_the_list_leaves_out_the_states_that_the_viewer_has(journal: SlowJournal, hub: Hub) -> None:
    """What happens to them later is sent as to any other viewer."""
    for task in ("same", "changed", "logged", "rewritten", "new"):
        await journal.start(task, SHOP)
    known = {task: Cursor(epoch=journal.epoch, seq=1) for task in ("same", "changed", "logged", "deleted")}
    known["rewritten"] = Cursor(epoch="another", seq=1)
    await journal.reach("queue", State.QUEUED, "changed")
    await journal.log("a line", task="logged")
    viewer = FakeViewer()
    hub.join(viewer)
    await hub.subscribe(viewer, ("tag", SHOP), known=known)

    listed = brief(viewer)
    assert sorted(listed[:-1]) == ["snapshot changed", "snapshot logged", "snapshot new", "snapshot rewritten"]
    assert listed[-1] == "listed shop"
    await journal.reach("queue", State.QUEUED, "same")
    assert brief(viewer)[len(listed) :] == ["queue same"]


async def test_a_tag_forwards_all_events_except_logs_and_appends(journal: SlowJournal, hub: Hub) -> None:
    """Text is sent only to viewers of the task itself."""
    await journal.start("a", SHOP)
    viewer = await watch(hub)
    await journal.reach("start", State.RUNNING, "a")
    await journal.log("one", "two", task="a")
    await journal.advance(10.0, 20.0, task="a")
    await journal.append_text("text", task="a")
    await journal.end("a")

    assert brief(viewer)[2:] == ["start a", "output a", "output a", "done a"]
    assert [message["seq"] for message in viewer.messages[2:]] == [2, 5, 6, 8]
    assert_has(viewer, journal, "a")


async def test_a_state_that_a_log_event_brings_is_sent_as_a_summary(journal: SlowJournal, hub: Hub) -> None:
    """Otherwise a running task would look as if it were queued."""
    await journal.start("a", SHOP)
    viewer = await watch(hub)
    await journal.log("it runs", task="a")
    await journal.log("and runs", task="a")

    assert brief(viewer)[2:] == ["snapshot a"]
    assert_has(viewer, journal, "a")


async def test_a_task_that_is_started_later_begins_with_its_summary(journal: SlowJournal, hub: Hub) -> None:
    """Nothing is read from the journal for it."""
    viewer = await watch(hub)
    reads = journal.reads
    await journal.start("a", SHOP)
    await journal.start("b", "else")
    await journal.reach("queue", State.QUEUED, "a")

    assert brief(viewer)[1:] == ["snapshot a", "queue a"]
    assert journal.reads == reads
    assert_has(viewer, journal, "a")


async def test_a_commit_is_encoded_once_per_framing_and_is_one_write_per_viewer(journal: SlowJournal, hub: Hub) -> None:
    """This holds for several tasks of a tag as well."""
    tasks = [f"t{number}" for number in range(10, 15)]
    for task in tasks:
        await journal.start(task, SHOP)
    framed: list[bytes] = []

    def frame(message: bytes, _cursor: str | None) -> bytes:
        framed.append(message)
        return message

    form = Framing("counted", frame)
    viewers = [FakeViewer(form) for _ in range(5)]
    for viewer in viewers:
        hub.join(viewer)
        await hub.subscribe(viewer, ("tag", SHOP))
        viewer.transport.written.clear()
        viewer.transport.writes = 0
    framed.clear()
    journal.hold_commits()
    for task in tasks:
        await journal.advance(50.0, task=task)
    journal.publish_held(together=True)

    assert len(framed) == len(tasks)
    assert [bytes(viewer.transport.written) for viewer in viewers] == [b"".join(framed)] * 5
    assert {viewer.transport.writes for viewer in viewers} == {1}


async def test_a_list_has_100_tasks_and_the_others_appear_with_their_next_event(journal: SlowJournal, hub: Hub) -> None:
    """Tasks that have not ended come first, however old they are."""
    tasks = [f"run{number:03}" for number in range(LISTED + 2)]
    for task in tasks:
        await journal.start(task, SHOP)
    await journal.start("ended", SHOP)
    await journal.end("ended")
    viewer = await watch(hub)
    assert brief(viewer) == [*(f"snapshot {task}" for task in reversed(tasks[2:])), "listed shop"]

    await journal.reach("queue", State.QUEUED, "run000")
    await reads_finished(hub)
    later = await watch(hub)
    assert len(later.messages) == LISTED + 1
    for task in ("run000", "run001", "run101"):
        await journal.reach("accept", State.PREPARING, task)
    await reads_finished(hub)

    assert brief(viewer)[LISTED + 1 :] == ["snapshot run000", "snapshot run000", "snapshot run001", "accept run101"]
    assert brief(later)[LISTED + 1 :] == ["snapshot run000", "snapshot run001", "accept run101"]
    assert_has(viewer, journal, *tasks)


async def test_a_task_that_did_not_fit_is_listed_once_there_is_room(journal: SlowJournal, hub: Hub) -> None:
    """Viewers that were there before are sent it with its next event."""
    tasks = [f"run{number:03}" for number in range(LISTED + 1)]
    for task in tasks:
        await journal.start(task, SHOP)
    early = await watch(hub)
    await journal.end("run100")
    late = await watch(hub)
    assert "snapshot run000" in brief(late)
    assert "snapshot run000" not in brief(early)

    await journal.reach("queue", State.QUEUED, "run000")

    assert brief(early)[-1] == "snapshot run000"
    assert_has(early, journal, *tasks)


async def test_a_busy_tag_keeps_as_many_ended_tasks_as_a_list_has(journal: SlowJournal, hub: Hub) -> None:
    """Memory does not grow with the number of tasks that end."""
    viewer = await watch(hub)
    for number in range(LISTED + 20):
        await journal.start(f"run{number}", SHOP)
        await journal.end(f"run{number}")
    (channel,) = hub._tags.channels._channels.values()

    assert len(channel._summaries) == LISTED
    assert "run0" not in channel
    assert not hub._tags._tags_of
    assert not hub._tags._waiting
    assert brief(await watch(hub))[0] == f"snapshot run{LISTED + 19}"
    assert_has(viewer, journal, *(f"run{number}" for number in range(LISTED + 20)))


async def test_an_older_state_does_not_replace_a_newer_one(journal: SlowJournal) -> None:
    """A read that began earlier may return later."""
    old = journal.states[TASK]
    await journal.advance(1.0)
    channel = TagChannel(("tag", SHOP))
    channel.load(journal.states[TASK])
    viewer = FakeViewer()
    channel.begin(viewer, None, 1000.0, {})
    channel.introduce(old, [], 1000.0)
    channel.flush()

    assert [message["task"]["seq"] for message in viewer.messages[:-1]] == [2]


async def test_subscribing_again_replaces_the_subscription(journal: SlowJournal, hub: Hub) -> None:
    """The viewer is sent the list again, and each event once."""
    await journal.start("a", SHOP)
    viewer = await watch(hub, ("tag", SHOP), ("tag", SHOP))
    await journal.reach("queue", State.QUEUED, "a")

    assert brief(viewer) == [*["snapshot a", "listed shop"] * 2, "queue a"]
    hub.leave(viewer)
    assert hub.channels == 0


async def test_events_that_were_read_before_they_are_published_are_sent_once(journal: SlowJournal, hub: Hub) -> None:
    """The journal may return a commit before its listeners are called."""
    await journal.start("a", SHOP)
    journal.hold_commits()
    await journal.reach("queue", State.QUEUED, "a")
    viewer = await watch(hub)
    journal.publish_held()
    await journal.reach("accept", State.PREPARING, "a")

    assert brief(viewer) == ["snapshot a", "listed shop", "accept a"]


class TestWithASubscriptionToTheTask:
    """A task to which the viewer is subscribed directly is sent there, in full, and left out of its tags."""

    async def test_each_event_is_sent_once(self, journal: SlowJournal, hub: Hub) -> None:
        """Neither an event nor the end comes from both channels."""
        for task in ("a", "b"):
            await journal.start(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        await journal.log("a line", task="a")
        await journal.advance(10.0, task="a")
        await journal.advance(20.0, task="b")
        await journal.end("a")

        assert brief(viewer)[3:] == ["snapshot a", "output a", "output a", "output b", "done a"]
        assert viewer.ended_tasks == ["a"]

    async def test_unsubscribing_from_a_task_without_the_tag_sends_nothing(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """The tag does not show that task."""
        viewer = await watch(hub, ("tag", SHOP), ("task", TASK))
        hub.unsubscribe(viewer, ("task", TASK))

        assert brief(viewer) == ["listed shop", f"snapshot {TASK}"]

    async def test_a_slow_viewer_that_has_missed_only_the_task_is_sent_nothing_by_the_tag(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """The task channel sends its state."""
        await journal.start("a", SHOP)
        viewer = await watch(hub, ("task", "a"), ("tag", SHOP))
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.log("a line", task="a")
        await journal.advance(1.0, task="a")
        viewer.transport.unread = 0
        sweep(hub)

        assert brief(viewer) == ["snapshot a", "listed shop", "output a", "snapshot a"]
        assert viewer.messages[-1]["task"]["log"] != []

    async def test_a_commit_of_both_tasks_is_split(self, journal: SlowJournal, hub: Hub) -> None:
        """The tag sends the part that the task channel does not."""
        for task in ("a", "b"):
            await journal.start(task, SHOP)
        viewer, other = await watch(hub), await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        journal.hold_commits()
        await journal.advance(10.0, task="a")
        await journal.advance(20.0, task="b")
        journal.publish_held(together=True)

        assert brief(viewer)[4:] == ["output b", "output a"]
        assert brief(other)[3:] == ["output a", "output b"]

    async def test_the_list_leaves_the_task_out(self, journal: SlowJournal, hub: Hub) -> None:
        """The viewer has more of the task than a summary."""
        await journal.start("a", SHOP)
        await journal.start("b", SHOP)
        viewer = FakeViewer()
        hub.join(viewer)
        await hub.subscribe(viewer, ("task", "a"))
        await hub.subscribe(viewer, ("tag", SHOP))

        assert brief(viewer) == ["snapshot a", "snapshot b", "listed shop"]

    async def test_the_tag_sends_a_summary_when_the_task_is_unsubscribed(self, journal: SlowJournal, hub: Hub) -> None:
        """No event is lost in between."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        await journal.log("a line", task="a")
        hub.unsubscribe(viewer, ("task", "a"))
        await journal.end("a")

        assert brief(viewer)[3:] == ["output a", "snapshot a", "done a"]
        assert viewer.messages[-2]["task"]["log"] == []
        assert_has(viewer, journal, "a")

    async def test_the_tag_sends_a_summary_when_the_task_subscription_expires(
        self, journal: SlowJournal, hub: Hub, clock: Clock
    ) -> None:
        """The error comes first."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"), expires_at=clock.now + 1)
        clock.now += 1
        for _ in range(ROUND_S):
            visit(hub)

        assert viewer.expired_topics == [("task", "a")]
        assert [each for each in brief(viewer) if "ping" not in each][3:] == ["snapshot a"]

    async def test_a_slow_viewer_that_unsubscribes_from_the_task_is_sent_its_end(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """The tag sends the end that the task channel has not."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        await journal.end("a")
        hub.unsubscribe(viewer, ("task", "a"))
        viewer.transport.unread = 0
        sweep(hub)

        assert brief(viewer)[-1] == "snapshot a"
        assert_has(viewer, journal, "a")

    async def test_a_slow_viewer_that_unsubscribes_is_sent_the_summary_later(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """This holds even if it has missed nothing of the tag."""
        for task in ("a", "b"):
            await journal.start(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="b")
        hub.unsubscribe(viewer, ("task", "a"))
        assert brief(viewer)[4:] == ["output b"]
        viewer.transport.unread = 0
        sweep(hub)

        assert brief(viewer)[5:] == ["snapshot a"]

    async def test_a_slow_viewer_is_sent_the_full_final_state_and_no_summary(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """A summary without the log would overwrite it."""
        for task in ("a", "b"):
            await journal.start(task, SHOP)
        viewer = await watch(hub)
        await hub.subscribe(viewer, ("task", "a"))
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.log("a line", task="a")
        await journal.advance(5.0, task="b")
        await journal.end("a")
        viewer.transport.unread = 0
        sweep(hub)
        assert brief(viewer)[4:] == ["output a", "snapshot b", "snapshot a"]
        assert viewer.messages[-1]["task"]["log"] != []

        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(6.0, 7.0, task="b")
        await journal.advance(8.0, task="b")
        viewer.transport.unread = 0
        sweep(hub)

        assert brief(viewer)[7:] == ["output b", "output b", "snapshot b"]


class TestSlowViewers:
    """A slow viewer is later sent the summaries of the tasks that have changed."""

    async def test_only_tasks_that_have_changed_are_sent_again(self, journal: SlowJournal, hub: Hub) -> None:
        """There is no backlog and no second list."""
        for task in ("a", "b", "c"):
            await journal.start(task, SHOP)
        slow, quick = await watch(hub), await watch(hub)
        slow.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        written = len(slow.transport.written)
        for percent in range(2, 50):
            await journal.advance(float(percent), task="b")
        await journal.start("d", SHOP)
        sweep(hub)
        assert len(slow.transport.written) == written

        slow.transport.unread = 0
        sweep(hub)
        await journal.advance(50.0, task="b")

        assert brief(slow)[4:] == ["output a", "snapshot b", "snapshot d", "output b"]
        assert_has(slow, journal, "a", "b", "c", "d")
        assert_has(quick, journal, "a", "b", "c", "d")

    async def test_a_viewer_that_has_missed_nothing_is_sent_nothing(self, journal: SlowJournal, hub: Hub) -> None:
        """It continues with the next event."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, task="a")
        await journal.log("left out", task="a")
        viewer.transport.unread = 0
        sweep(hub)

        assert brief(viewer) == ["snapshot a", "listed shop", "output a"]

    async def test_no_end_of_a_task_is_missed(self, journal: SlowJournal, hub: Hub) -> None:
        """A large number of summaries is sent in parts, and none is dropped before that."""
        tasks = [f"run{number}" for number in range(LISTED + 30)]
        for task in tasks:
            await journal.start(task, SHOP)
        viewer = await watch(hub)
        for task in tasks:
            await journal.reach("queue", State.QUEUED, task)
            await reads_finished(hub)
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.reach("accept", State.PREPARING, tasks[0])
        for task in tasks:
            await journal.end(task)
        viewer.transport.unread = 0
        rounds = 0
        while viewer.slow_since is not None:
            before = len(viewer.transport.written)
            sweep(hub)
            rounds += 1
            assert len(viewer.transport.written) - before <= HIGH_WATER_BYTES + 2048
        assert rounds > 1
        assert_has(viewer, journal, *tasks)

        await journal.start("last", SHOP)
        (channel,) = hub._tags.channels._channels.values()
        assert len(channel._summaries) == LISTED

    async def test_a_viewer_that_subscribes_while_slow_is_sent_the_list_later(
        self, journal: SlowJournal, hub: Hub
    ) -> None:
        """The list is that of the later time."""
        await journal.start("a", SHOP)
        viewer = FakeViewer()
        hub.join(viewer)
        await hub.subscribe(viewer, ("task", TASK))
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.log("a line")
        await hub.subscribe(viewer, ("tag", SHOP))
        await journal.start("b", SHOP)
        assert brief(viewer) == [f"snapshot {TASK}", f"output {TASK}"]

        viewer.transport.unread = 0
        sweep(hub)
        await journal.reach("queue", State.QUEUED, "a")

        assert brief(viewer)[2:] == ["snapshot b", "snapshot a", "listed shop", "queue a"]

    async def test_a_viewer_whose_list_fills_the_buffer_is_slow(self, journal: SlowJournal, hub: Hub) -> None:
        """Later events wait until the list has been sent."""
        await journal.start("a", SHOP)
        viewer = FakeViewer()
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        hub.join(viewer)
        await hub.subscribe(viewer, ("tag", SHOP))
        await journal.reach("queue", State.QUEUED, "a")

        assert brief(viewer) == ["snapshot a", "listed shop"]
        viewer.transport.unread = 0
        sweep(hub)
        assert brief(viewer)[2:] == ["snapshot a"]

    async def test_a_list_that_is_sent_later_is_whole(self, journal: SlowJournal, hub: Hub) -> None:
        """The states that the viewer had when it subscribed may be outdated by then."""
        await journal.start("a", SHOP)
        viewer = FakeViewer()
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        hub.join(viewer)
        await hub.subscribe(viewer, ("tag", "else"))
        await hub.subscribe(viewer, ("tag", SHOP), known={"a": Cursor(epoch=journal.epoch, seq=1)})
        assert brief(viewer) == ["listed else"]

        viewer.transport.unread = 0
        sweep(hub)
        assert brief(viewer)[1:] == ["snapshot a", "listed shop"]

    async def test_a_viewer_that_catching_up_fills_again_stays_slow(self, journal: SlowJournal, hub: Hub) -> None:
        """Its time limit starts again."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        viewer.transport.unread = HIGH_WATER_BYTES + 1
        await journal.advance(1.0, 2.0, task="a")
        await journal.advance(3.0, task="a")
        sizes = iter([0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(viewer, "buffered", lambda: next(sizes, HIGH_WATER_BYTES + 1))
            sweep(hub)

        assert viewer.slow_since == 1000.0
        assert brief(viewer)[-1] == "snapshot a"

    async def test_a_very_large_commit_is_sent_as_summaries(self, journal: SlowJournal, hub: Hub) -> None:
        """Otherwise each write buffer would hold all of it."""
        await journal.start("a", SHOP)
        viewer = await watch(hub)
        written = len(viewer.transport.written)
        await journal.advance(*[50.0] * (FLOOD_BYTES // 200))
        await journal.advance(*[50.0] * (FLOOD_BYTES // 200), task="a")
        assert len(viewer.transport.written) == written
        sweep(hub)

        assert brief(viewer)[2:] == ["snapshot a"]
        assert_has(viewer, journal, "a")
