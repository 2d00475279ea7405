"""
Store uploaded files on disk, each under a random key that is also the permission to read it.

A file is written as it arrives, so that it is never in memory as a whole. Closing the store deletes all files.
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
"""Wiro's limit: 100 MB per file."""

_KEY_CHARS: Final = string.ascii_letters + string.digits


class FileTooLarge(Exception):
    """The file exceeds `MAX_FILE_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file. Two files are equal if the client sent the same name, type and content; keys do not count."""

    filename: str
    content_type: str
    size: int
    sha256: str
    key: str = field(default="", compare=False, repr=False)


class FileStore:
    """Files on disk. Use it as a context manager: leaving it deletes them."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> "FileStore":
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    async def put(self, chunks: AsyncIterator[bytes], *, filename: str, content_type: str) -> File:
        """
        Store a file.

        Raises:
            FileTooLarge: it exceeds `MAX_FILE_BYTES`.
        """
        key = "".join(secrets.choice(_KEY_CHARS) for _ in range(30))
        path, digest = self._path(key), hashlib.sha256()
        try:
            with path.open("wb") as stored:
                async for chunk in _limited(chunks):
                    digest.update(chunk)
                    stored.write(chunk)
        except BaseException:  # including cancellation: an incomplete file must not stay on disk
            path.unlink()
            raise
        size = path.stat().st_size
        file = File(filename=filename, content_type=content_type, size=size, sha256=digest.hexdigest(), key=key)
        self._files[key] = file
        return file

    def get(self, key: str) -> tuple[File, Path] | None:
        """Return a file and the path of its content, or None."""
        file = self._files.get(key)
        return (file, self._path(key)) if file else None

    def delete(self, key: str) -> None:
        """Delete a file, if it exists."""
        if self._files.pop(key, None):
            with suppress(FileNotFoundError):
                self._path(key).unlink()

    def _path(self, key: str) -> Path:
        if self._folder is None:  # created on first use, because most sandboxes receive no files
            self._folder = TemporaryDirectory(prefix="relay-sandbox-")
        return Path(self._folder.name) / key


async def _limited(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise FileTooLarge
        yield chunk
