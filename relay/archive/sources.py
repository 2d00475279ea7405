"""Where the content of a copy comes from: the platform for a result, the spool for an uploaded file."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.archive.content import content_type
from relay.archive.download import Downloads
from relay.archive.errors import CopyFailed, CopyRefused
from relay.archive.reach import Reach
from relay.files.spool import Spool
from relay.journal.file_copies import FileCopy, spooled_path


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is being read. Use `chunks` once."""

    chunks: AsyncIterator[bytes]
    size_bytes: int | None
    """Its size, if it is known before it is read."""
    answered_type: str | None
    """The type that the platform has answered with; null for an uploaded file, whose type is known."""

    def content_type(self, stated: str, head: bytes) -> str:
        """
        Return the type of the file.

        Raises:
            CopyFailed: it is another file than was stated.
        """
        return stated if self.answered_type is None else content_type(stated, self.answered_type, head)


class Sources:
    """Reads files. `close` it after use."""

    def __init__(self, downloads: Downloads, reaches: Mapping[str, Reach], spool: Spool) -> None:
        """
        Args:
            downloads: reads results.
            reaches: where the results of each provider may be, by its name.
            spool: holds uploaded files.
        """
        self._downloads = downloads
        self._reaches = reaches
        self._spool = spool

    async def close(self) -> None:
        """Close all connections."""
        await self._downloads.close()

    @asynccontextmanager
    async def open(self, copy: FileCopy) -> AsyncIterator[Source]:
        """
        Begin to read a file.

        Raises:
            CopyRefused: it may not be read, or is gone.
            CopyFailed: it cannot be read now.
        """
        if (path := spooled_path(copy)) is not None:
            yield Source(self._read(path), copy.size_bytes, None)
            return
        async with self._downloads.open(self._reaches.get(copy.provider, Reach()), copy.url) as download:
            yield Source(download.chunks(), download.size_bytes, download.content_type)

    async def release(self, copies: tuple[FileCopy, ...]) -> None:
        """Delete the upload of a task whose files are not needed any more."""
        for upload in {path.parts[0] for copy in copies if (path := spooled_path(copy)) is not None}:
            await self._spool.delete(upload)

    async def _read(self, path: Path) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._spool.read(path):
                yield chunk
        except FileNotFoundError:
            raise CopyRefused("The uploaded file is not on this machine.") from None
        except OSError as error:
            raise CopyFailed(f"The uploaded file cannot be read: {error.strerror}.") from error
