"""Who is told what, and in which order: a hub over a journal in memory, and viewers that write down what they get."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError
from relay.hub import recent_entries as recent_module
from relay.hub.close_codes import DRAINING, TOO_SLOW
from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.recent_entries import RECENT_BYTES, RECENT_EVENTS
from relay.hub.rounds import ROUND_S
from relay.hub.slow_viewers import TOO_SLOW_S
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import TASK, Clock, SlowJournal, Told, sweep, visit


async def join(hub: Hub, cursor: Cursor | None = None, *, expires_at: float | None = None, task: str = TASK) -> Told:
    viewer = Told()
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", task), cursor, expires_at=expires_at)
    return viewer


async def test_whoever_joins_gets_one_snapshot_and_then_every_event(journal: SlowJournal, hub: Hub) -> None:
    """The state, then the log from there on."""
    await journal.say("a", "b")
    viewer = await join(hub)
    await journal.say("c")
    await journal.say("d", "e")

    assert viewer.types == ["snapshot", "output", "output", "output"]
    assert viewer.story() == journal.states[TASK]


async def test_events_of_one_commit_leave_in_one_write(journal: SlowJournal, hub: Hub) -> None:
    """A burst costs one system call a viewer, not one an event."""
    viewer = await join(hub)
    before = viewer.paper.writes
    await journal.say(*"abcdefghij")

    assert viewer.paper.writes == before + 1


async def test_what_is_committed_while_the_state_is_read_is_told_once(journal: SlowJournal, hub: Hub) -> None:
    """The channel hears before it reads: what falls between comes after the state, neither twice nor never."""
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.say("between")
    journal.gate.set()
    viewer = await joining
    await journal.say("after")

    assert viewer.types == ["snapshot", "output"]
    assert viewer.messages[0]["task"]["seq"] == 2
    assert viewer.story() == journal.states[TASK]


async def test_an_end_that_falls_between_is_not_missed(journal: SlowJournal, hub: Hub) -> None:
    """`done` while the state is read: the viewer gets a final state and is let go."""
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.end()
    journal.gate.set()
    viewer = await joining

    state = viewer.story()
    assert state is not None
    assert state.done is not None
    assert viewer.endings == [TASK]
    assert hub.channels == 0


async def test_what_a_reader_knew_before_the_tail_is_told_once(journal: SlowJournal, hub: Hub) -> None:
    """A commit can be read before its tail is heard: whoever got it in the state or a resume does not get it again."""
    known = await journal.snapshot(TASK)
    journal.hold_tail()
    await journal.say("a", "b")
    joined = await join(hub)
    resumed = await join(hub, Cursor(epoch=journal.epoch, seq=1))
    await journal.say("c")
    after = await join(hub, Cursor(epoch=journal.epoch, seq=1))
    journal.catch_tail_up()

    assert joined.types == ["snapshot", "output"]
    assert resumed.types == after.types == ["resumed", *["output"] * 3]
    assert joined.story() == resumed.story(known) == after.story(known) == journal.states[TASK]


async def test_a_state_that_is_ahead_of_what_was_heard_is_not_told_again(journal: SlowJournal, hub: Hub) -> None:
    """Of two commits during the reading the tail has told one, and the state has both."""
    journal.fresh = True
    journal.gate.clear()
    joining = asyncio.create_task(join(hub))
    await journal.asked.wait()
    await journal.say("heard")
    journal.hold_tail()
    await journal.say("not heard yet")
    journal.gate.set()
    viewer = await joining
    journal.catch_tail_up()
    await journal.say("after")

    assert [message.get("seq", 3) for message in viewer.messages] == [3, 4]
    assert viewer.story() == journal.states[TASK]


async def test_a_viewer_whom_its_first_state_fills_is_behind_at_once(journal: SlowJournal, hub: Hub) -> None:
    """A state is not small: the events after it wait until it has gone out."""
    viewer = Told()
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", TASK))
    await journal.say("a")

    assert viewer.types == ["snapshot"]


async def test_all_who_come_at_once_share_one_reading(journal: SlowJournal, hub: Hub) -> None:
    """A thousand viewers of one task are one question to the store."""
    viewers = await asyncio.gather(*(join(hub) for _ in range(20)))

    assert journal.reads == 1
    assert {viewer.story() == journal.states[TASK] for viewer in viewers} == {True}


async def test_the_first_to_come_may_leave_while_the_state_is_read(journal: SlowJournal, hub: Hub) -> None:
    """Whoever began the reading takes nothing with it: those who came after get the state, and all that follows."""
    journal.gate.clear()
    first = asyncio.create_task(join(hub))
    await journal.asked.wait()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    second = asyncio.create_task(join(hub))
    await asyncio.sleep(0)
    third = asyncio.create_task(join(hub))
    await asyncio.sleep(0)
    journal.gate.set()
    await journal.say("on it goes")
    viewers = [await second, await third]
    await journal.say("and on")

    assert journal.reads == 1
    assert [viewer.story() for viewer in viewers] == [journal.states[TASK]] * 2


async def test_a_channel_that_nobody_waited_for_is_let_go(journal: SlowJournal, hub: Hub) -> None:
    """Everybody left while the state was read: nothing stays, and nothing is complained of."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    journal.gate.clear()
    viewer = Told()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("task", TASK)))
    await journal.asked.wait()
    joining.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining
    hub.leave(viewer)
    (loading,) = hub._tasks._loads.values()
    journal.gate.set()
    await loading

    assert (hub.viewers, hub.channels, hub._tasks._loads) == (0, 0, {})
    assert complaints == []


async def test_a_viewer_that_is_gone_when_the_state_comes_gets_nothing(journal: SlowJournal, hub: Hub) -> None:
    """Leaving during the reading is leaving: the viewer is not put back into the channel."""
    journal.gate.clear()
    viewer = Told()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("task", TASK)))
    await journal.asked.wait()
    hub.leave(viewer)
    journal.gate.set()
    await joining

    assert viewer.messages == []
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_an_unknown_task_leaves_no_channel(hub: Hub) -> None:
    """Asking for what is not there costs nothing that stays."""
    with pytest.raises(RequestError) as caught:
        await join(hub, task="nobody")

    assert caught.value.code is Code.NOT_FOUND
    assert hub.channels == 0


async def test_a_store_that_failed_is_asked_again_by_the_next(journal: SlowJournal, hub: Hub) -> None:
    """A failed reading is the failure of those who waited for it, and of nobody after."""
    journal.failure = OSError("the disk is gone")
    results = await asyncio.gather(join(hub), join(hub), return_exceptions=True)
    journal.failure = None
    viewer = await join(hub)

    assert [type(result) for result in results] == [OSError, OSError]
    assert viewer.story() == journal.states[TASK]


async def test_a_channel_goes_with_its_last_viewer(journal: SlowJournal, hub: Hub) -> None:
    """Memory is for tasks that somebody watches."""
    one, other = await join(hub), await join(hub)
    hub.leave(one)
    hub.leave(one)
    assert hub.channels == 1
    hub.unsubscribe(other, ("task", TASK))
    hub.unsubscribe(other, ("task", TASK))

    assert (hub.channels, hub.viewers) == (0, 1)


async def test_a_resume_repeats_the_seq_and_brings_just_what_was_missed(journal: SlowJournal, hub: Hub) -> None:
    """`resumed` counts the events that follow it at once; then it goes on live."""
    await journal.say("a", "b", "c")
    known = await journal.snapshot(TASK)
    await journal.say("d", "e")
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=4))
    await journal.say("f")

    head, *events = viewer.messages
    assert head == {"type": "resumed", "task": TASK, "seq": 4, "events": 2, "at": 1000.0}
    assert [event["seq"] for event in events] == [5, 6, 7]
    assert viewer.story(known) == journal.states[TASK]


@pytest.mark.parametrize("missing", [0, 1, RECENT_EVENTS, RECENT_EVENTS + 1])
async def test_a_resume_is_as_long_from_memory_as_from_the_journal(
    journal: SlowJournal, hub: Hub, missing: int
) -> None:
    """Up to 500 events are sent again, wherever they come from; past that the state is the shorter answer."""
    watcher = await join(hub)  # it keeps the channel, and with it the memory, alive
    known = await journal.snapshot(TASK)
    for number in range(missing):
        await journal.say(f"{number}")
    cursor = Cursor(epoch=journal.epoch, seq=1)
    from_memory = await join(hub, cursor)
    hub.leave(watcher)
    hub.leave(from_memory)
    assert hub.channels == 0
    from_journal = await join(hub, cursor)

    assert from_memory.messages[1:] == from_journal.messages[1:]
    assert from_memory.types[0] == from_journal.types[0] == ("resumed" if missing <= RECENT_EVENTS else "snapshot")
    assert from_memory.story(known) == from_journal.story(known) == journal.states[TASK]


async def test_a_resume_that_outgrows_its_bounds_while_it_is_read_becomes_a_state(
    journal: SlowJournal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is on what is sent, not on what was missing when the question came."""
    monkeypatch.setattr(recent_module, "RECENT_EVENTS", 4)
    watcher = await join(hub)
    for number in range(RECENT_EVENTS):
        await journal.say(f"{number}")
    journal.gate.clear()
    joining = asyncio.create_task(join(hub, Cursor(epoch=journal.epoch, seq=1)))
    journal.asked.clear()
    await journal.asked.wait()
    await journal.say("one too many")
    journal.gate.set()
    viewer = await joining

    assert viewer.types == ["snapshot"]
    assert watcher.story() == viewer.story() == journal.states[TASK]


@pytest.mark.parametrize(("epoch", "seq"), [("another", 1), (None, 3), (None, 999_999)])
async def test_a_cursor_that_cannot_be_honoured_gets_the_state(
    journal: SlowJournal, hub: Hub, epoch: str | None, seq: int
) -> None:
    """A foreign epoch, or a place beyond the log: forget what you had."""
    await journal.say("a")
    viewer = await join(hub, Cursor(epoch=epoch or journal.epoch, seq=seq))

    assert viewer.types == ["snapshot"]


async def test_a_cursor_before_the_trimmed_log_gets_the_state() -> None:
    """What the journal has let go cannot be sent again."""
    journal = SlowJournal(history_events=2)
    await journal.open(lock=False)
    await journal.begin()
    await journal.say(*"abcdef", trim=True)
    hub = Hub(journal, Clock())
    viewer = await join(hub, Cursor(epoch=journal.epoch, seq=2))

    assert viewer.types == ["snapshot"]
    hub.close()


async def test_subscribing_again_begins_anew(journal: SlowJournal, hub: Hub) -> None:
    """A second subscription takes the place of the first: a state, and each event once."""
    viewer = await join(hub)
    await hub.subscribe(viewer, ("task", TASK))
    await journal.say("a")

    assert viewer.types == ["snapshot", "snapshot", "output"]
    hub.leave(viewer)
    assert hub.channels == 0


async def test_many_tasks_of_one_viewer_are_told_apart(journal: SlowJournal, hub: Hub) -> None:
    """One connection, two tasks; the end of one is not the end of the other."""
    await journal.begin("t2")
    viewer = await join(hub)
    await hub.subscribe(viewer, ("task", "t2"))
    await journal.end()
    await journal.say("a", task="t2")

    assert viewer.endings == [TASK]
    assert [(message["type"], message["task"]) for message in viewer.messages[2:]] == [("done", TASK), ("output", "t2")]
    assert hub.channels == 1


async def test_who_is_behind_gets_nothing_until_it_has_drained_and_then_one_state(
    journal: SlowJournal, hub: Hub
) -> None:
    """No backlog: what was missed is a state, written when there is room for it."""
    slow, quick = await join(hub), await join(hub)
    slow.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("the last that is written")
    written = len(slow.paper.written)
    await journal.say("a")
    await journal.say("b", "c")
    sweep(hub)
    assert len(slow.paper.written) == written

    slow.paper.stuck = 0
    sweep(hub)
    await journal.say("live again")

    assert slow.types == ["snapshot", "output", "snapshot", "output"]
    assert slow.story() == quick.story() == journal.states[TASK]
    assert quick.types == ["snapshot", *["output"] * 5]


async def test_who_drains_having_missed_nothing_gets_no_state(journal: SlowJournal, hub: Hub) -> None:
    """Being behind is no reason to be told again what one has."""
    viewer = await join(hub)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("a")
    viewer.paper.stuck = 0
    sweep(hub)
    await journal.say("b")

    assert viewer.types == ["snapshot", "output", "output"]


async def test_the_end_is_owed_to_who_was_behind(journal: SlowJournal, hub: Hub) -> None:
    """A task that ends while its viewer is behind lets it go with the final state, not before."""
    viewer = await join(hub)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("a")
    await journal.end()
    sweep(hub)
    assert viewer.endings == []
    assert hub.channels == 1

    viewer.paper.stuck = 0
    sweep(hub)

    state = viewer.story()
    assert state is not None
    assert state.done is not None
    assert viewer.endings == [TASK]
    assert hub.channels == 0


async def test_who_subscribes_while_behind_gets_the_state_once_drained(journal: SlowJournal, hub: Hub) -> None:
    """A second task on a full connection waits its turn, and ends there too."""
    await journal.begin("t2")
    await journal.end("t2")
    viewer = await join(hub)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("a")
    written = len(viewer.paper.written)
    await hub.subscribe(viewer, ("task", "t2"))
    assert len(viewer.paper.written) == written

    viewer.paper.stuck = 0
    sweep(hub)

    assert viewer.messages[-1]["task"]["id"] == "t2"
    assert viewer.endings == ["t2"]


async def test_who_has_not_drained_for_a_minute_is_sent_away(journal: SlowJournal, hub: Hub, clock: Clock) -> None:
    """Too slow even for snapshots: 4003, and it has left."""
    viewer = await join(hub)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("a")
    clock.now += TOO_SLOW_S - 0.1
    sweep(hub)
    assert viewer.closes == []
    clock.now += 0.1
    sweep(hub)

    assert viewer.closes == [TOO_SLOW]
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_a_flood_is_told_as_a_state(journal: SlowJournal, hub: Hub) -> None:
    """More in one commit than memory keeps is written to nobody: each write buffer would hold all of it."""
    viewer = await join(hub)
    written = len(viewer.paper.written)
    await journal.say(*["x" * 30_000] * (FLOOD_BYTES // 30_000 + 1))
    assert len(viewer.paper.written) == written
    sweep(hub)
    await journal.say("live again")

    assert viewer.types == ["snapshot", "snapshot", "output"]
    assert viewer.story() == journal.states[TASK]


async def test_a_channel_keeps_little_of_a_long_log(journal: SlowJournal, hub: Hub) -> None:
    """Neither what can be resumed nor what waits to be folded grows with the size of the events."""
    await join(hub)
    for _ in range(100):
        await journal.say("x" * 30_000)
    (channel,) = hub._tasks._channels.values()

    assert channel._state is not None
    assert sum(len(entry.body) for entry in channel._recent._entries) <= RECENT_BYTES
    assert sum(len(entry.body) for entry in channel._state._unfolded) <= RECENT_BYTES
    assert channel._state.value() == journal.states[TASK]


async def test_nothing_follows_a_goodbye(journal: SlowJournal, hub: Hub) -> None:
    """Whoever was told that the relay shuts down is told no more: bytes after a close frame are an error."""
    viewer = await join(hub)
    written = len(viewer.paper.written)
    await hub.drain(0)
    await journal.say("a")
    visit(hub)

    assert viewer.closes == [DRAINING]
    assert len(viewer.paper.written) == written
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_every_viewer_is_pinged_within_the_time_promised(hub: Hub, journal: SlowJournal) -> None:
    """SSE once a round, so within 15 s; a viewer that is behind is spared."""
    viewers = [await join(hub) for _ in range(ROUND_S * 2)]
    viewers[0].slow_since = 1.0
    for _ in range(ROUND_S):
        visit(hub)

    pings = [viewer.types.count("ping") for viewer in viewers]
    assert pings == [0] + [1] * (len(viewers) - 1)
    assert ROUND_S <= 15


async def test_rights_end_within_a_round(hub: Hub, journal: SlowJournal, clock: Clock) -> None:
    """A token's time is up: that one subscription ends, and its viewer hears why."""
    await journal.begin("t2")
    viewer = await join(hub, expires_at=clock.now + 10)
    await hub.subscribe(viewer, ("task", "t2"), expires_at=clock.now + 1000)
    for _ in range(ROUND_S):
        visit(hub)
    assert viewer.expiries == []
    clock.now += 10
    for _ in range(ROUND_S):
        visit(hub)
    await journal.say("a")
    await journal.say("b", task="t2")

    assert viewer.expiries == [("task", TASK)]
    assert viewer.messages[-1]["task"] == "t2"
    assert hub.channels == 1


async def test_an_idle_hub_has_no_timer(hub: Hub, journal: SlowJournal) -> None:
    """Nobody there, nothing ticks: neither for pings nor for those who are behind."""
    assert (hub._viewers._timer, hub._slow._timer) == (None, None)
    viewer = await join(hub)
    viewer.paper.stuck = HIGH_WATER_BYTES + 1
    await journal.say("a")
    assert hub._viewers._timer is not None
    assert hub._slow._timer is not None
    hub.leave(viewer)
    hub._slow._timer.cancel()
    hub._viewers._timer.cancel()
    visit(hub)
    sweep(hub)

    assert not any((hub._viewers._timer, hub._slow._timer))


STEPS = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 4)),
    st.tuples(st.just("trim"), st.just(1)),
    st.tuples(st.just("join"), st.one_of(st.just(-1), st.integers(0, 12))),
    st.tuples(st.just("shut"), st.just(0)),
    st.tuples(st.just("open"), st.just(0)),
    st.tuples(st.sampled_from(["hold tail", "catch up"]), st.just(0)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
    st.tuples(st.just("stick"), st.integers(0, 5)),
    st.tuples(st.just("drain"), st.integers(0, 5)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
)


async def play(steps: list[tuple[str, int]]) -> None:
    """Do the steps, end the task, and see that everybody who stayed knows all of it."""
    journal = SlowJournal(history_events=6)
    await journal.open(lock=False)
    await journal.begin()
    hub = Hub(journal, Clock())
    seen = [journal.states[TASK]]
    joined: list[tuple[Told, Snapshot | None, asyncio.Task[None]]] = []
    for step, number in steps:
        match step:
            case "say" | "trim":
                await journal.say(*"x" * number, trim=step == "trim")
                seen.append(journal.states[TASK])
            case "join":
                known = None if number < 0 else seen[max(0, len(seen) - 1 - number)]
                viewer = Told()
                hub.join(viewer)
                cursor = None if known is None else Cursor(epoch=journal.epoch, seq=known.seq)
                joined.append((viewer, known, asyncio.create_task(hub.subscribe(viewer, ("task", TASK), cursor))))
            case "shut":
                journal.gate.clear()
            case "open":
                journal.gate.set()
            case "hold tail":
                journal.hold_tail()
            case "catch up":
                journal.catch_tail_up()
            case "turn":
                for _ in range(number):
                    await asyncio.sleep(0)
            case "stick" | "drain" if number < len(joined):
                joined[number][0].paper.stuck = HIGH_WATER_BYTES + 1 if step == "stick" else 0
            case "cancel" if number < len(joined):
                viewer, _, joining = joined.pop(number)
                joining.cancel()
                await asyncio.gather(joining, return_exceptions=True)
                hub.leave(viewer)
    await journal.end()
    journal.catch_tail_up()
    journal.gate.set()
    await asyncio.gather(*(joining for *_, joining in joined), *hub._tasks._loads.values())
    for viewer, *_ in joined:
        viewer.paper.stuck = 0
    sweep(hub)
    for viewer, known, _ in joined:
        assert viewer.story(known) == journal.states[TASK]
        assert viewer.endings == [TASK]
    assert hub.channels == 0
    hub.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_in_whatever_order_nobody_misses_or_repeats_a_thing(steps: list[tuple[str, int]]) -> None:
    """Joins, resumes, slow reads, late tails, trims, full buffers, departures: one story for all, to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent_module, "RECENT_EVENTS", 3)  # so that a resume often needs the journal
        asyncio.run(play(steps))
