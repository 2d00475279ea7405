"""Writes one uploaded file to the disk."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class FileWriter:
    """A new file that only the relay's user can read. Every call blocks; make all of them in one thread."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: must not exist. Its directory is created.
        """
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    def open(self) -> None:
        """Create the file."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = open(self._path, "xb", opener=_private)  # noqa: SIM115 -- Path.open takes no opener

    def append(self, chunk: bytes) -> None:
        """Append bytes to the file."""
        self._digest.update(chunk)
        self._opened.write(chunk)

    def finish(self) -> str:
        """Sync the file and its directory entries to the disk, and return its SHA-256 in hex."""
        self._opened.flush()
        os.fsync(self._opened.fileno())
        for directory in (self._path.parent, self._path.parent.parent):  # a file without its directory entry is lost
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the file. Idempotent, and does nothing if it could not be opened."""
        if self._file is not None:
            with suppress(OSError):  # `append` and `finish` have raised the errors that matter
                self._file.close()

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise AssertionError("open the file before writing to it")
        return self._file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
