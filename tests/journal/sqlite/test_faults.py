"""
Failures of the disk, of stored data and of threads: every caller gets an error, and each failure is logged once.

Covers availability and damage.
"""

import asyncio
import math
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.events import Done, Event, Log, LogOutput, Source, State, Submit
from relay.core.snapshot import begin, fold
from relay.errors import RelayError, StoreDamaged, StoreError
from relay.journal.base import Claim, StoredTask
from relay.journal.batch import Batch
from relay.journal.lists import Filter
from relay.journal.sqlite import SQLiteJournal, tasks
from relay.journal.sqlite import journal as sqlite_journal

LONGEST_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    async with asyncio.timeout(LONGEST_S):  # nothing here may hang
        yield journal
    await journal.close()


@pytest.fixture(autouse=True)
def always_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every check write something."""
    monkeypatch.setattr(sqlite_journal, "CHECK_WRITE_S", 0.0)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Keep the files of this process from growing beyond the current size of the journal's log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("relay.db-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def event(task: str, seq: int, kind: str, state: State, data: Submit | LogOutput | Done) -> Event:
    return Event(type=kind, task=task, seq=seq, state=state, at=float(seq), source=Source.RELAY, data=data)


def submit(task: str) -> Event:
    return event(task, 1, "submit", State.SUBMITTING, Submit(model="o/m", provider="wiro"))


def line(task: str, seq: int, text: str = "x") -> Event:
    return event(task, seq, "output", State.RUNNING, LogOutput(log=Log(stream="stdout", text=text)))


async def create(journal: SQLiteJournal, task: str) -> None:
    record = StoredTask(id=task, provider="wiro", model="o/m", created_at=1.0, input={"prompt": "secret"}, metadata={})
    await journal.create(record, submit(task))


async def create_ended(journal: SQLiteJournal, task: str) -> None:
    """Add a task that has ended and has a stored snapshot."""
    await create(journal, task)
    later = [line(task, 2), event(task, 3, "done", State.SUCCEEDED, Done(verdict="succeeded"))]
    await journal.append(later, snapshot=fold(begin(submit(task), journal.epoch), later))


def change(path: Path, statement: str) -> None:
    """Change the file over another connection."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def spoil(path: Path) -> None:
    """Overwrite the second half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))


async def read(journal: SQLiteJournal, task: str) -> object:
    return await journal.read(task, after=0, limit=10)


# The disk


async def test_a_full_disk_is_logged_once_and_fails_the_check(path: Path, journal: SQLiteJournal) -> None:
    """One line when it begins and one when it is over, however many writes fail."""
    await create(journal, "a")
    assert await journal.check() is None
    with capture_logs() as logs:
        with full_disk(path):
            for _ in range(5):
                with pytest.raises(StoreError):
                    await journal.append([line("a", 2, "y" * 50_000)])
                assert await journal.check() == "the store cannot be written"
            assert (await journal.read("a", after=0, limit=10)).first_seq == 1
        while await journal.check() is not None:
            pass
    assert [entry["event"] for entry in logs] == ["journal.write_failed", "journal.write_recovered"]
    await journal.append([line("a", 2)])


async def test_a_check_finds_a_full_disk_before_a_write_fails(path: Path, journal: SQLiteJournal) -> None:
    """It writes something itself."""
    await create(journal, "a")
    with full_disk(path):
        assert await journal.check() == "the store cannot be written"
    assert await journal.check() is None


async def test_concurrent_checks_share_one_write(journal: SQLiteJournal) -> None:
    """However often a load balancer asks."""
    statements: list[str] = []
    journal._opened().database.writes.set_trace_callback(statements.append)
    assert await asyncio.gather(*(journal.check() for _ in range(50))) == [None] * 50
    assert len([each for each in statements if each == "COMMIT"]) < 10


async def test_a_store_that_hangs_fails_the_check(
    path: Path, journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check returns although the disk does not respond."""
    monkeypatch.setattr(sqlite_journal, "CHECK_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await journal.check() == "the store does not respond"
    monkeypatch.undo()
    while await journal.check() is not None:
        pass


# The writer


class Oddity(BaseException):
    """An error that no code expects."""


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), OverflowError("odd"), StopIteration(), Oddity()])
async def test_any_error_in_the_writer_is_raised_to_all_callers(
    journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Those of that commit and later ones. When the error is gone, the journal works again."""
    await create(journal, "a")
    writer = journal._opened().writer

    def broken(_connection: sqlite3.Connection, _batches: Sequence[Batch]) -> list[ValueError | None]:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_append", broken)
        for _ in range(2):
            appending = [journal.append([line("a", 2)]) for _ in range(3)]
            results = await asyncio.gather(*appending, return_exceptions=True)
            assert [type(result) for result in results] == [StoreError] * 3
    await journal.append([line("a", 2)])
    assert await journal.check() is None
    assert [entry.seq for entry in (await journal.read("a", after=0, limit=10)).entries] == [1, 2]


async def test_work_that_violates_a_constraint_fails_alone(path: Path, journal: SQLiteJournal) -> None:
    """SQLite's error rolls back the whole transaction. The other jobs are committed by themselves."""
    await create(journal, "a")
    task = StoredTask(id="b", provider="wiro", model="o/m", created_at=1.0, input={}, metadata={})
    claim = Claim(key="k", digest="d", task="unknown", at=1.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # both jobs have to wait, and are then done in one transaction
        jobs = [journal.append([line("a", 2)]), journal.create(task, submit("b"), claim=claim)]
        running = [asyncio.ensure_future(job) for job in jobs]
        await asyncio.sleep(0)
    appended, created = await asyncio.gather(*running, return_exceptions=True)

    assert appended == math.inf
    assert isinstance(created, StoreError)
    assert await journal.stored_task("b") is None
    assert await journal.check() is None


async def test_an_append_that_raises_in_the_writer_fails_alone(
    path: Path, journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its commit are repeated. The error is logged once."""
    for task in ("a", "b", "c"):
        await create(journal, task)
    writer = journal._opened().writer
    append = writer._append

    def allergic(connection: sqlite3.Connection, batches: Sequence[Batch]) -> Sequence[Exception | None]:
        refusals = append(connection, batches)
        if any(batch.task == "b" for batch in batches):
            raise OverflowError("too large")
        return refusals

    monkeypatch.setattr(writer, "_append", allergic)
    with capture_logs() as logs:
        for seq in (2, 3):
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                appending = [asyncio.ensure_future(journal.append([line(task, seq)])) for task in ("a", "b", "c")]
                await asyncio.sleep(0)
            results = await asyncio.gather(*appending, return_exceptions=True)
            assert [type(result) for result in results] == [float, StoreError, float]
    assert [entry["event"] for entry in logs] == ["journal.job_failed"]


# Rows


DAMAGES = {
    "state": "UPDATE tasks SET snapshot = substr(snapshot, 1, 40) WHERE id = 'bad'",
    "state without fields": "UPDATE tasks SET snapshot = x'7b7d' WHERE id = 'bad'",
    "state of another": "UPDATE tasks SET snapshot = (SELECT snapshot FROM tasks WHERE id = 'good') WHERE id = 'bad'",
    "no state": "UPDATE tasks SET snapshot = NULL WHERE id = 'bad'",
    "no state and no log": "UPDATE tasks SET snapshot = NULL, snapshot_seq = NULL WHERE id = 'bad'",
    "state of earlier": "UPDATE tasks SET snapshot_seq = 1 WHERE id = 'bad'",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_state_fails_the_calls_of_that_task(path: Path, journal: SQLiteJournal, damage: str) -> None:
    """With a StoreDamaged that names the task and quotes no data. All other calls and tasks work."""
    for task in ("bad", "good"):
        await create_ended(journal, task)
    change(path, DAMAGES[damage])
    if "log" in damage:
        change(path, "DELETE FROM events WHERE task = 'bad'")
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(StoreDamaged, match="bad") as caught:
                await journal.snapshot("bad")
            assert isinstance(caught.value, RelayError)
            assert caught.value.__cause__ is None
            assert "secret" not in str(caught.value)
        assert await journal.snapshots(["bad"]) == ()
    assert [entry["event"] for entry in logs] == ["journal.damage_found"]
    good = await journal.snapshot("good")
    assert good is not None
    assert await journal.snapshots(["bad", "good"]) == (good,)
    assert len(await journal.page(Filter(), after=None, limit=10)) == 2
    assert await journal.check() is None


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("UPDATE tasks SET input = x'7b' WHERE id = 'bad'", SQLiteJournal.stored_task),
        ("UPDATE tasks SET input = x'5b315d' WHERE id = 'bad'", SQLiteJournal.stored_task),
        ("UPDATE tasks SET tags = x'ff' WHERE id = 'bad'", SQLiteJournal.stored_task),
        ("UPDATE tasks SET metadata = x'' WHERE id = 'bad'", SQLiteJournal.stored_task),
        ("UPDATE tasks SET files = x'5b7b7d5d' WHERE id = 'bad'", SQLiteJournal.stored_task),
        ("UPDATE events SET body = substr(body, 1, 30) WHERE task = 'bad' AND seq = 2", SQLiteJournal.snapshot),
        ("UPDATE events SET body = x'7b7d' WHERE task = 'bad' AND seq = 2", SQLiteJournal.snapshot),
        ("DELETE FROM events WHERE task = 'bad' AND seq = 2", SQLiteJournal.snapshot),
        ("UPDATE events SET body = substr(body, 1, 30) WHERE task = 'bad' AND seq = 2", read),
        ("DELETE FROM events WHERE task = 'bad' AND seq = 2", read),
    ],
)
async def test_any_damaged_part_fails_the_calls_of_that_task(
    path: Path, statement: str, call: Callable[[SQLiteJournal, str], Awaitable[object]]
) -> None:
    """Its data, its log, a gap in it: not a ValueError, which would blame the caller, and not null."""
    first = SQLiteJournal(path)
    await first.open(lock=True)
    for task in ("bad", "good"):
        await create(first, task)
        await first.append([line(task, 2), line(task, 3)])
    await first.close()
    change(path, statement)
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    try:
        async with asyncio.timeout(LONGEST_S):
            for _ in range(2):
                with pytest.raises(StoreDamaged, match="bad"):
                    await call(journal, "bad")
            assert (await journal.stored_task("good")) is not None
            assert (await journal.snapshot("good")) is not None
            assert len((await journal.read("good", after=1, limit=10)).entries) == 2
    finally:
        await journal.close()


async def test_a_damaged_state_does_not_stop_retention(path: Path, journal: SQLiteJournal) -> None:
    """The damaged task is deleted by its age, too."""
    for task in ("bad", "good"):
        await create_ended(journal, task)
    change(path, DAMAGES["state"])
    assert set(await journal.prune(ended_before=100.0, limit=10)) == {"bad", "good"}


@pytest.mark.parametrize("error", [StopIteration(), KeyError("prompt"), ValueError("secret")])
async def test_any_error_in_a_query_is_a_store_error(
    journal: SQLiteJournal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A StopIteration would not even reach the caller."""

    def broken(_connection: sqlite3.Connection) -> tuple[str, ...]:
        raise error

    monkeypatch.setattr(tasks, "load_unfinished", broken)
    with pytest.raises(StoreError, match=type(error).__name__) as caught:
        await journal.owned()
    assert "secret" not in str(caught.value)
    monkeypatch.undo()
    assert await journal.owned() == ()


async def test_damaged_pages_are_store_errors(path: Path) -> None:
    """Callers get an error, and nothing hangs."""
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    for number in range(50):
        await create_ended(journal, f"t{number}")
    await journal.close()
    await asyncio.to_thread(spoil, path)
    again = SQLiteJournal(path)
    with suppress(RelayError):
        await again.open(lock=True)
        async with asyncio.timeout(LONGEST_S):
            for number in range(50):
                with suppress(StoreError):
                    await again.snapshot(f"t{number}")
                with suppress(StoreError):
                    await again.append([line(f"t{number}", 4)])
    await again.close()


async def test_a_failure_shows_in_the_load(journal: SQLiteJournal, path: Path) -> None:
    """Until a write succeeds. Commits that failed count, too."""
    await create(journal, "a")
    commits = sum(journal.commits.durations.counts)
    with full_disk(path), pytest.raises(StoreError):
        await journal.append([line("a", 2, "x" * 100_000)])
    assert journal.load.failing == {"write"}
    await journal.append([line("a", 2)])
    assert journal.load.failing == set()
    assert sum(journal.commits.durations.counts) == commits + 2
