"""
The spool: the directory that holds uploaded files from their first byte until the platform has them.

Each upload has a subdirectory. It survives restarts until it is deleted or released. The total size is limited, and no
file is held in memory as a whole.
"""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from relay import log
from relay.core.upstream import File
from relay.errors import Code, ConfigError, RequestError
from relay.files.file_writer import FileWriter

T = TypeVar("T")

READ_BYTES = 256 * 1024
"""How much of a file is in memory while it is read."""

_ID_BYTES = 16
_ID = re.compile(r"[0-9a-f]+")

_log = log.get("spool")


class Spool:
    """
    The directory of uploads. Open it before use and close it afterwards.

    A single thread does all disk access, in order. Work that a cancelled caller has begun is therefore finished before
    its upload is deleted, and a slow disk blocks no other thread.
    """

    def __init__(self, folder: Path, *, file_limit_bytes: int, limit_bytes: int) -> None:
        """
        Args:
            folder: created if it does not exist.
            file_limit_bytes: the maximum size of a file.
            limit_bytes: the maximum size of all files together.
        """
        self._folder = folder.absolute()
        self._file_limit_bytes = file_limit_bytes
        self._limit_bytes = limit_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._sizes: dict[str, int] = {}
        """In bytes, by upload."""

    def __repr__(self) -> str:
        return f"<Spool uploads={len(self._sizes)} bytes={self.used_bytes}>"

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def uploads(self) -> int:
        """How many uploads it holds."""
        return len(self._sizes)

    @property
    def limit_bytes(self) -> int:
        """The limit on the size of all files together."""
        return self._limit_bytes

    @property
    def used_bytes(self) -> int:
        """The size of all files together."""
        return sum(self._sizes.values())

    async def open(self, keep: Collection[str], *, older_than_s: float = 0.0) -> None:
        """
        Create the directory if needed, and delete the uploads that an earlier process left.

        Args:
            keep: the uploads that are still needed.
            older_than_s: keep those that are younger, too: another process may need them.

        Raises:
            ConfigError: the directory cannot be created or read.
        """
        try:
            self._sizes = await self._do(partial(_sweep, self._folder, keep, older_than_s))
        except OSError as error:
            raise ConfigError(f"cannot store uploads in {self._folder}: {error}") from error

    async def close(self) -> None:
        """Finish pending disk access. The spool cannot be used afterwards."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def new_upload_id(self) -> str:
        """Return an id for a new upload."""
        return secrets.token_hex(_ID_BYTES)

    def located(self, files: Sequence[File]) -> tuple[File, ...]:
        """Return files with absolute paths. Tasks store paths relative to the spool."""
        return tuple(replace(file, path=self._folder / file.path) for file in files)

    async def has(self, files: Sequence[File]) -> bool:
        """Return whether all files are here. With a local directory, those of another node are not."""
        paths = [self._folder / file.path for file in files]
        return await self._do(lambda: all(path.is_file() for path in paths))

    async def release(self, files: Sequence[File]) -> None:
        """Delete the uploads that files belong to. Idempotent."""
        for upload in {upload_of(file) for file in files}:
            await self.delete(upload)

    async def delete(self, upload: str) -> None:
        """Delete an upload, even if the caller is cancelled meanwhile. Idempotent."""
        deleting = asyncio.get_running_loop().run_in_executor(self._thread, _delete, self._folder / upload)
        deleting.add_done_callback(lambda _: self._sizes.pop(upload, None) if deleting.result() else None)
        await asyncio.shield(deleting)

    async def write(self, path: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """
        Write a new file. It is on the disk when this returns.

        Args:
            path: relative to the spool, beginning with the upload's id.
            chunks: the content.

        Returns:
            Its size in bytes and its SHA-256 in hex.

        Raises:
            RequestError: it is too large, the spool is full, or the disk fails.
        """
        size_bytes, writer = 0, FileWriter(self._folder / path)
        try:
            await self._do(writer.open)
            async for chunk in chunks:
                size_bytes += len(chunk)
                self._reserve(path.parts[0], len(chunk), size_bytes)
                await self._do(partial(writer.append, chunk))
            return size_bytes, await self._do(writer.finish)
        except OSError as error:
            _log.error("spool.write_failed", error=str(error))
            detail = "The relay could not store the upload. See its log for the reason."
            raise RequestError(Code.INTERNAL, detail) from None
        finally:
            self._thread.submit(writer.close)

    async def read(self, path: Path) -> AsyncIterator[bytes]:
        """
        Yield the content of a file.

        Args:
            path: relative to the spool.

        Raises:
            OSError: it cannot be read.
        """
        file = await self._do(lambda: (self._folder / path).open("rb"))
        try:
            while chunk := await self._do(partial(file.read, READ_BYTES)):
                yield chunk
        finally:
            self._thread.submit(file.close)

    def _reserve(self, upload: str, more_bytes: int, size_bytes: int) -> None:
        if size_bytes > self._file_limit_bytes:
            raise RequestError(Code.PAYLOAD_TOO_LARGE, f"A file may have at most {self._file_limit_bytes} bytes.")
        if self.used_bytes + more_bytes > self._limit_bytes:
            raise RequestError(
                Code.RATE_LIMITED,
                f"The upload does not fit: files waiting to be sent may use {self._limit_bytes} bytes. Retry later.",
            )
        self._sizes[upload] = self._sizes.get(upload, 0) + more_bytes

    async def _do(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread. It is run even if the caller is cancelled."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))


def upload_of(file: File) -> str:
    """Return the id of the upload that a task's file belongs to."""
    return file.path.parts[0]


def _delete(folder: Path) -> bool:
    """Delete an upload and return whether it is gone. If it is not, its size counts until the next start."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    except OSError as error:
        _log.error("spool.delete_failed", upload=folder.name, error=str(error))
        return False
    return True


def _sweep(folder: Path, keep: Collection[str], older_than_s: float) -> dict[str, int]:
    """Delete all old uploads but those to keep, and return the sizes of those to keep in bytes."""
    folder.mkdir(mode=0o700, exist_ok=True)
    sizes, changed_before = {}, time.time() - older_than_s
    for entry in folder.iterdir():
        is_upload = len(entry.name) == 2 * _ID_BYTES and _ID.fullmatch(entry.name)
        with suppress(FileNotFoundError):  # another process that uses the directory may delete its uploads meanwhile
            if not is_upload or entry.is_symlink() or not entry.is_dir():
                _log.warning("spool.unknown_entry_skipped", name=entry.name)  # `lost+found` of a volume, for example
            elif entry.name in keep:
                sizes[entry.name] = sum(file.stat().st_size for file in entry.iterdir())
            elif not older_than_s or entry.stat().st_mtime <= changed_before:
                shutil.rmtree(entry)
    return sizes
