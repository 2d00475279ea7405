"""Opening the file where the system lacks something. How it is opened otherwise is tested in test_journal.py."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.journal.sqlite import database


def test_a_file_system_without_shared_memory_is_refused() -> None:
    """SQLite silently keeps another journal mode there, without which readers would block the writer."""
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError, match="lacks shared memory"),
    ):
        database._prepare(connection)


def test_without_a_boot_id_each_start_counts_as_a_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits may be lost then, so the epoch has to change."""
    assert database._boot() == database._boot()

    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert database._boot() != database._boot()
