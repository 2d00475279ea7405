"""The thread that makes checkpoints."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from relay.journal.sqlite import checkpoints
from relay.journal.sqlite.checkpoints import Checkpoints

LONGEST_S = 60.0


def values_without_the_log(path: Path) -> list[int]:
    """Read the database file as if there were no write-ahead log."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM numbers")]


def test_each_notification_moves_what_was_committed_into_the_file(path: Path) -> None:
    """While the writer keeps its connection open, and without a checkpoint of its own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE numbers (value INTEGER)")
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        thread = Checkpoints(path)
        for value in (1, 2):
            writer.execute("INSERT INTO numbers VALUES (?)", (value,))
            thread.notify()
            deadline_s = time.monotonic() + LONGEST_S
            while value not in values_without_the_log(path):
                assert time.monotonic() < deadline_s
                time.sleep(0.001)
        thread.stop()


def test_a_file_that_cannot_be_opened_does_not_end_the_thread(path: Path) -> None:
    """The writer fails for the same reason, and logs it."""
    thread = Checkpoints(path / "nothing" / "here.db")
    thread.notify()
    time.sleep(0.01)
    assert thread._thread.is_alive()
    thread.stop()
    assert not thread._thread.is_alive()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"
