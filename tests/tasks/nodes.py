"""Nodes that share a journal, each with a supervisor of its own, in front of scripted providers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from relay.catalogue.catalogue import load
from relay.core.lifecycle import Lifecycle, submit
from relay.core.signals import Signal
from relay.core.snapshot import Snapshot
from relay.core.upstream import File
from relay.files.spool import Spool
from relay.journal.base import Journal, StoredTask
from relay.providers.base import Provider
from relay.tasks.creation import create
from relay.tasks.follower import Follower
from relay.tasks.limits import Limits
from relay.tasks.ownership import Ownership
from relay.tasks.supervisor import Supervisor
from tests.tasks.fakes import FakeClock, FakeProvider, FakeSpool
from tests.tasks.shared_journal import SharedJournal, SharedStore

WAIT_S = 30.0


class NodeSpool(FakeSpool):
    """A spool that notes which uploads are kept when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: Collection[str] | None = None
        self.older_than_s = 0.0

    async def open(self, keep: Collection[str], *, older_than_s: float) -> None:
        self.kept, self.older_than_s = keep, older_than_s

    def located(self, files: Sequence[File]) -> Sequence[File]:
        return files


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUnderTest:
    """One node. Its ownership is not entered: tests call `look`, or enter it."""

    view: SharedJournal
    provider: FakeProvider
    spool: NodeSpool
    clock: FakeClock
    supervisor: Supervisor
    ownership: Ownership

    @property
    def journal(self) -> Journal:
        return self.view.journal

    async def start(self, task: str = "task", *, created_at: float = 1000.0, files: tuple[File, ...] = ()) -> Follower:
        """Create a task and follow it, as the use case does."""
        stored = stored_task(task, created_at=created_at, files=files)
        with self.supervisor.creating(task):
            snapshot, created = await create(self.journal, stored)
            return self.supervisor.follow(stored, snapshot, send_until_s=created.send_until_s)

    async def look(self) -> None:
        """Look for work once."""
        await self.ownership._do_work()

    async def commit(self, task: str, *signals: Signal) -> None:
        """Commit what a follower would, without one."""
        snapshot = await self.state(task)
        lifecycle = Lifecycle(snapshot, self.clock())
        await self.journal.append([event for signal in signals for event in lifecycle.receive(signal, self.clock())])

    async def create(self, task: str, *, created_at: float = 1000.0, files: tuple[File, ...] = ()) -> None:
        """Create a task that is not followed."""
        stored = stored_task(task, created_at=created_at, files=files)
        event, _ = submit(
            task=task, model="o/m", provider="fake", tags=(), epoch=self.view.epoch, now=stored.created_at
        )
        await self.journal.create(stored, event)

    async def state(self, task: str = "task") -> Snapshot:
        snapshot = await self.journal.snapshot(task)
        assert snapshot is not None
        return snapshot


def stored_task(task: str, *, created_at: float, files: tuple[File, ...]) -> StoredTask:
    return StoredTask(
        id=task, provider="fake", model="o/m", created_at=created_at, input={}, metadata={}, files=files, hook=task
    )


@asynccontextmanager
async def running(store: SharedStore, limits: Limits | None = None) -> AsyncIterator[NodeUnderTest]:
    """Run a node until the block ends."""
    view, provider, spool, clock = store.node(), FakeProvider(), NodeSpool(), FakeClock()
    await view.open(lock=True)
    providers = {"fake": cast("Provider", provider)}
    supervisor = Supervisor(view.journal, providers, load(), cast("Spool", spool), clock, limits or Limits())
    ownership = Ownership(view.journal, supervisor, providers)
    async with supervisor:
        yield NodeUnderTest(
            view=view, provider=provider, spool=spool, clock=clock, supervisor=supervisor, ownership=ownership
        )
    await view.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that has no event."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0)
