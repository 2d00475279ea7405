"""Fakes for the tests of the hub: a journal in memory that can be slow, viewers that record what they are sent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import (
    Append,
    AppendOutput,
    Began,
    Data,
    Done,
    Event,
    Log,
    LogOutput,
    Progress,
    ProgressOutput,
    Source,
    Stall,
    State,
    Submit,
)
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub.close_codes import Close
from relay.hub.cursor import Cursor
from relay.hub.framing import SSE_HTTP_1_0, Framing
from relay.hub.hub import Hub
from relay.hub.topic import Topic
from relay.hub.viewer import Viewer
from relay.journal.base import StoredTask
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended, History, Listener
from relay.journal.lists import Filter, ListPosition
from relay.journal.memory import MemoryJournal

TASK = "t1"
SHOP = "shop"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SlowJournal(MemoryJournal):
    """A journal whose reads wait while its gate is closed. What they return may be outdated by then."""

    def __init__(self, *, history_events: int = 10_000, passes_state: bool = True) -> None:
        """
        Args:
            history_events: how many events of a task are kept.
            passes_state: whether listeners are passed the folded state with each commit.
        """
        super().__init__(history_events=history_events)
        self.passes_state = passes_state
        self.held: list[tuple[Listener, Sequence[Appended]]] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.fresh = False
        """Whether a state is as new as its answer, instead of as old as its question."""
        self.reads = 0
        self.failure: OSError | None = None
        self.states: dict[str, Snapshot] = {}

    async def snapshot(self, task: str) -> Snapshot | None:
        answer = await super().snapshot(task)
        await self._wait()
        return await super().snapshot(task) if self.fresh else answer

    async def read(self, task: str, *, after: int, limit: int) -> History:
        answer = await super().read(task, after=after, limit=limit)
        await self._wait()
        return answer

    async def stored_task(self, task: str) -> StoredTask | None:
        answer = await super().stored_task(task)
        await self._wait()
        return answer

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        answer = await super().page(where, after=after, limit=limit)
        await self._wait()
        return answer

    def listen(
        self,
        listener: Listener,
        *,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        def publish(commit: Sequence[Appended]) -> None:
            if not self.passes_state:
                commit = [replace(appended, folded=None) for appended in commit]
            if self.held is None:
                listener(commit)
            else:
                self.held.append((listener, commit))

        return super().listen(publish, reset=reset, deleted=deleted)

    def hold_commits(self) -> None:
        """Publish commits only when asked to, so that a read can return them first."""
        if self.held is None:
            self.held = []

    def publish_held(self, *, together: bool = False) -> None:
        """Publish the commits that were held, in order, or as if they had been one commit."""
        held, self.held = self.held or [], None
        if together and held:
            held = [(held[0][0], [each for _, commit in held for each in commit])]
        for listener, commit in held:
            listener(commit)

    def skip(self, *, epoch: str | None = None) -> None:
        """Tell the listeners that the commits that are held will not be published, or that the epoch has changed."""
        self.held = None
        if epoch is not None:
            self._epoch = epoch
            self.states = {task: replace(state, epoch=epoch) for task, state in self.states.items()}
            for task in self._tasks.values():
                task.folded = task.folded and replace(task.folded, epoch=epoch)
                task.snapshot = task.snapshot and replace(task.snapshot, epoch=epoch)
        self._listeners.reset()

    async def lose(self, task: str = TASK) -> None:
        """Lose the last event of a task."""
        del self._tasks[task].entries[-1]
        self._tasks[task].folded = None
        state = await MemoryJournal.snapshot(self, task)
        assert state is not None
        self.states[task] = state

    async def start(self, task: str = TASK, *tags: str) -> None:
        """Create a task that is newer than the previous ones."""
        at = float(len(self.states) + 1)
        stored = StoredTask(id=task, provider="wiro", model="a/b", created_at=at, tags=tags, input={}, metadata={})
        data = Submit(model="a/b", provider="wiro", tags=tags)
        event = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=at, source=Source.RELAY, data=data)
        self.states[task] = begin(event, self.epoch)
        await self.create(stored, event)

    async def log(self, *texts: str, task: str = TASK, trim: bool = False) -> None:
        """Commit a log event for each text, in one commit."""
        data = [LogOutput(log=Log(stream="stdout", text=text)) for text in texts]
        await self._commit(task, "output", State.RUNNING, data, trim=trim)

    async def append_text(self, *texts: str, task: str = TASK) -> None:
        """Commit an append to the answer for each text, in one commit."""
        data = [AppendOutput(append=Append(segment=0, kind="answer", offset=0, text=text)) for text in texts]
        await self._commit(task, "output", State.RUNNING, data)

    async def advance(self, *percents: float, task: str = TASK, label: str | None = None) -> None:
        """Commit a progress event for each number, in one commit."""
        data = [ProgressOutput(progress=Progress(percent=percent, label=label)) for percent in percents]
        await self._commit(task, "output", State.RUNNING, data)

    async def reach(self, stage: str, state: State, task: str = TASK) -> None:
        """Commit that a stage has begun."""
        await self._commit(task, stage, state, [Began()])

    async def stall(self, task: str = TASK, *, ends: bool = False) -> None:
        """Commit that a task is stalled, or is not any more."""
        data = Stall(silent_s=60.0, checked="nothing new")
        await self._commit(task, "stall_end" if ends else "stall", State.RUNNING, [data])

    async def end(self, task: str = TASK) -> None:
        """Commit the end of a task."""
        await self._commit(task, "done", State.SUCCEEDED, [Done(verdict="succeeded")], trim=True)

    async def _commit(self, task: str, kind: str, state: State, data: Sequence[Data], *, trim: bool = False) -> None:
        events = []
        for each in data:
            seq = self.states[task].seq + 1
            event = Event(type=kind, task=task, seq=seq, state=state, at=float(seq), source=Source.LIVE, data=each)
            self.states[task] = apply(self.states[task], event)
            events.append(event)
        folded = self.states[task]
        await self.append(events, snapshot=folded if trim else None, folded=folded if self.passes_state else None)

    async def _wait(self) -> None:
        self.reads += 1
        self.asked.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure


class FakeTransport(asyncio.WriteTransport):
    """
    A transport that records what is written to it. `unread` is the size of its write buffer.

    Like asyncio's, it pauses its protocol when a write finds more than the high-water mark in the buffer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.aborted = False
        self._unread = 0
        self._high_water = 0
        self._paused = False
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()

    @property
    def unread(self) -> int:
        return self._unread

    @unread.setter
    def unread(self, size: int) -> None:
        self._unread = size
        if self._paused and size == 0:
            self._paused = False
            self._protocol.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.writes += 1
        if not self._paused and self._unread > self._high_water:
            self._paused = True
            self._protocol.pause_writing()

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self._unread

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water = high or 0

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol


class FakeViewer(Viewer):
    """A viewer that records what it is sent and what ends."""

    def __init__(self, framing: Framing = SSE_HTTP_1_0) -> None:
        self.transport = FakeTransport()
        super().__init__(framing, self.transport)
        self.ended_tasks: list[str] = []
        self.expired_topics: list[Topic] = []
        self.closes: list[Close] = []

    def task_deleted(self, message: bytes) -> None:
        self.send(message)

    def task_ended(self, task: str) -> None:
        self.ended_tasks.append(task)

    def subscription_expired(self, topic: Topic) -> None:
        self.expired_topics.append(topic)

    def close(self, why: Close) -> None:
        self.gone = True
        self.closes.append(why)

    @property
    def messages(self) -> list[dict[str, Any]]:
        events = bytes(self.transport.written).split(b"\n\n")[:-1]
        return [orjson.loads(event.rpartition(b"data: ")[2]) for event in events]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def state(self, known: Snapshot | None = None) -> Snapshot | None:
        """Fold the messages about one task. Fail on a gap, a duplicate or a wrong count of missed events."""
        state, promised = known, 0
        for message in self.messages:
            match message["type"]:
                case "snapshot":
                    state = decode_snapshot(orjson.dumps(message["task"]))
                case "resumed":
                    assert state is not None
                    assert message["seq"] == state.seq
                    promised = message["seq"] + message["events"]
                case "ping":
                    pass
                case _:
                    assert state is not None
                    assert message["seq"] == state.seq + 1
                    state = apply(state, decode_event(orjson.dumps(message)))
        assert state is None or state.seq >= promised
        return state

    def tasks(self, *, twice: bool = False) -> dict[str, Snapshot]:
        """
        Fold the messages task by task. Fail on an event of a task without a snapshot.

        Args:
            twice: whether an event may come twice, as it does for a task with two of the viewer's tags.
        """
        states: dict[str, Snapshot] = {}
        for message in self.messages:
            match message["type"]:
                case "snapshot":
                    state = decode_snapshot(orjson.dumps(message["task"]))
                    states[state.id] = state
                case "listed" | "ping":
                    pass
                case _:
                    event = decode_event(orjson.dumps(message))
                    state = states[event.task]
                    assert twice or event.seq > state.seq
                    if event.seq > state.seq:
                        states[event.task] = apply(replace(state, seq=event.seq - 1), event)
        return states


async def join(
    hub: Hub, cursor: Cursor | None = None, *, expires_at: float | None = None, task: str = TASK
) -> FakeViewer:
    """Add a viewer that is subscribed to a task."""
    viewer = FakeViewer()
    hub.join(viewer)
    await hub.subscribe(viewer, ("task", task), cursor, expires_at=expires_at)
    return viewer


async def watch(hub: Hub, *topics: Topic, expires_at: float | None = None) -> FakeViewer:
    """Add a viewer that is subscribed to these topics, or else to the tag SHOP."""
    viewer = FakeViewer()
    hub.join(viewer)
    for topic in topics or (("tag", SHOP),):
        await hub.subscribe(viewer, topic, expires_at=expires_at)
    return viewer


async def reads_finished(hub: Hub) -> None:
    """Wait until the hub has read the tags of all tasks that it has to."""
    if (reading := hub._tags._reading) is not None:
        await reading


def sweep(hub: Hub) -> None:
    """Do what the hub does for slow viewers every 100 ms."""
    hub._slow.sweep()


def visit(hub: Hub) -> None:
    """Do what the hub does every second."""
    hub._viewers.visit_next()


def brief(viewer: FakeViewer) -> list[str]:
    """Return the messages of a viewer in short: the type, and the task or tag."""
    lines = []
    for message in viewer.messages:
        about = message["task"]["id"] if message["type"] == "snapshot" else message.get("task", message.get("tag"))
        lines.append(f"{message['type']} {about}")
    return lines


def short(state: Snapshot) -> Snapshot:
    """
    Return the part of a state that a tag shows, without what depends on the events that it leaves out.

    A task that has ended and left the list keeps its epoch, because it is not sent again.
    """
    return replace(state, seq=0, epoch="", updated_at=0.0, log=(), log_dropped=0, segments=())


def message_state(message: bytes) -> Snapshot:
    """Return the state in a `snapshot` message."""
    return decode_snapshot(orjson.dumps(orjson.loads(message)["task"]))


def assert_has(viewer: FakeViewer, journal: SlowJournal, *tasks: str) -> None:
    """Check that a viewer has the true state of just these tasks."""
    assert {task: short(state) for task, state in viewer.tasks().items()} == {
        task: short(journal.states[task]) for task in tasks
    }
