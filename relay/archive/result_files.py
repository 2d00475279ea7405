"""Reads results wherever they are: in the archive if it has them, otherwise at the platform."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from relay.archive.archive import Archive
from relay.archive.download import Downloads
from relay.archive.layout import prefix_of
from relay.archive.reach import Reach
from relay.journal.file_copies import output_part

AT_ONCE: Final = 8
"""How many tasks may have all their results read at the same time: each keeps a connection to its platform."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result that is being read. Use `chunks` once."""

    chunks: AsyncIterator[bytes]
    size_bytes: int | None
    """Its size, if it is known before it is read."""


class ResultFiles:
    """Reads results. `close` it after use."""

    def __init__(self, archive: Archive | None, downloads: Downloads, reaches: Mapping[str, Reach]) -> None:
        """
        Args:
            archive: keeps results; null if none is configured.
            downloads: reads results at the platforms.
            reaches: where the results of each provider may be, by its name.
        """
        self.reading = asyncio.Semaphore(AT_ONCE)
        """Held while all results of a task are read."""
        self._archive = archive
        self._downloads = downloads
        self._reaches = reaches

    async def close(self) -> None:
        """Close all connections."""
        await self._downloads.close()

    @asynccontextmanager
    async def open(self, task: str, number: int, *, provider: str, url: str) -> AsyncIterator[ResultFile]:
        """
        Begin to read result `number` of a task, which is at `url` at the platform.

        Raises:
            CopyFailed: it cannot be read. Its chunks raise the same.
        """
        archive = self._archive
        if archive is not None and (copy := await archive.kept(task, output_part(number))) is not None:
            yield ResultFile(archive.store.chunks(prefix_of(copy)), copy.size_bytes)
            return
        async with self._downloads.open(self._reaches.get(provider, Reach()), url) as download:
            yield ResultFile(download.chunks(), download.size_bytes)
