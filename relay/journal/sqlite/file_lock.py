"""
Locks the journal's file for one relay, and notices when the file is deleted, replaced or overwritten.

Two files are locked. The lock file beside the journal excludes relays that open the same path, including earlier
versions. The lock on the journal itself excludes those that open it under another path: a hard link or a bind mount.
SQLite locks with fcntl, which flock does not interfere with (https://man7.org/linux/man-pages/man2/flock.2.html).
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.errors import ConfigError, StoreGone

_COUNTER_AT, _COUNTER_BYTES = 24, 4
"""SQLite's counter of changes of the file, https://www.sqlite.org/fileformat2.html#file_change_counter."""

_locked: set[tuple[int, int]] = set()
"""
The device and inode of each journal that this process has locked.

Closing any descriptor of a file releases all fcntl locks that the process has on it
(https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_), so a second
journal in this process has to be refused before it opens one.
"""
_locked_guard = threading.Lock()


class LockedFile:
    """The locked file of a journal. Created by `lock_file`."""

    def __init__(self, path: Path, descriptor: int, lock_descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._lock_descriptor = lock_descriptor
        self._known = {path: _identity(os.fstat(descriptor))}
        self._version = 0, 0
        self._guard = threading.Lock()

    @property
    def inode(self) -> int:
        """The inode of the file."""
        return self._known[self._path][1]

    def watch_log(self) -> None:
        """Watch SQLite's log beside the file, too. It exists from the first write until the last close."""
        log = self._path.with_name(f"{self._path.name}-wal")
        with suppress(FileNotFoundError):
            self._known[log] = _identity(log.stat())

    def check(self) -> None:
        """
        Check that the file and its log are still in place.

        Raises:
            StoreGone: one of them was deleted, replaced or overwritten.
        """
        for path, identity in self._known.items():
            try:
                found = path.stat()
            except OSError as error:
                raise self._gone(f"{path} was deleted ({error.strerror})") from None
            if _identity(found) != identity:
                raise self._gone(f"{path} was replaced by another file")
        with self._guard:  # two threads call this, and their versions must be compared in order
            # The version only decreases if something else overwrites the file. Read it twice: SQLite may be writing.
            if self._read_version() < self._version and (version := self._read_version()) < self._version:
                raise self._gone(f"{self._path} was overwritten (change {version[0]} after {self._version[0]})")
            self._version = self._read_version()

    def _read_version(self) -> tuple[int, int]:
        """Return the file's change counter and its size. `VACUUM` reduces the size, but increases the counter."""
        counter = os.pread(self._descriptor, _COUNTER_BYTES, _COUNTER_AT)
        return int.from_bytes(counter, "big"), os.fstat(self._descriptor).st_size

    def _gone(self, what: str) -> StoreGone:
        return StoreGone(
            f"{what} while the relay has it open: nothing more is written. Restore the old file, or restart the relay"
            " to use the current one"
        )

    def read_mark(self) -> bytes:
        """Return the mark written last, by this or an earlier process."""
        return os.pread(self._lock_descriptor, 1024, 0)

    def write_mark(self, mark: bytes) -> None:
        """Write a mark to the lock file, over the last one, which has the same length."""
        os.pwrite(self._lock_descriptor, mark, 0)


@contextmanager
def lock_file(path: Path) -> Iterator[LockedFile]:
    """
    Lock a journal's file, creating it if necessary.

    The lock file is never deleted, or two relays could each lock one.

    Raises:
        ConfigError: another relay has locked it.
        OSError: it cannot be opened.
    """
    lock_descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(lock_descriptor, path)
        if not path.exists():
            path.touch(mode=0o600)  # SQLite creates its -wal and -shm files with the same mode
        identity = _identity(path.stat())
        with _locked_guard:
            if identity in _locked:
                raise _in_use(path)
            _locked.add(identity)
        try:
            descriptor = os.open(path, os.O_RDWR)
            try:
                _lock(descriptor, path)
                yield LockedFile(path, descriptor, lock_descriptor)
            finally:
                os.close(descriptor)
        finally:
            with _locked_guard:
                _locked.discard(identity)
    finally:
        os.close(lock_descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(path) from None


def _in_use(path: Path) -> ConfigError:
    return ConfigError(
        f"the journal {path} is in use by another relay: stop that one, or set RELAY_STORE to another file"
    )


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
