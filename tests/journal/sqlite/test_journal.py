"""
The guarantees of the SQLite journal beyond the contract: it is durable, locked, private and upgraded.

Covers database, reader, upgrades and writer, too.
"""

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.events import Event, Log, LogOutput, Source, Stall, State, Submit
from relay.core.snapshot import begin, fold
from relay.core.upstream import UpstreamTask
from relay.errors import ConfigError
from relay.journal.base import StoredTask
from relay.journal.entries import Appended
from relay.journal.lists import Filter
from relay.journal.sqlite import SQLiteJournal, checkpoints, database
from relay.journal.sqlite.metadata import keep_secret


@asynccontextmanager
async def opened(path: Path, *, lock: bool = True) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(path)
    try:
        await journal.open(lock=lock)
        yield journal
    finally:
        await journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SQLiteJournal]:
    async with opened(path) as journal:
        yield journal


@contextmanager
def held_up(path: Path) -> Iterator[None]:
    """Block all other writers, as a slow disk would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def submit(task: str) -> Event:
    data = Submit(model="o/m", provider="wiro")
    return Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data)


def line(task: str, seq: int, text: str = "x") -> Event:
    data = LogOutput(log=Log(stream="stdout", text=text))
    return Event(type="output", task=task, seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)


async def create(journal: SQLiteJournal, task: str, tags: tuple[str, ...] = ("x",)) -> None:
    record = StoredTask(
        id=task, provider="wiro", model="o/m", created_at=1.0, tags=tags, input={"a": [1.5]}, metadata={"b": "ü"}
    )
    await journal.create(record, submit(task))


async def seqs(journal: SQLiteJournal, task: str) -> list[int]:
    return [entry.seq for entry in (await journal.read(task, after=0, limit=100_000)).entries]


# It lasts


async def test_a_reopened_file_has_everything(path: Path) -> None:
    """Log, task, snapshot, secrets, lists and epoch are what they were."""
    events = [submit("a"), line("a", 2), line("a", 3)]
    async with opened(path) as journal:
        await create(journal, "a")
        upstream = UpstreamTask(upstream_id="7", socket_token="token")
        stored = fold(begin(events[0], journal.epoch), events[1:2])
        await journal.append(events[1:2], snapshot=stored, upstream=upstream)
        await journal.append(events[2:])
        await journal.keep_secret("key", "secret")
        before = [
            journal.epoch,
            await journal.stored_task("a"),
            await journal.read("a", after=0, limit=10),
            await journal.snapshot("a"),
            await journal.page(Filter(tag="x", states=(State.RUNNING,)), after=None, limit=10),
            await journal.owned(),
        ]

    async with opened(path) as journal:
        after = [
            journal.epoch,
            await journal.stored_task("a"),
            await journal.read("a", after=0, limit=10),
            await journal.snapshot("a"),
            await journal.page(Filter(tag="x", states=(State.RUNNING,)), after=None, limit=10),
            await journal.owned(),
        ]
        assert await journal.keep_secret("key", "another") == "secret"
    assert after == before
    assert before[3] == fold(begin(events[0], str(before[0])), events[1:])


CHILD = """
import asyncio, sys
from pathlib import Path
from relay.core.events import Event, Log, LogOutput, Source, State, Submit
from relay.journal.base import StoredTask
from relay.journal.sqlite import SQLiteJournal

def event(task, seq, type, data):
    return Event(type=type, task=task, seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)

async def write(journal, task):
    record = StoredTask(id=task, provider="wiro", model="o/m", created_at=1.0, input={}, metadata={})
    await journal.create(record, event(task, 1, "submit", Submit(model="o/m", provider="wiro")))
    seq = 1
    while True:
        print(task, seq, flush=True)
        seq += 1
        await journal.append([event(task, seq, "output", LogOutput(log=Log(stream="stdout", text="x" * 200)))])

async def main():
    journal = SQLiteJournal(Path(sys.argv[1]))
    await journal.open(lock=True)
    print("epoch", journal.epoch, flush=True)
    await asyncio.gather(*(write(journal, f"t{n}") for n in range(8)))

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_append_that_returned(path: Path) -> None:
    """After SIGKILL during appends, the epoch is the same, too."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(path), stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    epoch = (await child.stdout.readline()).split()[1].decode()
    answered: dict[str, int] = {}
    for number in range(100_000):
        if number == 2000:
            child.send_signal(signal.SIGKILL)
        if not (said := await child.stdout.readline()).endswith(b"\n"):
            break
        task, seq = said.split()
        answered[task.decode()] = int(seq)
    assert await child.wait() == -signal.SIGKILL

    async with opened(path) as journal:
        assert journal.epoch == epoch
        assert len(answered) == 8
        for name, last in answered.items():
            kept = await seqs(journal, name)
            assert kept == list(range(1, len(kept) + 1))
            assert len(kept) >= last
            snapshot = await journal.snapshot(name)
            assert snapshot is not None
            assert snapshot.seq == len(kept)


@pytest.mark.parametrize("ending", ["closed", "killed"])
async def test_the_epoch_changes_when_the_machine_went_down_while_a_relay_was_running(path: Path, ending: str) -> None:
    """Commits that were not synced may be lost. A relay that was closed has synced them."""
    async with opened(path) as journal:
        epoch = journal.epoch
    if ending == "killed":
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO meta VALUES ('running', 'another boot')")
        connection.close()

    async with opened(path, lock=False) as beside:
        assert beside.epoch == epoch, "who does not run the journal does not judge it"
    async with opened(path) as journal:
        assert (journal.epoch == epoch) == (ending == "closed")
        later = journal.epoch
    async with opened(path) as journal:
        assert journal.epoch == later


# One relay's, and private


async def test_a_second_relay_is_refused(path: Path, journal: SQLiteJournal) -> None:
    """The error is one line. After the first one is closed, the second one gets the lock."""
    second = SQLiteJournal(path)
    with pytest.raises(ConfigError) as caught:
        await second.open(lock=True)
    await second.close()
    assert f"{path} is in use by another relay" in str(caught.value)
    assert "\n" not in str(caught.value)

    await journal.close()
    async with opened(path) as third:
        assert third.epoch


def made_old(path: Path, version: int) -> None:
    """Replace a file by one of an older schema with the same content."""
    new = path.with_name("new.db")
    path.rename(new)
    path.with_name("relay.db.lock").write_bytes(b"")
    with closing(sqlite3.connect(path)) as connection:
        schema = "schema_5.sql" if version > 3 else "schema_3.sql"
        connection.executescript((Path(__file__).parent / schema).read_text(encoding="utf-8"))
        connection.execute("ATTACH ? AS new", (str(new),))
        if version == 4:
            connection.execute("ALTER TABLE main.tasks DROP COLUMN checked")
        for table in ("meta", "secrets", "tasks", "claims", "events", *(["words"] if version > 3 else [])):
            columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
        columns = "tag, task, created_at" if version > 3 else "tag, task"
        connection.execute(f"INSERT INTO main.task_tags ({columns}) SELECT {columns} FROM new.listed WHERE tag != ''")
        connection.execute("DELETE FROM main.meta WHERE name = 'marked'")
        if version < 3:
            for index in ("claims_by_task", "task_tags_by_task"):
                connection.execute(f"DROP INDEX {index}")
        if version < 2:
            connection.execute("ALTER TABLE main.tasks DROP COLUMN files")
        connection.commit()
        (application_id,) = connection.execute("PRAGMA new.application_id").fetchone()
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {version}")


def schema_of(path: Path) -> set[tuple[str, str, str]]:
    """Return every table and index of a file with its columns."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall()
        return {
            (kind, name, repr(connection.execute(f"PRAGMA {kind}_xinfo({name})").fetchall())) for kind, name in names
        }


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
async def test_a_file_of_an_older_schema_is_upgraded(path: Path, version: int) -> None:
    """Its tasks stay and are found as in a new file; old ones have no files."""
    async with opened(path) as journal:
        await create(journal, "a", tags=("long-video", "Frühling"))
        await create(journal, "b", tags=("long-video",))
        stall = Stall(silent_s=60.0, checked="nothing new")
        await journal.append([line("a", 2), replace(line("a", 3), type="stall", data=stall), line("a", 4)])
        epoch = journal.epoch
    made_old(path, version)
    async with opened(path) as journal:
        kept = await journal.stored_task("a")
        assert kept is not None
        assert (kept.input, kept.files, kept.tags) == ({"a": [1.5]}, (), ("long-video", "Frühling"))
        assert (kept.title, await journal.prompts(["a"])) == (None, {})
        assert journal.epoch == epoch
        for where, found in (
            (Filter(tag="long-video"), ["b", "a"]),
            (Filter(words=("vid",)), ["b", "a"]),
            (Filter(words=("frü",)), ["a"]),
            (Filter(model="O/M"), ["b", "a"]),
            (Filter(states=(State.RUNNING,), tag="long-video"), ["a"]),
            (Filter(stalled=True), ["a"]),
            (Filter(states=(State.SUBMITTING,), provider="wiro"), ["b"]),
        ):
            assert [place.id for place in await journal.page(where, after=None, limit=10)] == found
        await journal.append([line("b", 2)])
        running = await journal.page(Filter(states=(State.RUNNING,), tag="long-video"), after=None, limit=10)
        assert [place.id for place in running] == ["b", "a"]
    fresh = path.with_name("fresh.db")
    async with opened(fresh), opened(path):
        pass
    assert schema_of(path) == schema_of(fresh)


@pytest.mark.parametrize(("every_s", "continued"), [(0.0, True), (1e9, False)], ids=["long", "short"])
async def test_a_long_upgrade_logs_its_progress(
    path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float, continued: bool
) -> None:
    """Between the lines for its start, with the number of tasks, and its end."""
    async with opened(path) as journal:
        await create(journal, "a")
    made_old(path, 5)
    monkeypatch.setattr(database, "UPGRADE_LOG_S", every_s)
    monkeypatch.setattr(database, "UPGRADE_LOG_INSTRUCTIONS", 1)
    with capture_logs() as logs:
        async with opened(path):
            pass
    first, *between, last = [entry for entry in logs if entry["event"].startswith("journal.upgrade")]
    assert (first["event"], first["tasks"]) == ("journal.upgrade_started", 1)
    assert {entry["event"] for entry in between} == ({"journal.upgrade_continued"} if continued else set())
    assert last["event"] == "journal.upgraded"


async def test_checkpoints_are_made_while_appends_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a commit nor closing the journal has to make them."""
    monkeypatch.setattr(checkpoints, "PAUSE_S", 0.0)
    async with opened(path) as journal:
        await create(journal, "a")
        async with asyncio.timeout(60):
            while "a" not in await asyncio.to_thread(tasks_without_the_log, path):
                await journal.append([line("a", len(await seqs(journal, "a")) + 1)])


def tasks_without_the_log(path: Path) -> list[str]:
    """Read the file as if there were no write-ahead log."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        try:
            return [task for (task,) in connection.execute("SELECT id FROM tasks")]
        except sqlite3.DatabaseError:  # not even its tables are there yet
            return []


async def test_several_may_open_the_file_without_the_lock(path: Path, journal: SQLiteJournal) -> None:
    """A command beside a running relay sees its tasks, and all get the same secret."""
    await create(journal, "a")
    async with opened(path, lock=False) as one, opened(path, lock=False) as two:
        assert await seqs(one, "a") == [1]
        assert one.epoch == two.epoch == journal.epoch
        kept = await asyncio.gather(*(each.keep_secret("key", f"of {n}") for n, each in enumerate((journal, one, two))))
        assert len(set(kept)) == 1


async def test_a_new_file_is_created_once(path: Path) -> None:
    """Processes that open a missing file at the same time share one journal."""
    journals = [SQLiteJournal(path) for _ in range(8)]
    await asyncio.gather(*(journal.open(lock=False) for journal in journals))
    kept = await asyncio.gather(*(journal.keep_secret("key", f"of {n}") for n, journal in enumerate(journals)))

    assert len({journal.epoch for journal in journals}) == 1
    assert len(set(kept)) == 1
    await asyncio.gather(*(journal.close() for journal in journals))


@pytest.mark.parametrize("before", ["missing", "empty and readable"])
async def test_only_the_owner_can_read_the_file(path: Path, before: str) -> None:
    """All files of the journal, whatever the umask, and however the first one was created."""
    umask = os.umask(0)
    try:
        if before != "missing":
            await asyncio.to_thread(path.touch, 0o644)
        async with opened(path) as journal:
            await journal.keep_secret("key", "secret")
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(umask)

    assert modes == dict.fromkeys(["relay.db", "relay.db-wal", "relay.db-shm", "relay.db.lock"], 0o600)


def no_folder(path: Path) -> Path:
    return path / "missing" / "relay.db"


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def folder_is_a_file(path: Path) -> Path:
    path.touch()
    return path / "relay.db"


def no_database(path: Path) -> Path:
    path.write_text("Dear diary, today I wrote much more than the hundred bytes of a header. " * 40)
    return path


def another_database(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    return path


def from_the_future(path: Path) -> Path:
    asyncio.run(_make(path))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    return path


async def _make(path: Path) -> None:
    async with opened(path):
        pass


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (no_folder, "directory"),
        (folder, "cannot open"),
        (folder_is_a_file, "directory"),
        (no_database, "not a database"),
        (another_database, "another program"),
        (from_the_future, "schema 99"),
    ],
)
@pytest.mark.parametrize("lock", [True, False])
async def test_a_file_that_cannot_be_opened_is_a_one_line_error(
    path: Path, prepare: Callable[[Path], Path], reason: str, lock: bool
) -> None:
    """It names the file and the reason. The file is unchanged and not locked."""
    place = await asyncio.to_thread(prepare, path)
    before = place.stat() if place.is_file() else None
    for _ in range(2):
        with pytest.raises(ConfigError, match=reason) as caught:
            async with opened(place, lock=lock):
                pass
        assert str(place) in str(caught.value)
        assert "\n" not in str(caught.value)

    after = place.stat() if place.is_file() else None
    assert (before and (before.st_mode, before.st_size)) == (after and (after.st_mode, after.st_size))


async def test_a_directory_that_cannot_be_written_is_a_config_error() -> None:
    """Not a traceback. Not even root can write to this one."""
    with pytest.raises(ConfigError, match="cannot open"):
        async with opened(Path("/proc/self/relay.db")):
            pass


# The writer


async def test_pending_appends_are_committed_together(path: Path, journal: SQLiteJournal) -> None:
    """A hundred appends behind a busy disk take two commits: the current one and one for all others."""
    for n in range(100):
        await create(journal, f"t{n}")
    commits: list[Sequence[Appended]] = []
    journal.listen(commits.append)
    with held_up(path):
        appending = [asyncio.create_task(journal.append([line(f"t{n}", 2)])) for n in range(100)]
        await asyncio.sleep(0)
    await asyncio.gather(*appending)

    assert len(commits) <= 2
    assert sorted(each.task for commit in commits for each in commit) == sorted(f"t{n}" for n in range(100))


async def test_one_bad_job_of_a_commit_fails_alone(path: Path, journal: SQLiteJournal) -> None:
    """The other jobs of the same commit are not affected."""
    await create(journal, "a")
    await create(journal, "b")
    with held_up(path):
        calls = [
            journal.append([line("a", 2)]),
            journal.append([line("a", 5)]),
            journal.append([line("a", 3), line("a", 4)]),
            journal.keep_secret("key", "\ud800"),
            create(journal, "b"),
            journal.append([line("b", 2)]),
        ]
        waiting = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting, return_exceptions=True)

    kinds = [type(result) for result in results]
    assert kinds == [float, ValueError, float, UnicodeEncodeError, ValueError, float]
    assert await seqs(journal, "a") == [1, 2, 3, 4]
    assert await seqs(journal, "b") == [1, 2]


async def test_work_that_raises_is_rolled_back_alone(path: Path, journal: SQLiteJournal) -> None:
    """What other jobs of the same commit wrote stays."""
    await create(journal, "a")
    writer = journal._opened().writer

    def break_off(connection: sqlite3.Connection) -> None:
        keep_secret(connection, "half", "written")
        raise LookupError

    with held_up(path):
        broken = writer.do(break_off)
        appending = asyncio.create_task(journal.append([line("a", 2)]))
        await asyncio.sleep(0)
    with pytest.raises(LookupError):
        await broken
    await appending

    assert await journal.keep_secret("half", "again") == "again"
    assert await seqs(journal, "a") == [1, 2]


async def test_intents_and_secrets_are_synced(journal: SQLiteJournal) -> None:
    """The commits of `create` and `keep_secret` are; appends alone are not."""
    statements: list[str] = []
    journal._opened().database.writes.set_trace_callback(statements.append)

    async def synchronous(call: object) -> list[str]:
        statements.clear()
        await call  # type: ignore[misc]
        return [each.rpartition(" ")[2] for each in statements if each.startswith("PRAGMA synchronous")]

    await create(journal, "a")
    assert await synchronous(journal.append([line("a", 2)])) == ["NORMAL"]
    assert await synchronous(create(journal, "b")) == ["FULL"]
    assert await synchronous(journal.append([line("b", 2)])) == ["NORMAL"]
    assert await synchronous(journal.keep_secret("key", "value")) == ["FULL"]
    assert await synchronous(journal.append([line("a", 3)])) == ["NORMAL"]


async def test_reads_do_not_wait_for_writes(path: Path, journal: SQLiteJournal) -> None:
    """While a write is blocked, reads return what is committed, and the event loop runs."""
    await create(journal, "a")
    with held_up(path):
        appending = asyncio.create_task(journal.append([line("a", 2)]))
        assert await seqs(journal, "a") == [1]
        assert await journal.owned() == ("a",)
        assert not appending.done()
    await appending
    assert await seqs(journal, "a") == [1, 2]


async def test_the_append_of_a_caller_that_is_cancelled_during_a_slow_write_is_committed(
    path: Path, journal: SQLiteJournal
) -> None:
    """Listeners receive it although no caller is waiting."""
    await create(journal, "a")
    heard: list[Appended] = []
    journal.listen(heard.extend)
    with held_up(path):
        appending = asyncio.create_task(journal.append([line("a", 2)]))
        wrong = asyncio.create_task(journal.append([line("a", 9)]))
        await asyncio.sleep(0)
        appending.cancel()
        wrong.cancel()
        await asyncio.wait({appending, wrong})
        assert heard == []
    await journal.append([line("a", 3)])

    assert appending.cancelled()
    assert [entry.seq for each in heard for entry in each.entries] == [2, 3]


async def test_close_waits_for_a_slow_disk(path: Path) -> None:
    """Appends before `close` are in the file when it returns, even if one call of it was cancelled."""
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    await create(journal, "a")
    with held_up(path):
        appending = asyncio.create_task(journal.append([line("a", 2)]))
        closing = asyncio.create_task(journal.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(RuntimeError, match="not open"):
            await journal.append([line("a", 3)])
    await journal.close()
    await appending

    async with opened(path) as again:
        assert await seqs(again, "a") == [1, 2]


async def test_a_full_disk_is_an_os_error_and_the_append_can_be_repeated(path: Path, journal: SQLiteJournal) -> None:
    """A failed commit has no effect. With space again, the same call succeeds."""
    await create(journal, "a")
    await journal.append([line("a", 2)])
    heard: list[Appended] = []
    journal.listen(heard.extend)
    events = [line("a", 3), line("a", 4, "y" * 300_000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal_bytes = path.with_name("relay.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal_bytes + 100_000, hard))
    try:
        with pytest.raises(OSError, match="journal"):
            await journal.append(events)
        assert await seqs(journal, "a") == [1, 2]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert heard == []

    await journal.append(events)

    assert await seqs(journal, "a") == [1, 2, 3, 4]
    assert [entry.seq for each in heard for entry in each.entries] == [3, 4]


async def test_a_listener_that_raises_does_not_block_appends(journal: SQLiteJournal) -> None:
    """The loop's exception handler is called, and the append returns."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail(appended: Sequence[Appended]) -> None:
        raise LookupError(appended[0].task)

    journal.listen(fail)
    await create(journal, "a")

    assert isinstance(told[0]["exception"], LookupError)
    assert await seqs(journal, "a") == [1]


def test_a_loop_that_ends_without_closing_leaves_an_intact_file(path: Path) -> None:
    """Pending appends are committed. The threads neither crash nor keep the process alive."""

    async def leave(stack: ExitStack) -> SQLiteJournal:
        journal = SQLiteJournal(path)
        await journal.open(lock=False)
        await create(journal, "a")
        stack.enter_context(held_up(path))
        task = asyncio.create_task(journal.append([line("a", 2)]))
        await asyncio.sleep(0)
        assert not task.done()
        return journal

    async def look() -> None:
        async with opened(path) as journal:
            # The writer has no loop any more on which it could report that it is done.
            while await seqs(journal, "a") != [1, 2]:  # noqa: ASYNC110
                await asyncio.sleep(0)

    with ExitStack() as stack:
        left = asyncio.run(leave(stack))
    asyncio.run(look())
    left._opened().database.close()


async def test_a_directory_of_another_user_is_named_with_both_uids(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Docker volume belongs to root at first, and the image's relay does not run as root."""

    def refuse(name: str, *_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(ConfigError) as caught:
            await SQLiteJournal(path).open(lock=True)
    owner, ours = path.parent.stat().st_uid, os.geteuid()
    assert f"belongs to uid {owner}, and the relay runs as uid {ours}" in str(caught.value)
    assert f"chown -R {ours} {path.parent}" in str(caught.value)
    assert "\n" not in str(caught.value)
