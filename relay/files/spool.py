"""
The spool: uploaded files on the disk, from the first byte that comes until the upstream has taken them.

Whoever brings files fills a parcel. It is gone when it is let go of, whatever happened, unless a task has taken it
over; then it is there until `release`, over a restart too. All files together are bounded, and nothing is whole in
memory. What a file may be is not decided here.
"""

import asyncio
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

from relay import log
from relay.core.upstream import File
from relay.errors import Code, ConfigError, RequestError

T = TypeVar("T")

_NAME_BYTES = 16
_NAME = re.compile("[0-9a-f]{%d}" % (2 * _NAME_BYTES))  # noqa: UP031 -- braces of its own

_log = log.get("spool")


class Spool:
    """
    The folder that the parcels lie in, each a folder of its own. Open it before use, close it after.

    One thread touches the disk, one thing after the other. So what a cancelled caller has begun is over before its
    parcel is thrown away, and nobody else's threads wait for a slow disk.
    """

    def __init__(self, folder: Path, *, file_limit_bytes: int, limit_bytes: int) -> None:
        """
        Args:
            folder: made where there is none.
            file_limit_bytes: the largest file.
            limit_bytes: so much may lie here in all.
        """
        self._folder = folder.absolute()
        self._file_limit_bytes = file_limit_bytes
        self._limit_bytes = limit_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._sizes: dict[str, int] = {}
        """By parcel."""

    def __repr__(self) -> str:
        return f"<Spool parcels={len(self._sizes)} bytes={self.used_bytes}>"

    @property
    def used_bytes(self) -> int:
        """How much lies here."""
        return sum(self._sizes.values())

    async def open(self, keep: Collection[str]) -> None:
        """
        Make the folder ready, and throw away what an earlier process left behind.

        Args:
            keep: the parcels that are still needed.

        Raises:
            ConfigError: the folder cannot be had.
        """
        try:
            self._sizes = await self._do(partial(_sweep, self._folder, keep))
        except OSError as error:
            raise ConfigError(f"cannot keep uploads in {self._folder}: {error}") from error

    async def close(self) -> None:
        """Finish what was begun. Nothing may follow it."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def parcel(self) -> "Parcel":
        """Return a new parcel, empty."""
        return Parcel(self, secrets.token_hex(_NAME_BYTES))

    def located(self, files: Sequence[File]) -> tuple[File, ...]:
        """Return files as they are read: a task keeps only where in the spool they lie."""
        return tuple(replace(file, path=self._folder / file.path) for file in files)

    async def release(self, files: Sequence[File]) -> None:
        """Throw a task's files away, with the parcel that they lie in. Idempotent."""
        for parcel in {parcel_of(file) for file in files}:
            await self.discard(parcel)

    async def discard(self, parcel: str) -> None:
        """Throw a parcel away, also if the caller is cancelled meanwhile. Idempotent."""
        removing = asyncio.get_running_loop().run_in_executor(self._thread, _remove, self._folder / parcel)
        removing.add_done_callback(lambda _: self._sizes.pop(parcel, None) if removing.result() else None)
        await asyncio.shield(removing)

    async def write(self, place: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """
        Write a file where nobody has one; it is on the disk when this returns.

        Returns:
            Its size in bytes and its SHA-256 in hex.

        Raises:
            RequestError: it is too large, there is no room for it, or the disk fails.
        """
        size_bytes, writing = 0, _Writing(self._folder / place)
        try:
            await self._do(writing.open)
            async for chunk in chunks:
                size_bytes += len(chunk)
                self._reserve(place.parts[0], len(chunk), size_bytes)
                await self._do(partial(writing.append, chunk))
            return size_bytes, await self._do(writing.finish)
        except OSError as error:
            _log.error("spool.failed", error=str(error))
            raise RequestError(Code.INTERNAL, "The relay could not keep the upload; its log says why.") from None
        finally:
            self._thread.submit(writing.close)

    def _reserve(self, parcel: str, more_bytes: int, size_bytes: int) -> None:
        if size_bytes > self._file_limit_bytes:
            raise RequestError(Code.PAYLOAD_TOO_LARGE, f"A file may have at most {self._file_limit_bytes} bytes.")
        if self.used_bytes + more_bytes > self._limit_bytes:
            raise RequestError(
                Code.RATE_LIMITED, "There is no room for the upload now: others are waiting to be sent. Try again soon."
            )
        self._sizes[parcel] = self._sizes.get(parcel, 0) + more_bytes

    async def _do(self, work: Callable[[], T]) -> T:
        """Have something done in the thread; it is, even if the caller is cancelled."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))


class _Writing:
    """One file while it is written. All of it happens in the spool's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    def open(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = open(self._path, "xb", opener=_private)  # noqa: SIM115 -- Path has no opener

    def append(self, chunk: bytes) -> None:
        if self._file is None:
            raise AssertionError("a file is opened before it is written to")
        self._digest.update(chunk)
        self._file.write(chunk)

    def finish(self) -> str:
        """Put it on the disk, and return its digest."""
        if self._file is None:
            raise AssertionError("a file is opened before it is finished")
        self._file.flush()
        os.fsync(self._file.fileno())
        for folder in (self._path.parent, self._path.parent.parent):  # a file is there when its name is
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return self._digest.hexdigest()

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written was told when it was appended
                self._file.close()


class Parcel:
    """The files of one request. An async context manager: on leaving they are thrown away, if still its own."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool = spool
        self._name = name
        self._files: list[File] = []
        self._owned = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._owned:
            await self._spool.discard(self._name)

    @property
    def files(self) -> tuple[File, ...]:
        """What was added so far."""
        return tuple(self._files)

    async def add(self, input_name: str, filename: str, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """
        Take a file in.

        Raises:
            RequestError: it is too large, there is no room for it, or the disk fails.
        """
        place = Path(self._name, str(len(self._files)))
        size_bytes, sha256 = await self._spool.write(place, chunks)
        file = File(
            input=input_name,
            filename=filename,
            content_type=content_type,
            size_bytes=size_bytes,
            sha256=sha256,
            path=place,
        )
        self._files.append(file)

    def hand_over(self) -> tuple[File, ...]:
        """Return the files for good: from now on somebody else sees to their release."""
        self._owned = False
        return self.files


def parcel_of(file: File) -> str:
    """Return the parcel that a task's file lies in."""
    return file.path.parts[0]


def _remove(parcel: Path) -> bool:
    """Remove a parcel, and say whether it is gone: one that is not takes its room until the next start."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(parcel)
    except OSError as error:
        _log.error("spool.left", parcel=parcel.name, error=str(error))
        return False
    return True


def _sweep(folder: Path, keep: Collection[str]) -> dict[str, int]:
    folder.mkdir(mode=0o700, exist_ok=True)
    sizes = {}
    for parcel in folder.iterdir():
        if not _NAME.fullmatch(parcel.name) or parcel.is_symlink() or not parcel.is_dir():
            _log.warning("spool.stranger", name=parcel.name)  # a volume's own folder, say: none of ours
        elif parcel.name in keep:
            sizes[parcel.name] = sum(file.stat().st_size for file in parcel.iterdir())
        else:
            shutil.rmtree(parcel)
    return sizes


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
