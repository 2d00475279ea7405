"""Archives of both kinds, a host of results, and a journal with tasks that have ended."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from relay.archive import archive as archive_module
from relay.archive.archive import Archive, ArchiveLimits
from relay.archive.download import Downloads
from relay.archive.reach import Reach
from relay.archive.sources import Sources
from relay.archive.store import ArchiveStore
from relay.core.events import Done, Event, Output, Source, State, Submit
from relay.core.upstream import File
from relay.files.spool import Spool
from relay.journal.base import StoredTask
from relay.journal.file_copies import CopyState, FileCopy, copies_of, copies_of_files
from relay.journal.memory import MemoryJournal
from relay.net.proxy import DIRECT
from tests.archive.bucket import S3Server, s3_server
from tests.archive.origin import Origin, serving

NOW = 1_800_000_000.0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3() -> AsyncIterator[S3Server]:
    """Run one server for all tests of this worker."""
    async with s3_server() as server:
        yield server


@pytest.fixture
def bucket_environment(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Let clients of this process find the server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(params=["folder", "bucket"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "bucket":
        request.getfixturevalue("bucket_environment")
    return str(request.param)


@pytest.fixture
async def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty archive, with a prefix."""
    if kind == "folder":
        return f"file://{tmp_path}/results/of a relay"
    return f"s3://{await request.getfixturevalue('bucket_environment').bucket()}/of/a relay"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as started:
        yield started


@dataclass(slots=True)
class Lab:
    """A journal and an archive that uses it."""

    url: str
    stack: AsyncExitStack
    spool: Spool
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    now: float = NOW
    """The time of all clocks."""
    archived: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The tasks whose copies are settled."""
    limits: ArchiveLimits = field(default_factory=lambda: ArchiveLimits(file_bytes=2**30, total_bytes=2**40, age_s=0.0))
    reach: Reach = field(default_factory=lambda: Reach(plain=True, private=True))

    async def start(self) -> Archive:
        """Start an archive, as a process does."""
        return await self.stack.enter_async_context(
            Archive(
                self.journal,
                ArchiveStore(self.url),
                Sources(Downloads(DIRECT), {"wiro": self.reach}, self.spool),
                self.limits,
                self.clock,
                self.clock,
                self.archived.put,
            )
        )

    def clock(self) -> float:
        return self.now

    async def end(self, task: str, *outputs: Output, files: tuple[File, ...] = ()) -> None:
        """Write a task that has ended with results, and was started with files."""
        stored = StoredTask(id=task, provider="wiro", model="o/m", created_at=1.5, input={}, metadata={})
        submit, done = Submit(model="o/m", provider="wiro"), Done(verdict="succeeded")
        first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.5, source=Source.RELAY, data=submit)
        last = Event(type="done", task=task, seq=2, state=State.SUCCEEDED, at=2.5, source=Source.RELAY, data=done)
        await self.journal.create(stored, first)
        await self.journal.append(
            [last], copies=copies_of_files(task, "wiro", files) + copies_of(task, "wiro", outputs)
        )

    async def settled(self, task: str | None = None) -> tuple[FileCopy, ...]:
        """Wait until the copies of the next task, which must be this one if given, are settled; return them."""
        reported = await self.archived.get()
        assert task in (None, reported)
        while True:  # the last one is settled after that
            copies = await self.journal.copies.of_task(reported)
            if all(copy.state is not CopyState.WAITING for copy in copies):
                return copies
            await asyncio.sleep(0)


@pytest.fixture
async def make_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[Lab]]]:
    """Return a function that makes a lab for the archive at an address. Its pauses are short."""
    monkeypatch.setattr(archive_module, "POLL_S", 0.02)
    monkeypatch.setattr(archive_module, "RETRY_S", (0.0,) * 3)
    async with AsyncExitStack() as stack:

        async def make(url: str) -> Lab:
            spool = Spool(tmp_path / "spool", file_limit_bytes=2**30, limit_bytes=2**40)
            await spool.open(())
            stack.push_async_callback(spool.close)
            made = Lab(url, stack, spool)
            await made.journal.open(lock=True)
            stack.push_async_callback(made.journal.close)
            return made

        async with asyncio.timeout(120):
            yield make


@pytest.fixture
async def lab(make_lab: Callable[[str], Awaitable[Lab]], url: str) -> Lab:
    return await make_lab(url)
