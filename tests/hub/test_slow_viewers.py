"""Viewers that stop reading, over real sockets: the kernel and the write buffer hold a little for them, nobody more."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Data, Done, Event, Log, LogOutput, Progress, ProgressOutput, Source, State, Submit
from relay.core.snapshot import Snapshot, apply, begin
from relay.hub.close_codes import TOO_SLOW, Close
from relay.hub.framing import SSE_HTTP_1_0
from relay.hub.hub import Hub
from relay.hub.slow_viewers import TOO_SLOW_S
from relay.hub.topic import Topic
from relay.hub.viewer import HIGH_WATER_BYTES, Viewer
from relay.journal.base import StoredTask
from relay.journal.memory import MemoryJournal
from relay.web.http.tcp import tune

TASK, TAG = "t1", "shop"
LINE = "x" * 4096
BUFFERS_BYTES = 256 * 1024
"""More than loopback and both ends' buffers hold, with the options that `tune` sets and a small receive buffer."""


class Story:
    """A task whose log is written by the test."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        data = Submit(model="a/b", provider="wiro", tags=(TAG,))
        self._first = Event(
            type="submit", task=TASK, seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data
        )
        self.state = begin(self._first, journal.epoch)

    async def begin(self) -> None:
        record = StoredTask(id=TASK, provider="wiro", model="a/b", created_at=1.0, tags=(TAG,), input={}, metadata={})
        await self._journal.create(record, self._first)

    async def say(self, text: str) -> None:
        await self._add("output", State.RUNNING, LogOutput(log=Log(stream="stdout", text=text)))

    async def advance(self) -> None:
        """Commit a progress that is as large as a line."""
        await self._add("output", State.RUNNING, ProgressOutput(progress=Progress(percent=1.0, label=LINE)))

    async def end(self) -> None:
        await self._add("done", State.SUCCEEDED, Done(verdict="succeeded"))

    async def _add(self, kind: str, state: State, data: Data) -> None:
        seq = self.state.seq + 1
        event = Event(type=kind, task=TASK, seq=seq, state=state, at=float(seq), source=Source.LIVE, data=data)
        self.state = apply(self.state, event)
        await self._journal.append([event])


class Connected(Viewer):
    """A viewer on a real connection."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        super().__init__(SSE_HTTP_1_0, transport)
        self.transport = transport
        self.over: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    def task_ended(self, task: str) -> None:
        self.over.set_result(None)
        self.transport.close()

    def subscription_expired(self, topic: Topic) -> None:
        raise AssertionError("nothing expires here")

    def close(self, why: Close) -> None:
        self.gone = True
        self.over.set_result(why)
        self.transport.abort()


class Reader:
    """The far end: reads when it is told to, and folds what it reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""
        self.state: Snapshot | None = None
        self.snapshots = 0
        self.before_snapshot = 0
        """How many bytes came since the last snapshot."""

    async def read(self) -> bool:
        """Take in what is there, at least something; false at the end."""
        data = await asyncio.get_running_loop().sock_recv(self._sock, 65_536)
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            self._fold(block)
        return bool(data)

    async def read_until(self, condition: Callable[[Snapshot], object]) -> None:
        """Read until the state is as wished."""
        while self.state is None or not condition(self.state):
            assert await self.read()

    def _fold(self, block: bytes) -> None:
        message = orjson.loads(block.partition(b"data: ")[2])
        if message["type"] in ("listed", "ping"):
            return
        if message["type"] == "snapshot":
            self.state = decode_snapshot(orjson.dumps(message["task"]))
            self.snapshots += 1
            return
        if self.snapshots == 1:
            self.before_snapshot += len(block)
        assert self.state is not None
        assert message["seq"] == self.state.seq + 1
        self.state = apply(self.state, decode_event(orjson.dumps(message)))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class House:
    """A hub with one task, and a door for connections."""

    def __init__(self, hub: Hub, story: Story, clock: Clock) -> None:
        self.hub, self.story, self.clock = hub, story, clock
        self.viewers: list[Connected] = []
        self._sockets: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.setblocking(False)

    async def visit(self, *, tag: bool = False) -> tuple[Connected, Reader]:
        """Connect a viewer that is subscribed to the task, or to its tag; its far end has read nothing yet."""
        loop = asyncio.get_running_loop()
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.setblocking(False)
        await loop.sock_connect(far, self._door.getsockname())
        near, _ = await loop.sock_accept(self._door)
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, near)
        tune(transport)
        viewer = Connected(transport)
        self.hub.join(viewer)
        await (self.hub.subscribe(viewer, ("tag", TAG)) if tag else self.hub.subscribe(viewer, ("task", TASK)))
        self._sockets.append(far)
        self.viewers.append(viewer)
        return viewer, Reader(far)

    def close(self) -> None:
        for viewer in self.viewers:
            if not viewer.over.done():
                viewer.transport.abort()
        for sock in (*self._sockets, self._door):
            sock.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house with one task."""
    journal = MemoryJournal()
    await journal.open(lock=False)
    story, clock = Story(journal), Clock()
    await story.begin()
    hub = Hub(journal, clock)
    house = House(hub, story, clock)
    yield house
    hub.close()
    house.close()
    await asyncio.sleep(0)  # the transports' last callbacks
    await journal.close()


async def fill(house: House, viewer: Viewer) -> None:
    """Let the task talk until the viewer is behind."""
    for _ in range(BUFFERS_BYTES // len(LINE)):
        await (house.story.advance() if ("tag", TAG) in viewer.subscriptions else house.story.say(LINE))
        if viewer.slow_since is not None:
            return
    pytest.fail("the viewer was never seen to be behind")


async def test_one_that_stops_reading_holds_nobody_up_and_costs_next_to_nothing(house: House) -> None:
    """Megabytes pass: the slow one's buffer stays as it is, the others get all, and then it gets one state, and all."""
    slow, slow_reader = await house.visit()
    await fill(house, slow)
    _, quick_reader = await house.visit()
    held = slow.buffered()
    assert held <= HIGH_WATER_BYTES + 2 * len(LINE)
    for _ in range(1000):
        await house.story.say(LINE)
        await quick_reader.read_until(lambda state: state.seq == house.story.state.seq)
    assert slow.buffered() == held
    assert slow.slow_since is not None

    await slow_reader.read_until(lambda state: state.seq == house.story.state.seq)
    assert slow_reader.snapshots == 2
    assert slow_reader.before_snapshot <= 128 * 1024
    assert slow_reader.state == quick_reader.state == house.story.state

    await house.story.say("live again")
    await slow_reader.read_until(lambda state: state.seq == house.story.state.seq)
    assert slow_reader.snapshots == 2
    assert quick_reader.snapshots == 1


async def test_the_end_reaches_one_that_was_behind(house: House) -> None:
    """The task ends while nothing can be written: the last state comes when it reads, then the end."""
    slow, reader = await house.visit()
    await fill(house, slow)
    await house.story.say("missed")
    await house.story.end()
    assert not slow.over.done()

    while await reader.read():
        pass
    assert reader.state == house.story.state
    assert reader.state.done is not None
    assert slow.over.result() is None
    assert house.hub.channels == 0


async def test_a_board_that_stops_reading_gets_one_state_of_each_task_and_goes_on(house: House) -> None:
    """Megabytes of progress pass: nothing waits for it, and when it reads it has the newest, and the end."""
    slow, reader = await house.visit(tag=True)
    await fill(house, slow)
    held = slow.buffered()
    for _ in range(500):
        await house.story.advance()
    assert slow.buffered() == held

    await reader.read_until(lambda state: state.seq == house.story.state.seq)
    assert reader.snapshots == 2
    assert reader.before_snapshot <= 128 * 1024
    await house.story.advance()
    await house.story.end()
    await reader.read_until(lambda state: state.done)

    assert reader.snapshots == 2
    assert reader.state == house.story.state


async def test_one_that_never_reads_is_sent_away(house: House) -> None:
    """A minute behind is too slow even for snapshots; the sweep that finds out stops when nobody is behind."""
    slow, _ = await house.visit()
    await fill(house, slow)
    house.clock.now += TOO_SLOW_S

    assert await slow.over is TOO_SLOW
    assert (house.hub.viewers, house.hub.channels) == (0, 0)
    assert house.hub._slow._timer is None
