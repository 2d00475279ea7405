"""
The files that were sent, each under a key that is the permission to read it; on disk, and gone with the sandbox.

A file is written while it comes, so that none is ever whole in memory. Who may send one, and what for, is decided by
those who read the bodies.
"""

import hashlib
import secrets
import string
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

MAX_FILE_BYTES: Final = 100 * 1024 * 1024
"""What the upstream takes: 100 MB a file."""

_LETTERS = string.ascii_letters + string.digits


class TooBig(Exception):
    """The file is larger than any that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it came. Two are equal when everything that their sender chose is."""

    filename: str
    content_type: str
    size: int
    sha256: str
    key: str = field(default="", compare=False, repr=False)


class Shelf:
    """Keeps files. Use it as a context manager; leaving it deletes them."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    async def put(self, chunks: AsyncIterator[bytes], *, filename: str, content_type: str) -> File:
        """
        Keep a file.

        Raises:
            TooBig: it has more than `MAX_FILE_BYTES`.
        """
        key = "".join(secrets.choice(_LETTERS) for _ in range(30))
        path, digest = self._path(key), hashlib.sha256()
        try:
            with path.open("wb") as kept:
                async for chunk in _bounded(chunks):
                    digest.update(chunk)
                    kept.write(chunk)
        except BaseException:  # half a file is of no use, whatever broke it off
            path.unlink()
            raise
        size = path.stat().st_size
        file = File(filename=filename, content_type=content_type, size=size, sha256=digest.hexdigest(), key=key)
        self._files[key] = file
        return file

    def get(self, key: str) -> tuple[File, Path] | None:
        """Return a file and where its bytes are, or null."""
        file = self._files.get(key)
        return (file, self._path(key)) if file else None

    def drop(self, key: str) -> None:
        """Delete a file."""
        if self._files.pop(key, None):
            with suppress(FileNotFoundError):
                self._path(key).unlink()

    def _path(self, key: str) -> Path:
        if self._folder is None:  # most sandboxes never see a file
            self._folder = TemporaryDirectory(prefix="relay-sandbox-")
        return Path(self._folder.name) / key


async def _bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise TooBig
        yield chunk
