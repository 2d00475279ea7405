"""Tasks and events for tests, and what the tables have of them."""

import asyncio
from typing import TYPE_CHECKING

from relay.core.events import Done, Event, Hold, Log, LogOutput, Source, State, Submit
from relay.journal.base import Claim, Created, Journal, StoredTask

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELED, State.LOST}


def event(task: str, seq: int, state: State = State.RUNNING) -> Event:
    """Return an event that leads to a state."""
    kind, data = "output", LogOutput(log=Log(stream="stdout", text=f"{seq}\n"))
    if state is State.HELD:
        return Event(
            type="hold",
            task=task,
            seq=seq,
            state=state,
            at=seq,
            source=Source.LIVE,
            data=Hold(reason="full", position=1),
        )
    if state in ENDS:
        done = Done(verdict="succeeded")
        return Event(type="done", task=task, seq=seq, state=state, at=seq, source=Source.LIVE, data=done)
    return Event(type=kind, task=task, seq=seq, state=state, at=seq, source=Source.LIVE, data=data)


def submit(task: str, provider: str = "wiro", state: State = State.SUBMITTING) -> Event:
    """Return the first event of a task."""
    data = Submit(model="o/m", provider=provider, tags=())
    return Event(type="submit", task=task, seq=1, state=state, at=1.0, source=Source.LIVE, data=data)


def record(task: str, provider: str = "wiro", created_at: float = 1.0) -> StoredTask:
    """Return a task without tags."""
    return StoredTask(id=task, provider=provider, model="o/m", created_at=created_at, input={}, metadata={})


async def create(journal: Journal, task: str, *, provider: str = "wiro", created_at: float = 1.0) -> Created:
    """Create a task."""
    return await journal.create(record(task, provider, created_at), submit(task, provider))


async def claim(journal: Journal, task: str, key: str) -> Created:
    """Create a task with an idempotency key."""
    return await journal.create(record(task), submit(task), claim=Claim(key=key, digest="d", task=task, at=1.0))


async def seqs(journal: Journal, task: str) -> list[int]:
    """Return the seqs of a log."""
    return [entry.seq for entry in (await journal.read(task, after=0, limit=10_000)).entries]


async def batches(sql: "Connection", journal: Journal) -> int:
    """Return how many commits the database has counted of a node."""
    return int(await sql.fetchval("SELECT batch FROM nodes WHERE id = $1", int(journal.node)))


async def waiting(sql: "Connection", event_type: str, name: str = "relay writer") -> None:
    """Wait until a connection of this name waits for something."""
    query = """
        SELECT EXISTS (
          SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = $2 AND state = 'active'
            AND $1 IN (wait_event_type, wait_event)
        )"""
    while not await sql.fetchval(query, event_type, name):
        await asyncio.sleep(0.01)
        await sql.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the first answer again
