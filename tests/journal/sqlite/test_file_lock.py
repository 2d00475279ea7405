"""
Locking: one relay uses the file, under any path, and notices when it is deleted, replaced, overwritten or restored.

Covers high_water_mark, too.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.events import Event, Log, LogOutput, Source, State, Submit
from relay.errors import ConfigError, StoreGone
from relay.journal.base import StoredTask
from relay.journal.sqlite import SQLiteJournal, writer
from relay.journal.sqlite import journal as sqlite_journal
from relay.journal.sqlite.high_water_mark import HighWaterMark

GONE = "the store was deleted or replaced"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "relay.db"


@asynccontextmanager
async def opened(path: Path, *, lock: bool = True) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(path)
    try:
        await journal.open(lock=lock)
        yield journal
    finally:
        await journal.close()


async def create(journal: SQLiteJournal, task: str) -> None:
    data = Submit(model="o/m", provider="wiro")
    first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data)
    await journal.create(
        StoredTask(id=task, provider="wiro", model="o/m", created_at=1.0, input={}, metadata={}), first
    )


async def append(journal: SQLiteJournal, task: str, seq: int) -> None:
    data = LogOutput(log=Log(stream="stdout", text="x" * 500))
    event = Event(type="output", task=task, seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)
    await journal.append([event])


def copy(path: Path, to: Path) -> None:
    """Make a backup as docs/operating.md describes, which also works while a relay is running."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(to),))


# Two relays


def by_symlink(path: Path, other: Path) -> None:
    other.symlink_to(path)


def by_folder(path: Path, other: Path) -> None:
    other.parent.rmdir()
    other.parent.symlink_to(path.parent)


def by_hard_link(path: Path, other: Path) -> None:
    os.link(path, other)


@pytest.mark.parametrize("link", [by_symlink, by_folder, by_hard_link])
async def test_a_second_path_to_the_file_is_refused(
    path: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    """In this process and another, with a one-line error. The first journal is not affected."""
    other = tmp_path / "other" / "relay.db"
    other.parent.mkdir()
    async with opened(path) as journal:
        await create(journal, "a")
        link(path, other)
        for _ in range(2):
            with pytest.raises(ConfigError, match="in use by another relay") as caught:
                async with opened(other):
                    pass
            assert "\n" not in str(caught.value)
        script = (
            "import asyncio, sys; from pathlib import Path; from relay.journal.sqlite import SQLiteJournal as J\n"
            "asyncio.run(J(Path(sys.argv[1])).open(lock=True))"
        )
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(other), stderr=asyncio.subprocess.PIPE
        )
        _, said = await child.communicate()
        assert b"in use by another relay" in said
        await append(journal, "a", 2)
        assert await journal.check() is None


# A file that is taken away


def remove(path: Path) -> None:
    path.unlink()


def remove_all(path: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def overwrite(path: Path) -> None:
    shutil.copy(path.with_name("backup"), path)


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def remove_log(path: Path) -> None:
    path.with_name("relay.db-wal").unlink()


@pytest.mark.parametrize("accident", [remove, remove_all, move, replace, overwrite, truncate, remove_log])
async def test_a_file_that_is_deleted_replaced_or_overwritten_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch, accident: Callable[[Path], None]
) -> None:
    """No task is created any more, appends end, the check fails, and it is logged once."""
    monkeypatch.setattr(writer, "CHECK_S", 0.0)
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    await create(journal, "before")
    await asyncio.to_thread(shutil.copy, path, path.with_name("backup"))
    for seq in range(2, 300):
        await append(journal, "before", seq)
    with closing(sqlite3.connect(path)) as connection:  # moves it all into the file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert await journal.check() is None

    await asyncio.to_thread(accident, path)

    with capture_logs() as logs:
        assert await journal.check() == GONE
        for _ in range(2):
            with pytest.raises(StoreGone):
                await create(journal, "after")
            with pytest.raises(StoreGone):
                await append(journal, "before", 300)
            with pytest.raises(StoreGone):
                await journal.save_time(1.0)
        assert await journal.check() == GONE
    assert [entry["event"] for entry in logs] == ["journal.write_failed"]
    assert "restart the relay" in logs[0]["error"]
    await journal.close()


async def test_a_file_that_is_moved_back_is_used_again(path: Path) -> None:
    """It is the same file."""
    async with opened(path) as journal:
        await create(journal, "a")
        await asyncio.to_thread(move, path)
        assert await journal.check() == GONE
        await asyncio.to_thread(path.with_name("moved.db").rename, path)
        assert await journal.check() is None
        await append(journal, "a", 2)


async def test_normal_maintenance_is_not_taken_for_an_accident(path: Path) -> None:
    """Commands, a backup, a checkpoint, and a vacuum that shrinks the file."""
    async with opened(path) as journal:
        await create(journal, "a")
        for seq in range(2, 400):
            await append(journal, "a", seq)
        await journal.prune(ended_before=0.0, limit=1)
        async with opened(path, lock=False) as beside:
            await beside.keep_secret("key", "value")
        await asyncio.to_thread(copy, path, path.with_name("backup"))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM events WHERE seq > 10")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert await journal.check() is None
        await append(journal, "a", 11)


async def test_checks_from_two_threads_do_not_alarm_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file can change between the two."""
    monkeypatch.setattr(writer, "CHECK_S", 0.0)
    monkeypatch.setattr(sqlite_journal, "CHECK_WRITE_S", 0.0)
    async with opened(path) as journal:
        await create(journal, "a")
        for seq in range(2, 200):
            checked, _ = await asyncio.gather(journal.check(), append(journal, "a", seq))
            assert checked is None


# A file of earlier


async def run(path: Path, task: str, *, lines: int = 3) -> str:
    """Open the journal, append to it and close it; return its epoch."""
    async with opened(path) as journal:
        await create(journal, task)
        for seq in range(2, lines + 2):
            await append(journal, task, seq)
        return journal.epoch


async def epoch_of(path: Path) -> str:
    async with opened(path) as journal:
        return journal.epoch


@pytest.mark.parametrize("by", ["replaced", "overwritten"])
async def test_a_restored_backup_of_a_clean_stop_has_a_new_epoch(path: Path, by: str) -> None:
    """Later commits are missing, so old cursors must not be resumed. After that it is a normal file."""
    before = await run(path, "a")
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    assert await run(path, "b") == before
    if by == "replaced":
        remove(path)
    shutil.copy(backup, path)

    restored = await epoch_of(path)

    assert restored != before
    assert await epoch_of(path) == restored
    assert await run(path, "c") == restored
    assert await epoch_of(path) == restored


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.journal.sqlite.test_file_lock import append, create
from relay.journal.sqlite import SQLiteJournal

async def main():
    journal = SQLiteJournal(Path(sys.argv[1]))
    await journal.open(lock=True)
    await create(journal, "a")
    print(journal.epoch, flush=True)
    seq = 1
    while True:
        sys.stdin.readline()
        seq += 1
        await append(journal, "a", seq)
        print(seq, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("restored", [True, False])
async def test_a_backup_restored_after_a_kill_has_a_new_epoch(path: Path, restored: bool) -> None:
    """A single missing event is enough. A file that was killed but not restored keeps its epoch."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    epoch = (await child.stdout.readline()).decode().strip()
    for seq in (2, 3):
        child.stdin.write(b"\n")
        assert await child.stdout.readline() == b"%d\n" % seq
        if seq == 2:
            await asyncio.to_thread(copy, path, path.with_name("backup"))
    child.send_signal(signal.SIGKILL)
    await child.wait()
    if restored:
        for left in (path, path.with_name("relay.db-wal"), path.with_name("relay.db-shm")):
            left.unlink()
        shutil.copy(path.with_name("backup"), path)
    assert (await epoch_of(path) == epoch) == (not restored)


async def test_a_file_that_is_moved_to_another_directory_has_a_new_epoch(path: Path, tmp_path: Path) -> None:
    """Alone or with its other files: there is no mark of this path to compare it with."""
    before = await run(path, "a")
    alone = tmp_path / "alone.db"
    shutil.copy(path, alone)
    assert await epoch_of(alone) != before
    everything = tmp_path / "everything"
    shutil.copytree(path.parent, everything)
    assert await epoch_of(everything / "relay.db") != before
    assert await epoch_of(path) == before


async def test_opening_without_the_lock_does_not_change_the_epoch(path: Path) -> None:
    """Not even that of a restored copy: only the relay that runs it decides."""
    before = await run(path, "a")
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    await run(path, "b")
    shutil.copy(backup, path)
    async with opened(path, lock=False) as beside:
        await beside.keep_secret("key", "value")
        assert beside.epoch == before
    assert await epoch_of(path) != before


async def test_a_file_without_a_mark_keeps_its_epoch(path: Path) -> None:
    """Earlier versions left none, and an update is not a restore."""
    before = await run(path, "a")
    path.with_name("relay.db.lock").write_bytes(b"")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'marked'")
    assert await epoch_of(path) == before


def test_marks_are_decoded_and_anything_else_is_null() -> None:
    """All marks have the same length."""
    marks = [
        HighWaterMark(epoch="0f" * 8, inode=7),
        HighWaterMark(epoch="0f" * 8, inode=2**63, task="t" * 26, seq=10**9),
    ]
    assert [HighWaterMark.decode(mark.encode()) for mark in marks] == marks
    assert len({len(mark.encode()) for mark in marks}) == 1
    for torn in (b"", b"\0" * 128, b"0f0f 7", b"\xff", b"a b c d", marks[1].encode()[:60]):
        assert HighWaterMark.decode(torn) is None
