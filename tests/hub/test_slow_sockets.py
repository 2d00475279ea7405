"""Slow viewers on real sockets: the memory that they take is bounded by the buffers of one connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from relay.core.codec import decode_event, decode_snapshot
from relay.core.snapshot import Snapshot, apply
from relay.hub.close_codes import TOO_SLOW, Close
from relay.hub.framing import SSE_HTTP_1_0
from relay.hub.hub import Hub
from relay.hub.slow_viewers import TOO_SLOW_S
from relay.hub.topic import Topic
from relay.hub.viewer import HIGH_WATER_BYTES, Viewer
from relay.web.http.tcp import tune
from tests.hub.fakes import SHOP, TASK, Clock, SlowJournal

LINE = "x" * 4096
BUFFERS_BYTES = 256 * 1024
"""More than the buffers of both ends hold, with the options that `tune` sets and a small receive buffer."""


class SocketViewer(Viewer):
    """A viewer on a real connection."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        super().__init__(SSE_HTTP_1_0, transport)
        self.transport = transport
        self.over: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()

    def task_ended(self, task: str) -> None:
        self.over.set_result(None)
        self.transport.close()

    def task_deleted(self, message: bytes) -> None:
        raise AssertionError("no task here is deleted")

    def subscription_expired(self, topic: Topic) -> None:
        raise AssertionError("no subscription here expires")

    def close(self, why: Close) -> None:
        self.gone = True
        self.over.set_result(why)
        self.transport.abort()


class Client:
    """The other end of a connection: reads only when asked to, and folds what it reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""
        self.state: Snapshot | None = None
        self.snapshots = 0
        self.live_bytes = 0
        """The size of the events between the first snapshot and the second."""

    async def read(self) -> bool:
        """Read at least one byte; return False at the end of the connection."""
        data = await asyncio.get_running_loop().sock_recv(self._sock, 65_536)
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            self._fold(event)
        return bool(data)

    async def read_until(self, condition: Callable[[Snapshot], object]) -> None:
        """Read until the state meets a condition."""
        while self.state is None or not condition(self.state):
            assert await self.read()

    def _fold(self, event: bytes) -> None:
        message = orjson.loads(event.partition(b"data: ")[2])
        if message["type"] in ("listed", "ping"):
            return
        if message["type"] == "snapshot":
            self.state = decode_snapshot(orjson.dumps(message["task"]))
            self.snapshots += 1
            return
        if self.snapshots == 1:
            self.live_bytes += len(event)
        assert self.state is not None
        assert message["seq"] == self.state.seq + 1
        self.state = apply(self.state, decode_event(orjson.dumps(message)))


class Server:
    """A hub with one task that accepts connections."""

    def __init__(self, journal: SlowJournal) -> None:
        self.journal, self.clock = journal, Clock()
        self.hub = Hub(journal, self.clock)
        self._viewers: list[SocketViewer] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)

    @property
    def state(self) -> Snapshot:
        return self.journal.states[TASK]

    async def advance(self) -> None:
        """Commit a progress event that is as large as a line of the log."""
        await self.journal.advance(1.0, label=LINE)

    async def connect(self, topic: Topic = ("task", TASK)) -> tuple[SocketViewer, Client]:
        """Connect a viewer that is subscribed to a topic. Its client has not read anything yet."""
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, self._listener.getsockname())
        accepted, _ = await loop.sock_accept(self._listener)
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        tune(transport)
        viewer = SocketViewer(transport)
        self.hub.join(viewer)
        await self.hub.subscribe(viewer, topic)
        self._sockets.append(client)
        self._viewers.append(viewer)
        return viewer, Client(client)

    async def fill(self, viewer: Viewer) -> None:
        """Commit events until the viewer is slow."""
        for _ in range(BUFFERS_BYTES // len(LINE)):
            await (self.advance() if ("tag", SHOP) in viewer.subscriptions else self.journal.log(LINE))
            if viewer.slow_since is not None:
                return
        pytest.fail("the viewer did not become slow")

    def close(self) -> None:
        self.hub.close()
        for viewer in self._viewers:
            if not viewer.over.done():
                viewer.abort()
        for sock in (*self._sockets, self._listener):
            sock.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Return a server whose task has the tag SHOP."""
    journal = SlowJournal()
    await journal.open(lock=False)
    await journal.start(TASK, SHOP)
    server = Server(journal)
    yield server
    server.close()
    await asyncio.sleep(0)  # the last callbacks of the transports
    await journal.close()


async def test_a_viewer_that_stops_reading_does_not_delay_others(server: Server) -> None:
    """Megabytes are sent while its buffer does not grow; later it gets one snapshot, and then live events."""
    slow, slow_client = await server.connect()
    await server.fill(slow)
    _, quick_client = await server.connect()
    held = slow.buffered()
    assert held <= HIGH_WATER_BYTES + 2 * len(LINE)
    for _ in range(1000):
        await server.journal.log(LINE)
        await quick_client.read_until(lambda state: state.seq == server.state.seq)
    assert slow.buffered() == held
    assert slow.slow_since is not None

    await slow_client.read_until(lambda state: state.seq == server.state.seq)
    assert slow_client.snapshots == 2
    assert slow_client.live_bytes <= 128 * 1024
    assert slow_client.state == quick_client.state == server.state

    await server.journal.log("live again")
    await slow_client.read_until(lambda state: state.seq == server.state.seq)
    assert slow_client.snapshots == 2
    assert quick_client.snapshots == 1


async def test_a_slow_viewer_gets_the_end_of_the_task(server: Server) -> None:
    """The final snapshot is sent when it reads again, then the connection ends."""
    slow, client = await server.connect()
    await server.fill(slow)
    await server.journal.log("missed")
    await server.journal.end()
    assert not slow.over.done()

    while await client.read():
        pass
    assert client.state == server.state
    assert client.state.done is not None
    assert slow.over.result() is None
    assert server.hub.channels == 0


async def test_a_slow_viewer_of_a_tag_gets_one_summary_per_task(server: Server) -> None:
    """Megabytes of progress events are sent while its buffer does not grow."""
    slow, client = await server.connect(("tag", SHOP))
    await server.fill(slow)
    held = slow.buffered()
    for _ in range(500):
        await server.advance()
    assert slow.buffered() == held

    await client.read_until(lambda state: state.seq == server.state.seq)
    assert client.snapshots == 2
    assert client.live_bytes <= 128 * 1024
    await server.advance()
    await server.journal.end()
    await client.read_until(lambda state: state.done)

    assert client.snapshots == 2
    assert client.state == server.state


async def test_a_viewer_that_never_reads_is_disconnected(server: Server) -> None:
    """This takes a minute; after that no timer is left."""
    slow, _ = await server.connect()
    await server.fill(slow)
    server.clock.now += TOO_SLOW_S

    assert await slow.over is TOO_SLOW
    assert (server.hub.viewers, server.hub.channels) == (0, 0)
    assert server.hub._slow._timer is None


async def test_an_event_in_the_moment_in_which_a_connection_is_lost_reaches_all_others(server: Server) -> None:
    """
    A connection that is closing is lost when the last byte of its write buffer is sent.

    asyncio's transport has no socket then and raises if it is written to. The event would be lost for all others.
    """
    leaving, client = await server.connect()
    while not leaving.buffered():
        await server.journal.log(LINE)
    _, other = await server.connect()
    lost = asyncio.Event()

    def publish_next(viewer: Viewer) -> None:
        """Commit an event right after the hub has learned of the loss."""
        server.hub.leave(viewer)
        asyncio.get_running_loop().call_soon(server.journal.publish_held)
        lost.set()

    leaving.on_lost = publish_next
    server.journal.hold_commits()
    await server.advance()
    leaving.transport.close()
    while not lost.is_set():
        await client.read()
    await other.read_until(lambda state: state.progress is not None)

    assert leaving.gone
    assert leaving.subscriptions == {}
    assert server.hub.viewers == 1
    leaving.send(b"{}")
    leaving.abort()
