"""Work on whole files: what is found wrong with one, and that a replaced one is kept."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.errors import ConfigError, StoreError
from relay.journal.sqlite import SQLiteJournal
from relay.journal.sqlite.maintenance import copy_file, file_problems, replace_file, settle_file, vacuum_file
from tests.journal.postgres.records import create, event


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return the path of a journal with one task of two events."""
    path = tmp_path / "relay.db"
    journal = SQLiteJournal(path)
    await journal.open(lock=True)
    await create(journal, "task-1")
    await journal.append([event("task-1", 2)])
    await journal.close()
    return path


def change(path: Path, statement: str) -> None:
    """Change a file as a relay never does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_an_intact_file_has_no_problems(path: Path) -> None:
    """Nor has its copy, which reports its progress."""
    done: list[tuple[int, int]] = []
    copy_file(path, path.with_name("copy.db"), lambda *pages: done.append(pages))

    assert file_problems(path) == file_problems(path.with_name("copy.db")) == []
    assert done[-1][0] == done[-1][1] > 0


def test_a_row_that_refers_to_nothing_is_found(path: Path) -> None:
    """A deleted task leaves no events."""
    change(path, "DELETE FROM tasks")

    assert "a row of the table events refers to no row of tasks" in file_problems(path)


def test_a_file_of_another_version_or_program_is_not_judged(path: Path) -> None:
    """An earlier version's file is upgraded by a relay only."""
    change(path, "PRAGMA user_version = 1")
    with pytest.raises(ConfigError, match=r"earlier version \(schema 1, .*run `relay serve`"):
        file_problems(path)
    change(path, "PRAGMA application_id = 7")
    with pytest.raises(ConfigError, match="another program"):
        file_problems(path)


def test_an_interrupted_copy_leaves_no_file(path: Path) -> None:
    """Such as with Ctrl-C."""
    target = path.with_name("copy.db")

    def interrupt(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_file(path, target, interrupt)

    assert not target.exists()


def test_a_copy_never_overwrites_a_file(path: Path) -> None:
    """The error names it."""
    with pytest.raises(StoreError, match=r"relay\.db.*exists"):
        copy_file(path, path)


@pytest.mark.parametrize("killed", [True, False])
async def test_a_replaced_file_is_kept_with_its_log(killed: bool, path: Path) -> None:
    """What a killed relay had not moved from the log to the file is in the kept one."""
    copy = path.with_name("copy.db")
    copy_file(path, copy)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM events WHERE seq = 2")
        connection.commit()  # in the log; an open connection leaves it, as a killed process does
        if not killed:
            connection.close()
        former = replace_file(path, copy)
        assert former is not None
        assert former.with_name(f"{former.name}-wal").exists() == killed
        assert not path.with_name("relay.db-wal").exists()

    with closing(sqlite3.connect(former)) as kept, closing(sqlite3.connect(path)) as now:
        assert kept.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert now.execute("SELECT count(*) FROM events").fetchone() == (2,)


def test_a_replaced_file_that_was_empty_is_not_kept(path: Path) -> None:
    """There was no store, only the file that is locked."""
    (empty := path.with_name("new.db")).touch()

    assert replace_file(empty, path) is None
    assert file_problems(empty) == []


def test_a_settled_copy_can_be_read_in_a_folder_that_cannot_be_written(path: Path) -> None:
    """The journal mode is in the file: with a log, SQLite needs files beside it."""
    copy = path.with_name("copy.db")
    copy_file(path, copy)
    settle_file(copy)

    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (2,)


def test_vacuum_gives_free_space_back(path: Path) -> None:
    """And keeps everything."""
    change(path, "CREATE TABLE filler AS SELECT zeroblob(1000000)")
    change(path, "DROP TABLE filler")
    before = path.stat().st_size
    vacuum_file(path)

    assert path.stat().st_size < before - 900_000
    assert file_problems(path) == []


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    """Nor is its lock."""
    missing = tmp_path / "missing.db"
    with pytest.raises(ConfigError, match=r"there is no store at .*missing\.db"):
        vacuum_file(missing)
    assert not any(tmp_path.iterdir())
