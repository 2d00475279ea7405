"""
Work on a whole file: check it, copy it while a relay uses it, replace it with a copy, and return free space.

Only commands use this module, so it may block the calling thread.
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from relay.errors import ConfigError, StoreError
from relay.journal.sqlite import metadata
from relay.journal.sqlite.database import check_application, connect
from relay.journal.sqlite.file_lock import lock_file
from relay.journal.sqlite.upgrades import SCHEMA_VERSION

_PAGES: Final = 2000
"""How many pages are copied between two reports of progress."""

_OTHER_FILES: Final = ("-wal", "-shm")
"""Files beside the journal that belong to it."""


def file_problems(path: Path) -> list[str]:
    """
    Return what SQLite itself finds wrong with a file. It may be in use, and is not changed.

    Raises:
        ConfigError: it does not exist, is not a journal, or has the schema of another version.
        StoreError: it cannot be read.
    """
    with _failing(path), closing(connect(_existing(path), "ro")) as connection:
        check_application(path, connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"the journal {path} was written by an earlier version (schema {version}, this version has "
                f"{SCHEMA_VERSION}): run `relay serve` on it once, which upgrades it"
            )
        found = [str(line) for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        rows = connection.execute("PRAGMA foreign_key_check").fetchall()
        return found + [f"a row of the table {table} refers to no row of {parent}" for table, _, parent, _ in rows]


def copy_file(source: Path, target: Path, progress: Callable[[int, int], None] = lambda _done, _of: None) -> None:
    """
    Copy a file at one moment of its history, with SQLite's backup API. A relay may use it meanwhile.

    Args:
        source: the file.
        target: the copy, which must not exist. If the copy fails, it is deleted.
        progress: called with the number of copied pages and that of all pages.

    Raises:
        ConfigError: the source does not exist or is not a journal.
        StoreError: the source cannot be read, or the target not be written.
    """
    with _failing(source), closing(connect(_existing(source), "ro")) as reads:
        check_application(source, reads)
        reads.execute("BEGIN")  # the copy would begin again after each commit otherwise
        reads.execute("SELECT count(*) FROM meta").fetchone()
        target.touch(mode=0o600, exist_ok=False)
        try:
            with _failing(target), closing(connect(target, "rw")) as writes:
                reads.backup(writes, pages=_PAGES, progress=lambda _, left, total: progress(total - left, total))
        except BaseException:
            target.unlink()
            raise


def settle_file(path: Path) -> None:
    """
    Store a copy in a single file that can be read from a read-only directory. A relay that opens it adds files again.

    Raises:
        StoreError: it cannot be written.
    """
    with _failing(path), closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def replace_file(path: Path, by: Path) -> Path | None:
    """
    Replace a journal that no relay uses with another file, and give it a new epoch.

    Returns:
        Where the former file is now; None if there was none.

    Raises:
        ConfigError: a relay has it open.
        StoreError: a file cannot be written.
    """
    with _failing(path), lock_file(path.resolve()):
        with closing(connect(by, "rw")) as connection:
            metadata.set_meta(connection, "epoch", secrets.token_hex(8))
        former = _keep_aside(path) if path.stat().st_size else None
        by.rename(path)  # the store exists at every moment: a relay would create an empty one
        return former


def vacuum_file(path: Path) -> None:
    """
    Return the free space in a file that no relay uses to the file system.

    Raises:
        ConfigError: it does not exist, is not a journal, or a relay has it open.
        StoreError: it failed, for example because the disk is too small for the second copy that SQLite makes.
    """
    with _failing(path), lock_file(_existing(path).resolve()), closing(connect(path, "rw")) as connection:
        check_application(path, connection)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _keep_aside(path: Path) -> Path:
    """Give a file and its log second names, and return that of the file. Only the file itself keeps its first name."""
    former = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    former.hardlink_to(path)
    for ending in _OTHER_FILES:  # a log that stays beside another file would damage it
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.rename(former.with_name(former.name + ending))
    return former


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(f"there is no store at {path}")
    return path


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    """Turn an error of SQLite or of the file system into a StoreError that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error
