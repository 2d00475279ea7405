"""Property tests: whatever happens, in whatever order, each viewer has the true state of its tasks in the end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.hub import recent_entries, tag_channel, tag_router
from relay.hub.channels import Channels
from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.topic import ALL, TagTopic, Topic
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import TASK, Clock, FakeViewer, SlowJournal, short, sweep

Step = tuple[str, int]

TASK_STEPS = st.one_of(
    st.tuples(st.just("log"), st.integers(1, 4)),
    st.tuples(st.just("trim"), st.just(1)),
    st.tuples(st.just("join"), st.one_of(st.just(-1), st.integers(0, 12))),
    st.tuples(
        st.sampled_from(["close gate", "open gate", "hold commits", "publish", "pass state", "omit state"]), st.just(0)
    ),
    st.tuples(st.just("yield"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["skip", "new epoch"]), st.integers(0, 99)),
    st.tuples(st.sampled_from(["stop reading", "read", "cancel"]), st.integers(0, 5)),
)
TAG_STEPS = st.one_of(
    st.tuples(st.sampled_from(["log", "advance", "run", "end"]), st.integers(0, 5)),
    st.tuples(st.just("start"), st.integers(0, 3)),
    st.tuples(st.just("join"), st.integers(0, 3)),
    st.tuples(
        st.sampled_from(
            ["subscribe tag", "unsubscribe tag", "subscribe task", "unsubscribe task", "stop reading", "read"]
        ),
        st.integers(0, 15),
    ),
    st.tuples(
        st.sampled_from(["close gate", "open gate", "hold commits", "publish", "pass state", "omit state", "sweep"]),
        st.just(0),
    ),
    st.tuples(st.sampled_from(["skip", "new epoch"]), st.integers(0, 99)),
    st.tuples(st.just("yield"), st.integers(1, 3)),
)
TAG_TOPICS: tuple[TagTopic, ...] = (("tag", "x"), ("tag", "y"), ("tag", "z"), ALL)
TAGS: tuple[tuple[str, ...], ...] = (("x",), ("x", "y"), ("y",), ())
"""The tags that a new task may have."""


async def step_journal(journal: SlowJournal, step: str, number: int) -> None:
    """Do a step that concerns only the journal and the order of things."""
    match step:
        case "close gate":
            journal.gate.clear()
        case "open gate":
            journal.gate.set()
        case "hold commits":
            journal.hold_commits()
        case "publish":
            journal.publish_held(together=True)
        case "pass state" | "omit state":
            journal.passes_state = step == "pass state"
        case "skip":
            journal.skip()
        case "new epoch":
            journal.skip(epoch=f"{journal.epoch}-{number}")
        case "yield":
            for _ in range(number):
                await asyncio.sleep(0)
        case _:
            pass  # the step is about a viewer or task that does not exist


def is_loading(channels: Channels[Any, Any]) -> bool:
    """Return whether channels are being loaded, for the first time or again."""
    return bool(channels._loads) or (channels._reloading is not None and not channels._reloading.done())


async def play_task(steps: Sequence[Step]) -> None:
    """Do the steps with one task, end it, and check that every remaining viewer has all of it."""
    journal = SlowJournal(history_events=6)
    await journal.open(lock=False)
    await journal.start()
    hub = Hub(journal, Clock())
    seen = [journal.states[TASK]]
    joined: list[tuple[FakeViewer, Snapshot | None, asyncio.Task[None]]] = []
    for step, number in steps:
        match step:
            case "log" | "trim":
                await journal.log(*"x" * number, trim=step == "trim")
                seen.append(journal.states[TASK])
            case "join":
                known = None if number < 0 else seen[max(0, len(seen) - 1 - number)]
                viewer = FakeViewer()
                hub.join(viewer)
                cursor = None if known is None else Cursor(epoch=known.epoch, seq=known.seq)
                joined.append((viewer, known, asyncio.create_task(hub.subscribe(viewer, ("task", TASK), cursor))))
            case "stop reading" | "read" if number < len(joined):
                joined[number][0].transport.unread = HIGH_WATER_BYTES + 1 if step == "stop reading" else 0
            case "cancel" if number < len(joined):
                viewer, _, joining = joined.pop(number)
                joining.cancel()
                await asyncio.gather(joining, return_exceptions=True)
                hub.leave(viewer)
            case _:
                await step_journal(journal, step, number)
    await journal.end()
    journal.publish_held()
    journal.gate.set()
    await asyncio.gather(*(joining for *_, joining in joined), *hub._tasks._loads.values())
    while is_loading(hub._tasks):  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0)
    for viewer, *_ in joined:
        viewer.transport.unread = 0
    sweep(hub)
    for viewer, known, _ in joined:
        assert viewer.state(known) == journal.states[TASK]
        assert viewer.ended_tasks == [TASK]
    assert hub.channels == 0
    hub.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(TASK_STEPS, max_size=40))
def test_viewers_of_a_task_have_its_whole_state_in_the_end(steps: list[Step]) -> None:
    """Joins, resumes, slow reads, late commits, trimmed logs and slow viewers cause no gap and no duplicate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent_entries, "RECENT_EVENTS", 3)  # so that resuming often reads the journal
        asyncio.run(play_task(steps))


class Play:
    """A journal, a hub, and viewers with subscriptions to tags and tasks."""

    def __init__(self) -> None:
        self.journal = SlowJournal(history_events=6)
        self.hub = Hub(self.journal, Clock())
        self.tags_of: dict[str, tuple[str, ...]] = {}
        self.viewers: list[FakeViewer] = []
        self.direct: set[tuple[FakeViewer, str]] = set()
        """The viewers that have subscribed to a task itself, and may know it although none of their tags lists it."""
        self.outdated: set[tuple[FakeViewer, str]] = set()
        """
        What viewers may know from an earlier subscription.

        If the list does not have room for such a task, it is sent with its next event.
        """
        self.requests: dict[FakeViewer, asyncio.Task[None]] = {}

    async def step(self, step: str, number: int) -> None:
        journal, unended = self.journal, [id_ for id_, state in self.journal.states.items() if state.done is None]
        task = unended[number % len(unended)] if unended else None
        viewer = self.viewers[number % len(self.viewers)] if self.viewers else None
        match step:
            case "start":
                name = f"t{len(self.tags_of)}"
                self.tags_of[name] = TAGS[number]
                await journal.start(name, *TAGS[number])
            case "log" if task:
                await journal.log("x", task=task)
            case "advance" if task:
                await journal.advance(1.0, 2.0, task=task)
            case "run" if task:
                await journal.reach("start", State.RUNNING, task)
            case "end" if task:
                await journal.end(task)
            case "join":
                viewer = FakeViewer()
                self.hub.join(viewer)
                self.viewers.append(viewer)
                self.request(viewer, "subscribe", TAG_TOPICS[number])
            case "subscribe tag" | "unsubscribe tag" if viewer:
                self.request(viewer, step, TAG_TOPICS[number // 4])
            case "subscribe task" | "unsubscribe task" if viewer and self.tags_of:
                name = [*self.tags_of][number // 4 % len(self.tags_of)]
                self.request(viewer, step, ("task", name))
                self.direct.add((viewer, name))
            case "stop reading" | "read" if viewer:
                viewer.transport.unread = HIGH_WATER_BYTES + 1 if step == "stop reading" else 0
            case "sweep":
                sweep(self.hub)
            case _:
                if step in {"skip", "new epoch"}:
                    self.outdated |= self.direct
                await step_journal(journal, step, number)

    def request(self, viewer: FakeViewer, step: str, topic: Topic) -> None:
        """Handle a viewer's requests one after the other, as for a connection."""
        before = self.requests.get(viewer)

        async def handle() -> None:
            if before is not None:
                await before
            if step.startswith("subscribe"):
                await self.hub.subscribe(viewer, topic)
            else:
                self.hub.unsubscribe(viewer, topic)
                if topic[0] != "task":
                    self.outdated.update((viewer, task) for task in self.tags_of)

        self.requests[viewer] = asyncio.create_task(handle())

    async def finish(self) -> None:
        """Publish everything, and let all reads and viewers catch up."""
        hub = self.hub
        self.journal.publish_held()
        self.journal.gate.set()
        await asyncio.gather(*self.requests.values())
        while hub._tags._reading or is_loading(hub._tags.channels) or is_loading(hub._tasks):  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)
        for viewer in self.viewers:
            viewer.transport.unread = 0
        sweep(hub)

    def check(self, *, all_are_listed: bool) -> None:
        """Check that each viewer has the true state of every task that one of its subscriptions shows."""
        for viewer in self.viewers:
            tasks = viewer.tasks(twice=True)
            for task, tags in self.tags_of.items():
                if ("task", task) in viewer.subscriptions:
                    assert tasks[task] == self.journal.states[task]
                elif (all_are_listed or (task in tasks and (viewer, task) not in self.outdated)) and any(
                    topic in viewer.subscriptions for topic in (*(("tag", tag) for tag in tags), ALL)
                ):
                    assert short(tasks[task]) == short(self.journal.states[task])


async def play_tags(steps: Sequence[Step], *, all_are_listed: bool) -> None:
    """Do the steps, end every task, check what the viewers have, and check that nothing is left in the hub."""
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
    assert not play.hub._tags._tags_of
    assert not play.hub._tags._waiting
    play.hub.close()


@pytest.mark.parametrize("listed", [1, 1000])
@settings(max_examples=300, deadline=None)
@given(steps=st.lists(TAG_STEPS, max_size=40))
def test_viewers_of_tags_and_tasks_have_the_true_states_in_the_end(listed: int, steps: list[Step]) -> None:
    """Slow reads, late commits, slow viewers and changing subscriptions lose no task, no state and no end."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (tag_channel, tag_router):
            patch.setattr(module, "LISTED", listed)
        asyncio.run(play_tags(steps, all_are_listed=listed > len(steps)))
