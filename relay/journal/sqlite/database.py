"""
The journal's file: made private, locked, of our schema, with an epoch. What its tables hold is tables.py's business.

Everything here blocks: it is called in a thread.
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
from uuid import uuid4

from relay import log
from relay.errors import ConfigError, StoreGone
from relay.journal.batch import Batch
from relay.journal.sqlite.checkpoints import WRITER_PAGES
from relay.journal.sqlite.file_lock import HeldFile, hold
from relay.journal.sqlite.high_water_mark import Mark
from relay.journal.sqlite.upgrades import SCHEMA_VERSION, upgrade

_APPLICATION_ID = 0x72656C79
"""How our file differs from every other SQLite database: "rely", the four bytes SQLite has room for."""

_log = log.get("journal")

_BUSY_S = 10.0
"""How long a write waits for another process. Those that share the file (`relay token`) write for milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open file: one connection to write, and two that can only read, the second for lists."""

    writes: sqlite3.Connection
    reads: sqlite3.Connection
    lists: sqlite3.Connection
    epoch: str
    held: HeldFile | None
    """Null where the file was opened without the lock, beside a relay or for a moment."""
    opened: ExitStack

    def check(self) -> None:
        """
        See that the file is still what others find by its name.

        Raises:
            StoreGone: it is not.
        """
        if self.held is not None:
            self.held.check()

    @property
    def is_gone(self) -> bool:
        """Whether `check` would raise."""
        try:
            self.check()
        except StoreGone:
            return True
        return False

    def mark(self, batches: Sequence[Batch]) -> None:
        """Note beside the file how far its log has come, before anybody sees what was committed."""
        if self.held is not None and batches:
            last = batches[-1]
            mark = Mark(epoch=self.epoch, inode=self.held.inode, task=last.task, seq=last.last_seq)
            with suppress(OSError):  # it is committed all the same; without the mark an older copy may go unnoticed
                self.held.write_mark(mark.encode())

    def close(self) -> None:
        """Put everything on the disk and let go."""
        with self.opened:
            if self.held is None:
                return
            with suppress(sqlite3.Error):  # a full disk: to the next start it looks killed, which loses nothing
                self.writes.execute("PRAGMA synchronous = FULL")
                self.writes.execute("DELETE FROM meta WHERE name = 'running'")


def open_database(path: Path, *, lock: bool) -> Database:
    """
    Open the file, and make it where there is none; with `lock`, for as long as no other process has it so.

    Raises:
        ConfigError: it cannot be had, or it is no journal that this version understands.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"the folder of the journal {path} does not exist: make it, or let RELAY_STORE name another")
    with ExitStack() as opened:
        try:
            path = path.resolve()  # as SQLite does: its other files, and our lock, lie beside what a link leads to
            held = opened.enter_context(hold(path)) if lock else None
            if not path.exists():
                path.touch(mode=0o600)  # SQLite gives its -wal and -shm files the mode of this one
            writes = opened.enter_context(closing(_connect(path, "rw")))
            _check_ours(path, writes)
            # From here on there are secrets in it. A file that was brought from elsewhere may be open to others.
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
            _prepare(writes)
            epoch = _settle_epoch(writes, held)
            if held is not None:
                held.know_log()
            reads, lists = [opened.enter_context(closing(_connect(path, "ro"))) for _ in range(2)]
        except PermissionError as error:
            raise ConfigError(permission_denied(path)) from error
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cannot open the journal {path}: {error}") from error
        return Database(writes=writes, reads=reads, lists=lists, epoch=epoch, held=held, opened=opened.pop_all())


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # opened in one thread, used in another: never in two at once
    )


def _check_ours(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse another program's database, and one of a later version of ours."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if tables and application_id != _APPLICATION_ID:
        raise ConfigError(f"{path} is another program's database, not a journal")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"the journal {path} was written by a later relay (schema {version}, this one knows {SCHEMA_VERSION})"
        )


def _prepare(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError("its file system has no shared memory, which SQLite's WAL needs")
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
    """Bring an older file up to date. Two processes may find it so: the second one sees what the first has done."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    began = time.monotonic()
    _log.info("journal.upgrade_started", from_schema=version, to_schema=SCHEMA_VERSION)
    upgrade(connection, version)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    _log.info("journal.upgraded", to_schema=SCHEMA_VERSION, duration_s=round(time.monotonic() - began, 3))


def _settle_epoch(connection: sqlite3.Connection, held: HeldFile | None) -> str:
    """
    Return the file's epoch: made once, and made anew when commits may have been lost.

    A commit that is not synced survives the death of the process, not that of the machine. So a relay that was
    running under another boot of the machine, and did not close, may have shown what is not here. Neither is what an
    older copy of the file lacks, which was restored since.
    """
    boot = _boot()
    connection.execute("BEGIN IMMEDIATE")
    meta: dict[str, str] = dict(connection.execute("SELECT name, value FROM meta"))
    known, epoch = meta.get("epoch"), meta.get("epoch", secrets.token_hex(8))
    if held is not None:
        if meta.get("running", boot) != boot or _is_a_copy(connection, held, meta):
            epoch = secrets.token_hex(8)
        connection.execute("REPLACE INTO meta (name, value) VALUES ('running', ?), ('marked', 'yes')", (boot,))
    if epoch != known:
        connection.execute("REPLACE INTO meta (name, value) VALUES ('epoch', ?)", (epoch,))
    connection.execute("COMMIT")
    if held is not None and (epoch != known or Mark.decode(held.read_mark()) is None):
        held.write_mark(Mark(epoch=epoch, inode=held.inode).encode())
    return epoch


def _is_a_copy(connection: sqlite3.Connection, held: HeldFile, meta: Mapping[str, str]) -> bool:
    """Say whether the file is not the one that a relay had here last. One of an earlier version left no mark."""
    mark = Mark.decode(held.read_mark())
    if mark is None:
        return "marked" in meta
    return not mark.fits(connection, epoch=meta.get("epoch", ""), inode=held.inode)


def _boot() -> str:
    """Return what names this boot of the machine; where nothing does, each start counts as one."""
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
