"""What tests of the hub stand on: a journal in memory that can be slow, and viewers that write down what they get."""

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
    State,
    Submit,
)
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub.close_codes import Close
from relay.hub.framing import SSE_HTTP_1_0, Framing
from relay.hub.hub import Hub
from relay.hub.topic import Topic
from relay.hub.viewer import Viewer
from relay.journal.base import Filter, ListPosition, StoredTask
from relay.journal.entries import Appended, History, Listener
from relay.journal.memory import MemoryJournal

TASK = "t1"


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SlowJournal(MemoryJournal):
    """A journal whose readers wait while its gate is shut, as for a disk: what they are answered may be old by then."""

    def __init__(self, *, history_events: int = 10_000) -> None:
        super().__init__(history_events=history_events)
        self.late: list[tuple[Listener, Sequence[Appended]]] | None = None
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
        await self._answering()
        return await super().snapshot(task) if self.fresh else answer

    async def read(self, task: str, *, after: int, limit: int) -> History:
        answer = await super().read(task, after=after, limit=limit)
        await self._answering()
        return answer

    async def stored_task(self, task: str) -> StoredTask | None:
        answer = await super().stored_task(task)
        await self._answering()
        return answer

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        answer = await super().page(where, after=after, limit=limit)
        await self._answering()
        return answer

    def listen(self, listener: Listener) -> Callable[[], None]:
        def hear(appended: Sequence[Appended]) -> None:
            if self.late is None:
                listener(appended)
            else:
                self.late.append((listener, appended))

        return super().listen(hear)

    def hold_tail(self) -> None:
        """Let the tail tell of what is committed only later: a reader may know of it first."""
        if self.late is None:
            self.late = []

    def catch_tail_up(self, *, together: bool = False) -> None:
        """Tell of everything that was held, in order, or as if it had been one commit."""
        late, self.late = self.late or [], None
        if together and late:
            late = [(late[0][0], [each for _, appended in late for each in appended])]
        for listener, appended in late:
            listener(appended)

    async def _answering(self) -> None:
        self.reads += 1
        self.asked.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    async def begin(self, task: str = TASK, *tags: str) -> None:
        """Make a task; it is newer than those that were made before."""
        at = float(len(self.states) + 1)
        record = StoredTask(id=task, provider="wiro", model="a/b", created_at=at, tags=tags, input={}, metadata={})
        data = Submit(model="a/b", provider="wiro", tags=tags)
        event = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=at, source=Source.RELAY, data=data)
        self.states[task] = begin(event, self.epoch)
        await self.create(record, event)

    async def say(self, *texts: str, task: str = TASK, trim: bool = False) -> None:
        """Commit a log line for each text, in one commit."""
        data = [LogOutput(log=Log(stream="stdout", text=text)) for text in texts]
        await self._commit(task, "output", State.RUNNING, data, trim=trim)

    async def answer(self, *texts: str, task: str = TASK) -> None:
        """Commit a streamed answer for each text, in one commit."""
        data = [AppendOutput(append=Append(segment=0, kind="answer", offset=0, text=text)) for text in texts]
        await self._commit(task, "output", State.RUNNING, data)

    async def advance(self, *percents: float, task: str = TASK) -> None:
        """Commit a progress for each number, in one commit."""
        data = [ProgressOutput(progress=Progress(percent=percent)) for percent in percents]
        await self._commit(task, "output", State.RUNNING, data)

    async def reach(self, stage: str, state: State, task: str = TASK) -> None:
        """Commit that a stage began."""
        await self._commit(task, stage, state, [Began()])

    async def end(self, task: str = TASK) -> None:
        """Commit the task's end."""
        await self._commit(task, "done", State.SUCCEEDED, [Done(verdict="succeeded")], trim=True)

    async def _commit(self, task: str, kind: str, state: State, data: Sequence[Data], *, trim: bool = False) -> None:
        events = []
        for each in data:
            seq = self.states[task].seq + 1
            event = Event(type=kind, task=task, seq=seq, state=state, at=float(seq), source=Source.LIVE, data=each)
            self.states[task] = apply(self.states[task], event)
            events.append(event)
        await self.append(events, snapshot=self.states[task] if trim else None)


class Paper(asyncio.WriteTransport):
    """
    A transport that keeps what is written to it; `stuck` is how much of it its peer has not taken.

    Like asyncio's it says so when a write finds more than the mark there, and when all of it is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self._stuck = 0
        self._mark = 0
        self._paused = False
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()

    @property
    def stuck(self) -> int:
        return self._stuck

    @stuck.setter
    def stuck(self, size: int) -> None:
        self._stuck = size
        if self._paused and size == 0:
            self._paused = False
            self._protocol.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.writes += 1
        if not self._paused and self._stuck > self._mark:
            self._paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self._stuck

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._mark = high or 0

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol


class Told(Viewer):
    """A viewer that can say what it was told."""

    def __init__(self, framing: Framing = SSE_HTTP_1_0) -> None:
        self.paper = Paper()
        super().__init__(framing, self.paper)
        self.endings: list[str] = []
        self.expiries: list[Topic] = []
        self.closes: list[Close] = []

    def task_ended(self, task: str) -> None:
        self.endings.append(task)

    def subscription_expired(self, topic: Topic) -> None:
        self.expiries.append(topic)

    def close(self, why: Close) -> None:
        self.gone = True
        self.closes.append(why)

    @property
    def messages(self) -> list[dict[str, Any]]:
        blocks = bytes(self.paper.written).split(b"\n\n")[:-1]
        return [orjson.loads(block.rpartition(b"data: ")[2]) for block in blocks]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def story(self, known: Snapshot | None = None) -> Snapshot | None:
        """Fold what it was told; a gap, a duplicate or a wrong count fails."""
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

    def board(self, *, twice: bool = False) -> dict[str, Snapshot]:
        """
        Fold what it was told, task by task. An event of a task that it was not shown fails.

        Args:
            twice: whether an entry may come again, as it does when two of its tags have the task.
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


def short(state: Snapshot) -> Snapshot:
    """Return what of a state a tag shows: neither log nor segments, nor the times and numbers of what is left out."""
    return replace(state, seq=0, updated_at=0.0, log=(), log_dropped=0, segments=())


def message_state(message: bytes) -> Snapshot:
    """Return the state in a `snapshot` message."""
    return decode_snapshot(orjson.dumps(orjson.loads(message)["task"]))


def sweep(hub: Hub) -> None:
    """Do what the hub does for slow viewers every 100 ms."""
    hub._slow.sweep()


def visit(hub: Hub) -> None:
    """Do what the hub does every second."""
    hub._viewers.visit_next()
