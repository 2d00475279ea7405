"""Nodes for tests: one that records what it hears, and a peer whose commits are written by hand."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from relay.core.codec import encode_event
from relay.core.events import Done, Event, Log, LogOutput, Source, State
from relay.journal.entries import Appended, Entry
from relay.journal.postgres.beat import Pulse
from relay.journal.postgres.connection import connect
from relay.journal.postgres.deliveries import Deliveries
from relay.journal.postgres.lease import LEASE
from relay.journal.postgres.migrations import migrate
from relay.journal.postgres.node import ThisNode

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NEVER_S = 3600.0


class Member(ThisNode):
    """A node that records what it publishes, its resets and its beats."""

    def __init__(self, dsn: str, name: str | None = None) -> None:
        self.deliveries = Deliveries()
        self.heard_entries: list[Entry] = []
        self.resets = 0
        self.pulses: list[Pulse] = []
        self.misses = 0
        self._changed = asyncio.Event()
        super().__init__(
            dsn,
            name,
            publish=self.deliveries.publish,
            reset=self.deliveries.reset,
            deleted=self.deliveries.deleted,
            last_seq=self.deliveries.last_seq,
            viewers=lambda: 7,
        )
        self.deliveries.add(self._record, self._record_reset)

    @property
    def log(self) -> list[tuple[str, int]]:
        """The tasks and seqs of the entries that were published."""
        return [(entry.task, entry.seq) for entry in self.heard_entries]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something happens that fulfills a condition."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def beats(self, count: int = 1) -> None:
        """Wait for beats that are sent from now on."""
        wanted = len(self.pulses) + 1 + count  # the next one may be under way
        await self.until(lambda: len(self.pulses) >= wanted)

    def felt(self, pulse: Pulse) -> None:
        super().felt(pulse)
        self.pulses.append(pulse)
        self._changed.set()

    def missed(self) -> None:
        super().missed()
        self.misses += 1
        self._changed.set()

    def _record(self, commit: Sequence[Appended]) -> None:
        self.heard_entries += [entry for appended in commit for entry in appended.entries]
        self._changed.set()

    def _record_reset(self) -> None:
        self.resets += 1
        self._changed.set()


@asynccontextmanager
async def member(dsn: str, name: str | None = None) -> AsyncIterator[Member]:
    """Run a node during the block, which has beaten already."""
    node = Member(dsn, name)
    await node.start()
    try:
        await node.until(lambda: bool(node.pulses))
        await node.caught_up()  # the read that this beat has caused
        yield node
    finally:
        await node.stop()


class Peer:
    """Another node, which tells nothing unless it is asked to."""

    def __init__(self, connection: Connection) -> None:
        self.id = secrets.randbits(62)
        self.batch = 0
        self._connection = connection

    @classmethod
    async def start(cls, connection: Connection, name: str = "peer") -> "Peer":
        """Register a node."""
        peer = cls(connection)
        await connection.execute("SELECT relay_register($1, $2, $3, false)", peer.id, name, LEASE)
        return peer

    async def commit(self, task: str, *seqs: int, final: bool = False, trimmed: tuple[int, ...] = ()) -> None:
        """Commit events of a task in one batch, of which some are trimmed in the same commit."""
        bodies = [body(task, seq, final=final and seq == seqs[-1]) for seq in seqs]
        await self.commit_bodies(task, dict(zip(seqs, bodies, strict=True)), trimmed)

    async def commit_bodies(self, task: str, bodies: dict[int, bytes], trimmed: tuple[int, ...] = ()) -> None:
        """Commit encoded events, by their seqs."""
        self.batch += 1
        async with self._connection.transaction():
            await self._connection.executemany(
                "INSERT INTO events (task, seq, node, batch, body) VALUES ($1, $2, $3, $4, $5)",
                [(task, seq, self.id, self.batch, encoded) for seq, encoded in bodies.items()],
            )
            await self._connection.execute("DELETE FROM events WHERE task = $1 AND seq = ANY ($2)", task, list(trimmed))
            await self._connection.execute("UPDATE nodes SET batch = $2 WHERE id = $1", self.id, self.batch)

    async def notify(self) -> None:
        """Tell the last batch."""
        await self._connection.execute("SELECT pg_notify('relay', $1)", f"{self.id}:{self.batch}")

    async def update(self, assignments: str) -> None:
        """Change the node's row."""
        await self._connection.execute(f"UPDATE nodes SET {assignments} WHERE id = $1", self.id)


def body(task: str, seq: int, *, final: bool = False) -> bytes:
    """Return the JSON of an event."""
    state = State.SUCCEEDED if final else State.RUNNING
    data = Done(verdict="succeeded") if final else LogOutput(log=Log(stream="stdout", text=f"{seq}"))
    kind = "done" if final else "output"
    return encode_event(Event(type=kind, task=task, seq=seq, state=state, at=1.0, source=Source.LIVE, data=data))


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """Make the tables, and connect during the block."""
    connection = await connect(dsn, "test")
    try:
        await migrate(connection)
        yield connection
    finally:
        await connection.close()
