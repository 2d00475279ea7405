"""
The spool: uploaded files on the disk, from the first byte that comes until the upstream has taken them.

Whoever brings files fills a parcel. It is gone when it is let go of, whatever happened, unless a task has taken it
over; then it is there until `release`, over a restart too. All files together are bounded, and nothing is whole in
memory. What a file may be is not decided here.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from relay import log
from relay.errors import Code, ConfigError, RequestError
from relay.providers.base import File

_log = log.get("spool")


class Spool:
    """The folder that the parcels lie in, each a folder of its own. Open it before use."""

    def __init__(self, folder: Path, *, file_limit_bytes: int, limit_bytes: int) -> None:
        """
        Args:
            folder: made where there is none; nobody else's files may lie in it.
            file_limit_bytes: the largest file.
            limit_bytes: so much may lie here in all.
        """
        self._folder = folder.absolute()
        self._file_limit_bytes = file_limit_bytes
        self._limit_bytes = limit_bytes
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
            self._sizes = await asyncio.to_thread(_sweep, self._folder, keep)
        except OSError as error:
            raise ConfigError(f"cannot keep uploads in {self._folder}: {error}") from error

    def parcel(self) -> "Parcel":
        """Return a new parcel, empty."""
        return Parcel(self, secrets.token_hex(16))

    def located(self, files: Sequence[File]) -> tuple[File, ...]:
        """Return files as they are read: a task keeps only where in the spool they lie."""
        return tuple(replace(file, path=self._folder / file.path) for file in files)

    async def release(self, files: Sequence[File]) -> None:
        """Throw files away, with the parcels that they lie in. Idempotent."""
        for parcel in {parcel_of(file) for file in files}:
            await self.discard(parcel)

    async def discard(self, parcel: str) -> None:
        """Throw a parcel away. Idempotent."""
        await asyncio.to_thread(shutil.rmtree, self._folder / parcel, ignore_errors=True)
        self._sizes.pop(parcel, None)

    async def write(self, place: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """
        Write a file where nobody has one; it is on the disk when this returns.

        Returns:
            Its size in bytes and its SHA-256 in hex.

        Raises:
            RequestError: it is too large, there is no room for it, or the disk fails.
        """
        parcel, size, digest = place.parts[0], 0, hashlib.sha256()
        path = self._folder / place
        try:
            await asyncio.to_thread(path.parent.mkdir, mode=0o700, exist_ok=True)
            with await asyncio.to_thread(open, path, "xb", opener=_private) as file:
                async for chunk in chunks:
                    size += len(chunk)
                    self._reserve(parcel, len(chunk), size)
                    await asyncio.to_thread(_append, file, digest, chunk)
                await asyncio.to_thread(_sync, file)
        except OSError as error:
            _log.error("spool.failed", error=str(error))
            raise RequestError(Code.INTERNAL, "The relay could not keep the upload; its log says why.") from None
        return size, digest.hexdigest()

    def _reserve(self, parcel: str, more_bytes: int, size_bytes: int) -> None:
        if size_bytes > self._file_limit_bytes:
            raise RequestError(Code.PAYLOAD_TOO_LARGE, f"A file may have at most {self._file_limit_bytes} bytes.")
        if self.used_bytes + more_bytes > self._limit_bytes:
            raise RequestError(
                Code.RATE_LIMITED, "There is no room for the upload now: others are waiting to be sent. Try again soon."
            )
        self._sizes[parcel] = self._sizes.get(parcel, 0) + more_bytes


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


def _sweep(folder: Path, keep: Collection[str]) -> dict[str, int]:
    folder.mkdir(mode=0o700, exist_ok=True)
    sizes = {}
    for parcel in folder.iterdir():
        if parcel.name in keep:
            sizes[parcel.name] = sum(file.stat().st_size for file in parcel.iterdir())
        else:
            shutil.rmtree(parcel)
    return sizes


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def _append(file: BinaryIO, digest: _Digest, chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
