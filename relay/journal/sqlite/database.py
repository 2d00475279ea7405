"""
Opens the journal's file: creates and locks it, upgrades its schema, and decides on the epoch.

Everything here blocks and is called in a thread.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal
from uuid import uuid4

from relay import log
from relay.errors import ConfigError, StoreGone
from relay.journal.batch import Batch
from relay.journal.sqlite.checkpoints import WRITER_PAGES
from relay.journal.sqlite.file_lock import LockedFile, lock_file
from relay.journal.sqlite.high_water_mark import HighWaterMark
from relay.journal.sqlite.upgrades import SCHEMA_VERSION, upgrade
from relay.journal.sqlite.webhooks import resume
from relay.journal.transfer import COPY_AGAIN, COPYING

_APPLICATION_ID = 0x72656C79
"""SQLite's application id, which distinguishes a journal from other databases: "rely" in ASCII."""

READS = 2
"""Connections for the data and the log of one task: lookups of a millisecond, or of more if a disk is slow."""

LISTS = 2
"""Connections for lists, each of which takes a few milliseconds."""

SEARCHES = 2
"""Connections for searches by words, which can take seconds."""

UPGRADE_LOG_S = 5.0
"""The time between two lines of the log during an upgrade: it takes about a minute for a million tasks."""

UPGRADE_LOG_INSTRUCTIONS = 1_000_000
"""How many instructions of SQLite's virtual machine pass before the time is looked at: a fraction of a second."""

_log = log.get("journal")

_BUSY_S = 10.0
"""How long a write waits for another process. Those that share the file (`relay token`) need milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open file: a connection for writes, and read-only ones for each kind of read."""

    writes: sqlite3.Connection
    reads: tuple[sqlite3.Connection, ...]
    lists: tuple[sqlite3.Connection, ...]
    searches: tuple[sqlite3.Connection, ...]
    checks: tuple[sqlite3.Connection, ...]
    epoch: str
    locked: LockedFile | None
    """Null if the file was opened without the lock, beside a running relay."""
    opened: ExitStack

    def check(self) -> None:
        """
        Check that the file is still in place.

        Raises:
            StoreGone: it was deleted, replaced or overwritten.
        """
        if self.locked is not None:
            self.locked.check()

    @property
    def is_gone(self) -> bool:
        """Whether `check` would raise."""
        try:
            self.check()
        except StoreGone:
            return True
        return False

    def mark(self, batches: Sequence[Batch]) -> None:
        """Write the high-water mark of a commit, before a viewer can see it."""
        if self.locked is not None and batches:
            last = batches[-1]
            mark = HighWaterMark(epoch=self.epoch, inode=self.locked.inode, task=last.task, seq=last.last_seq)
            with suppress(OSError):  # the commit is made; without the mark, a restored copy may go unnoticed
                self.locked.write_mark(mark.encode())

    def close(self) -> None:
        """Write everything to the disk and close all connections."""
        with self.opened:
            if self.locked is None:
                return
            with suppress(sqlite3.Error):  # a full disk: the next start assumes a crash, which loses nothing
                self.writes.execute("PRAGMA synchronous = FULL")
                self.writes.execute("DELETE FROM meta WHERE name = 'running'")


def open_database(path: Path, *, lock: bool, copying: bool = False) -> Database:
    """
    Open the file, creating it if necessary; with `lock`, exclude other processes that want the lock.

    Args:
        path: the file.
        lock: whether to exclude others.
        copying: whether to open it even if a copy to it is not finished.

    Raises:
        ConfigError: it cannot be opened or locked, this version cannot read it, or a copy to it is not finished.
    """
    if not path.parent.is_dir():
        raise ConfigError(
            f"the directory of the journal {path} does not exist: create it, or set RELAY_STORE to another"
        )
    with ExitStack() as opened:
        try:
            path = path.resolve()  # as SQLite does: its other files and the lock are beside the target of a link
            locked = opened.enter_context(lock_file(path)) if lock else None
            if not path.exists():
                path.touch(mode=0o600)  # SQLite creates its -wal and -shm files with the same mode
            writes = opened.enter_context(closing(connect(path, "rw")))
            check_application(path, writes)
            # The journal contains secrets. A file that was copied from elsewhere may be readable by others.
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
            _prepare(writes)
            if not copying and writes.execute("SELECT 1 FROM meta WHERE name = ?", (COPYING,)).fetchone():
                raise ConfigError(f"a copy to the journal {path} is not finished: {COPY_AGAIN}")
            epoch = _settle_epoch(writes, locked)
            if locked is not None:
                resume(writes)
                locked.watch_log()
            reads, lists, searches, checks = [
                tuple(opened.enter_context(closing(_connect_reader(path))) for _ in range(connections))
                for connections in (READS, LISTS, SEARCHES, 1)
            ]
        except PermissionError as error:
            raise ConfigError(permission_denied(path)) from error
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cannot open the journal {path}: {error}") from error
        return Database(
            writes=writes,
            reads=reads,
            lists=lists,
            searches=searches,
            checks=checks,
            epoch=epoch,
            locked=locked,
            opened=opened.pop_all(),
        )


def connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """Connect to an existing file, without transactions that begin by themselves."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # opened in one thread and used in another, but never in two at once
    )


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Connect for reads. SQLite opens its files at the first read, and later they may have been moved."""
    connection = connect(path, "ro")
    connection.execute("SELECT count(*) FROM meta").fetchone()
    return connection


def check_application(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse the database of another program or of a later version."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if tables and application_id != _APPLICATION_ID:
        raise ConfigError(f"{path} is the database of another program, not a journal")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"the journal {path} was written by a later version (schema {version}, supported: {SCHEMA_VERSION})"
        )


def _prepare(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError("its file system lacks shared memory, which SQLite's WAL requires")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WRITER_PAGES}")
    connection.execute("PRAGMA synchronous = FULL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version:
        _upgrade(connection)
        return
    schema = files("relay.journal.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(
        f"BEGIN IMMEDIATE;\n{schema}\n"
        f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


def _upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade the schema of a file. If two processes try at once, the second one finds it upgraded."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tasks,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
    began = logged = time.monotonic()

    def log_progress() -> None:
        nonlocal logged
        if (now := time.monotonic()) >= logged + UPGRADE_LOG_S:
            logged = now
            _log.info("journal.upgrade_continued", to_schema=SCHEMA_VERSION, elapsed_s=round(now - began, 1))

    _log.info("journal.upgrade_started", from_schema=version, to_schema=SCHEMA_VERSION, tasks=tasks)
    connection.set_progress_handler(log_progress, UPGRADE_LOG_INSTRUCTIONS)
    upgrade(connection, version)
    connection.set_progress_handler(None, 0)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    _log.info("journal.upgraded", to_schema=SCHEMA_VERSION, duration_s=round(time.monotonic() - began, 3))


def _settle_epoch(connection: sqlite3.Connection, locked: LockedFile | None) -> str:
    """
    Return the file's epoch: a new one if commits may have been lost.

    A commit that is not synced survives the end of the process, but not that of the machine. So commits may be lost if
    a relay had the file open under an earlier boot of the machine, or if the file is a restored copy.
    """
    boot = _boot()
    connection.execute("BEGIN IMMEDIATE")
    meta: dict[str, str] = dict(connection.execute("SELECT name, value FROM meta"))
    known, epoch = meta.get("epoch"), meta.get("epoch", secrets.token_hex(8))
    if locked is not None:
        if meta.get("running", boot) != boot or _is_a_copy(connection, locked, meta):
            epoch = secrets.token_hex(8)
        connection.execute("REPLACE INTO meta (name, value) VALUES ('running', ?), ('marked', 'yes')", (boot,))
    if epoch != known:
        connection.execute("REPLACE INTO meta (name, value) VALUES ('epoch', ?)", (epoch,))
    connection.execute("COMMIT")
    if locked is not None and (epoch != known or HighWaterMark.decode(locked.read_mark()) is None):
        locked.write_mark(HighWaterMark(epoch=epoch, inode=locked.inode).encode())
    return epoch


def _is_a_copy(connection: sqlite3.Connection, locked: LockedFile, meta: Mapping[str, str]) -> bool:
    """Return whether the file is not the one that a relay used here last. Earlier versions left no mark."""
    mark = HighWaterMark.decode(locked.read_mark())
    if mark is None:
        return "marked" in meta
    return not mark.matches(connection, epoch=meta.get("epoch", ""), inode=locked.inode)


def _boot() -> str:
    """Return the id of this boot of the machine; a new one for each start if there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid4())


def permission_denied(path: Path) -> str:
    """Return an error message that names the owner of the directory. A Docker volume may belong to root."""
    owner, user = path.parent.stat().st_uid, os.geteuid()
    return (
        f"cannot open the journal {path}: permission denied. {path.parent} belongs to uid {owner}, and the relay runs "
        f"as uid {user}: run `chown -R {user} {path.parent}`, or set RELAY_STORE to another path"
    )
