"""
Where copies are: a directory, or a bucket of S3, Google Cloud Storage or Azure.

Everything about one file is under one prefix: the file itself, its thumbnails, and what a killed process left behind.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, Self, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from relay.archive.errors import CopyFailed
from relay.archive.layout import FILE
from relay.errors import ConfigError

CHUNK_BYTES: Final = 5 * 2**20
"""How much is uploaded at once, which is the least that S3 accepts. One upload has this in memory about twice."""

RETRY_FOR: Final = timedelta(seconds=10)
"""For how long a request to a bucket is repeated. Copies are repeated later, and viewers wait for the others."""

SIGNED_FOR: Final = timedelta(hours=1)
"""How long the address of a file in a bucket can be used."""


class _Stopped(Exception):
    """The relay shuts down while a file is being written."""


class _Source:
    """The chunks of a file for `obstore`, which reads them until it is stopped: it cannot be cancelled."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        """Fail the next read, and one that is waiting."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        reading = asyncio.ensure_future(anext(self._chunks, None))
        await asyncio.wait((reading, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        if self._stopped.done():
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            raise _Stopped
        if (chunk := reading.result()) is None:
            raise StopAsyncIteration
        return chunk


class ArchiveStore:
    """The copies. A file becomes visible when all of it is stored."""

    def __init__(self, url: str) -> None:
        """
        Args:
            url: `file:///PATH`, `s3://BUCKET/PREFIX`, `gs://…` or `az://…`. Credentials are in the environment.

        Raises:
            ConfigError: the directory cannot be created, or the settings of the bucket are not valid.
        """
        self._folder = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
        self._store: ObjectStore
        try:
            if self._folder is None:
                self._store = from_url(url, retry_config={"max_retries": 3, "retry_timeout": RETRY_FOR})
            else:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store = LocalStore(self._folder, automatic_cleanup=True)
        except (OSError, BaseError, ValueError) as error:
            raise ConfigError(f"RELAY_ARCHIVE: cannot use {url}: {error}") from error

    @property
    def is_local(self) -> bool:
        """Whether the copies are files of this machine."""
        return self._folder is not None

    def path(self, prefix: str, name: str = FILE) -> Path:
        """Return the path of a file in the directory."""
        if self._folder is None:
            raise AssertionError("a bucket has no paths")
        return self._folder / prefix / name

    async def put(
        self, prefix: str, chunks: AsyncIterator[bytes], headers: Mapping[str, str], name: str = FILE
    ) -> None:
        """
        Store a file, replacing one that is there. If the caller is cancelled, nothing is stored.

        Args:
            prefix: what all names of the file begin with.
            chunks: its content. An error that it raises is raised here.
            headers: those with which a bucket is to serve it.
            name: its name under the prefix.

        Raises:
            CopyFailed: it could not be stored.
        """
        source = _Source(chunks)
        writing = asyncio.ensure_future(
            obstore.put_async(
                self._store,
                f"{prefix}/{name}",
                source,
                attributes=None if self.is_local else dict(headers),  # directories have none
                chunk_size=CHUNK_BYTES,
                max_concurrency=1,
            )
        )
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            source.stop()
            await asyncio.wait((writing,))
            with suppress(_Stopped, BaseError, OSError):
                writing.result()
            raise
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error

    async def chunks(self, prefix: str) -> AsyncIterator[bytes]:
        """
        Yield the content of a file.

        Raises:
            CopyFailed: it is not there, or the archive failed.
        """
        try:
            found = await obstore.get_async(self._store, f"{prefix}/{FILE}")
            async for chunk in found.stream():
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error

    async def get(self, prefix: str, target: Path, *, limit_bytes: int) -> None:
        """
        Download a file from a bucket.

        Raises:
            CopyFailed: it is not there or too large, or the archive failed.
        """
        try:
            found = await obstore.get_async(self._store, f"{prefix}/{FILE}")
            if found.meta["size"] > limit_bytes:
                raise CopyFailed(f"The file has {found.meta['size']} bytes; the limit is {limit_bytes}.")
            with target.open("wb") as file:
                async for chunk in found.stream():
                    await asyncio.to_thread(file.write, chunk)
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error

    async def check(self) -> None:
        """
        Check that the archive can be read.

        Raises:
            CopyFailed: it cannot.
        """
        try:
            async for _ in obstore.list(self._store, "check/"):
                break
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error

    async def has(self, prefix: str, name: str) -> bool:
        """
        Return whether there is a file.

        Raises:
            CopyFailed: the archive failed.
        """
        try:
            await obstore.head_async(self._store, f"{prefix}/{name}")
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error
        return True

    async def delete(self, prefix: str) -> None:
        """
        Delete everything under a prefix. Idempotent.

        Raises:
            CopyFailed: the archive failed.
        """
        try:
            if self._folder is not None:
                await asyncio.to_thread(_remove, self._folder / prefix, self._folder)
                return
            async for found in obstore.list(self._store, f"{prefix}/"):
                await obstore.delete_async(self._store, [each["path"] for each in found])
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error

    async def signed(self, prefix: str, name: str = FILE, *, method: str = "GET") -> str:
        """
        Return an address at which a file in a bucket can be read, for an hour.

        Raises:
            CopyFailed: there are no credentials to sign it with.
        """
        store = cast("S3Store | GCSStore | AzureStore", self._store)
        try:
            return await obstore.sign_async(
                store, "HEAD" if method == "HEAD" else "GET", f"{prefix}/{name}", SIGNED_FOR
            )
        except (BaseError, OSError) as error:
            raise CopyFailed(f"The archive failed: {_described(error)}") from error


def _remove(folder: Path, root: Path) -> None:
    """Remove a directory, and those around it that are empty then."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    with suppress(OSError):  # not empty
        for parent in folder.relative_to(root).parents[:-1]:
            (root / parent).rmdir()


def _described(error: Exception) -> str:
    """Return the first line of an error: the others are internals of the client."""
    return (str(error).splitlines() or [type(error).__name__])[0]
