"""
The journal's file as one relay holds it: no other relay can have it, and this one notices when it is taken away.

The lock is on two files. The one beside the journal keeps out who comes by the same name, relays of earlier versions
among them. The one on the journal itself keeps out who comes by another: a hard link, or a bind mount of the file.
SQLite locks with fcntl, and flock does not get in its way (https://man7.org/linux/man-pages/man2/flock.2.html).
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.errors import ConfigError, StoreGone

_COUNTER_AT, _COUNTER_BYTES = 24, 4
"""Where SQLite counts changes of the file, https://www.sqlite.org/fileformat2.html#file_change_counter."""

_held: set[tuple[int, int]] = set()
"""
The device and inode of each journal that this process holds.

To close any descriptor of a file drops all fcntl locks that the process has on it
(https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_), so a second
holder in this process has to be refused before it opens one.
"""
_held_guard = threading.Lock()


class HeldFile:
    """A journal's file that is locked. Made by `hold`."""

    def __init__(self, path: Path, descriptor: int, beside: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._beside = beside
        self._known = {path: _identity(os.fstat(descriptor))}
        self._version = 0, 0
        self._guard = threading.Lock()

    @property
    def inode(self) -> int:
        """The number of the file in its file system."""
        return self._known[self._path][1]

    def know_log(self) -> None:
        """Take note of SQLite's log beside the file, which is there from the first write until the last close."""
        log = self._path.with_name(f"{self._path.name}-wal")
        with suppress(FileNotFoundError):
            self._known[log] = _identity(log.stat())

    def check(self) -> None:
        """
        See that the file and its log are still what others find by their names.

        Raises:
            StoreGone: they are not.
        """
        for path, identity in self._known.items():
            try:
                found = path.stat()
            except OSError as error:
                raise self._gone(f"{path} is not there any longer ({error.strerror})") from None
            if _identity(found) != identity:
                raise self._gone(f"{path} is another file now")
        with self._guard:  # two threads ask, and the later answer must not be compared with the earlier one
            # Only who writes over the file takes it back. What is read while SQLite writes can be torn: look twice.
            if self._read_version() < self._version and (version := self._read_version()) < self._version:
                raise self._gone(f"{self._path} was overwritten (change {version[0]} after {self._version[0]})")
            self._version = self._read_version()

    def _read_version(self) -> tuple[int, int]:
        """Return how often the file was changed, and how large it is: `VACUUM` makes it smaller with a change."""
        counter = os.pread(self._descriptor, _COUNTER_BYTES, _COUNTER_AT)
        return int.from_bytes(counter, "big"), os.fstat(self._descriptor).st_size

    def _gone(self, what: str) -> StoreGone:
        return StoreGone(
            f"{what}, and the relay has the old one open: nothing more is written; put the old one back,"
            " or restart the relay to use what is there now"
        )

    def read_mark(self) -> bytes:
        """Return what was written beside the file with `write_mark`, by this process or an earlier one."""
        return os.pread(self._beside, 1024, 0)

    def write_mark(self, mark: bytes) -> None:
        """Write a line beside the file, in the place of the last one, which is as long."""
        os.pwrite(self._beside, mark, 0)


@contextmanager
def hold(path: Path) -> Iterator[HeldFile]:
    """
    Hold a journal's file, and make it where there is none.

    The file beside it stays for ever: to remove it would let two relays hold one each.

    Raises:
        ConfigError: another relay holds it.
        OSError: it cannot be opened.
    """
    beside = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(beside, path)
        if not path.exists():
            path.touch(mode=0o600)  # SQLite gives its -wal and -shm files the mode of this one
        identity = _identity(path.stat())
        with _held_guard:
            if identity in _held:
                raise _in_use(path)
            _held.add(identity)
        try:
            descriptor = os.open(path, os.O_RDWR)
            try:
                _lock(descriptor, path)
                yield HeldFile(path, descriptor, beside)
            finally:
                os.close(descriptor)
        finally:
            with _held_guard:
                _held.discard(identity)
    finally:
        os.close(beside)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(path) from None


def _in_use(path: Path) -> ConfigError:
    return ConfigError(f"the journal {path} is in use by another relay; stop that relay, or use another file")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
