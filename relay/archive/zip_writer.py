"""Writes a ZIP archive while it is sent: nothing is compressed, and nothing is kept in memory or on disk."""

import io
import re
import time
from collections.abc import Iterable
from typing import Any, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from relay.archive.errors import CopyFailed

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]')
"""Characters that a common operating system does not allow in names, or that would lead out of the folder."""

_LONGEST_NAME: Final = 120

_ZIP64_BYTES: Final = 2**31
"""A file that may be larger needs the fields of ZIP64, which some old programs cannot read."""


class ZipWriter:
    """An archive that is being written. Each call returns the bytes to send next."""

    def __init__(self, at: float) -> None:
        """
        Args:
            at: the time of all files, in unix seconds.
        """
        self._at = time.gmtime(at)[:6]
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_STORED)

    def begin(self, name: str, size_bytes: int | None) -> bytes:
        """Begin a file. `size_bytes` is its size, if that is known."""
        info = ZipInfo(name, self._at)
        large = size_bytes is None or size_bytes >= _ZIP64_BYTES
        self._file = self._zip.open(info, "w", force_zip64=large)
        return self._sink.take()

    def write(self, chunk: bytes) -> bytes:
        """
        Write a part of the file.

        Raises:
            CopyFailed: the file is much larger than was stated.
        """
        try:
            self._file.write(chunk)
        except RuntimeError as error:  # of zipfile
            raise CopyFailed(f"The file is larger than its stated size: {error}.") from error
        return self._sink.take()

    def end(self) -> bytes:
        """End the file."""
        self._file.close()
        return self._sink.take()

    def finish(self) -> bytes:
        """End the archive."""
        self._zip.close()
        return self._sink.take()


def unique_names(names: Iterable[str | None]) -> list[str]:
    """
    Return names that are safe on all common operating systems and unique regardless of case.

    Args:
        names: as the platform states them.
    """
    taken: set[str] = set()
    found = []
    for number, name in enumerate(names):
        safe = _UNSAFE.sub("_", name or "").strip(". ")[-_LONGEST_NAME:] or f"result-{number}"
        stem, dot, suffix = safe.rpartition(".")
        stem, suffix = (stem, dot + suffix) if stem else (safe, "")
        unique, copies = safe, 1
        while unique.casefold() in taken:
            copies += 1
            unique = f"{stem} ({copies}){suffix}"
        taken.add(unique.casefold())
        found.append(unique)
    return found


class _Sink(io.RawIOBase):
    """Collects what is written. It cannot be sought, so sizes and checksums follow each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
