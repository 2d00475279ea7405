"""A scripted provider, and the context of one task in front of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from relay.clock import uptime_s
from relay.core.lifecycle import Lifecycle, submit
from relay.core.schedule import TimeLimits
from relay.core.signals import Record, Signal
from relay.core.snapshot import Snapshot
from relay.core.upstream import File, Found, Run, UpstreamTask
from relay.errors import UpstreamError, UpstreamUnavailable
from relay.files.spool import Spool
from relay.journal.base import Journal, StoredTask
from relay.journal.memory import MemoryJournal
from relay.providers.base import Attempt, Provider
from relay.tasks.admission import Admission, Queue
from relay.tasks.context import TaskContext

UPSTREAM = UpstreamTask(upstream_id="1", socket_token="token")
OTHER = UpstreamTask(upstream_id="2", socket_token="another")

Answer = UpstreamTask | UpstreamError
T = TypeVar("T")


class FakeProvider:
    """A provider that gives the answers of a list to each call, and the last one from then on."""

    name = "fake"
    streams = True
    stops = True
    lists = True

    def __init__(self) -> None:
        self.answers: list[Answer] = [UPSTREAM]
        """To `run`."""
        self.sent: list[Run] = []
        """Also those that were late."""
        self.attempts: list[Attempt] = []
        self.found: list[Found | UpstreamError] = [Found()]
        """By `find`."""
        self.searches: list[tuple[float, float]] = []
        self.records: list[Record | UpstreamError | None] = [None]
        self.reads = 0
        self.stop_errors: list[UpstreamError | None] = [None]
        self.stopped: list[bool] = []
        self.streams_opened: list[Sequence[Signal] | UpstreamError] = [()]
        self.during_run: Callable[[], None] | None = None
        self.during_search: Callable[[], None] | None = None
        self.during_read: Callable[[], None] | None = None
        self.entered = asyncio.Event()
        """Set when a run has been received."""
        self.answering = asyncio.Event()
        """Runs are answered while it is set, as it is at first."""
        self.answering.set()

    async def run(self, run: Run, attempt: Attempt) -> UpstreamTask:
        self.sent.append(run)
        self.attempts.append(attempt)
        if self.during_run is not None:
            self.during_run()
        await asyncio.sleep(0)
        if uptime_s() >= attempt.send_until_s:
            attempt.late = True
            raise UpstreamUnavailable("It was not sent: connecting took too long.")
        attempt.complete = True
        self.entered.set()
        await self.answering.wait()
        return _next(self.answers)

    async def find(self, _run: Run, *, since: float, until: float) -> Found:
        self.searches.append((since, until))
        if self.during_search is not None:
            self.during_search()
        await asyncio.sleep(0)
        return _next(self.found)

    async def read_record(self, _task: UpstreamTask) -> Record | None:
        self.reads += 1
        if self.during_read is not None:
            self.during_read()
        return _next(self.records)

    async def stop(self, _task: UpstreamTask, *, started: bool) -> None:
        self.stopped.append(started)
        await asyncio.sleep(0)
        _next(self.stop_errors)

    @asynccontextmanager
    async def follow(self, _task: UpstreamTask) -> AsyncIterator[AsyncIterator[Signal]]:
        signals = _next(self.streams_opened)

        async def stream() -> AsyncIterator[Signal]:
            for signal in signals:
                yield signal

        yield stream()


def _next(answers: list[T | UpstreamError]) -> T:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, UpstreamError):
        raise answer
    return answer


class FakeSpool:
    """A spool that has every file, and counts how often files are released."""

    def __init__(self) -> None:
        self.releases = 0
        self.complete = True
        """Whether it has all files."""

    async def has(self, files: Sequence[File]) -> bool:
        return self.complete or not files

    async def release(self, _files: Sequence[File]) -> None:
        self.releases += 1


class FakeClock:
    """Unix seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One new task in a journal in memory, and what surrounds it."""

    context: TaskContext
    snapshot: Snapshot
    provider: FakeProvider
    spool: FakeSpool
    clock: FakeClock
    journal: Journal

    def lifecycle(self) -> Lifecycle:
        """Return the lifecycle of the task as it was created."""
        return Lifecycle(self.snapshot, self.clock(), self.context.time_limits)


async def bench(
    *,
    callback_url: str | None = None,
    file_bytes: int = 0,
    queue_limit_s: float = 3600.0,
    journal: Journal | None = None,
) -> Bench:
    """Create a task at second 1000 that has not been submitted. `journal` is open; by default, it is a new one."""
    provider, spool, clock = FakeProvider(), FakeSpool(), FakeClock()
    if journal is None:
        journal = MemoryJournal()
        await journal.open(lock=True)
    files: tuple[File, ...] = ()
    if file_bytes:
        path = Path("upload/0")
        files = (File(input="x", filename="x", content_type="x/x", size_bytes=file_bytes, sha256="", path=path),)
    stored = StoredTask(id="task", provider="fake", model="o/m", created_at=clock(), input={}, metadata={}, files=files)
    event, snapshot = submit(task="task", model="o/m", provider="fake", tags=(), epoch=journal.epoch, now=clock())
    await journal.create(stored, event)
    context = TaskContext(
        stored=stored,
        run=Run(model="o/m", input={}, files=files, callback_url=callback_url),
        provider=cast("Provider", provider),
        journal=journal,
        spool=cast("Spool", spool),
        admission=Admission(Queue(10)),
        time_limits=TimeLimits(),
        queue_limit_s=queue_limit_s,
        keeps_results=False,
        clock=clock,
        wall_clock=clock,
        tallied=lambda _tally: None,
    )
    return Bench(context=context, snapshot=snapshot, provider=provider, spool=spool, clock=clock, journal=journal)
