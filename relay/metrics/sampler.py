"""
What costs too much to be read during a scrape: the sizes of the store and of the disk, and the backlog of webhooks.

It is read in the background, every few seconds. While the store or the disk does not answer, the last values stay.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from relay import log
from relay.errors import StoreError
from relay.journal.base import Journal

EVERY_S: Final = 10.0

_log = log.get("metrics")


@dataclass(slots=True, kw_only=True)
class Samples:
    """The last values. Null: not known yet."""

    store_bytes: int | None = None
    archive_bytes: int | None = None
    webhooks_pending: int | None = None
    disk_free_bytes: int | None = None
    """What the relay may use of the file system of the store, or of the uploads if the store is elsewhere."""
    disk_size_bytes: int | None = None


class Sampler:
    """Reads the samples. Use it as an async context manager."""

    def __init__(self, samples: Samples, journal: Journal, folder: Path, *, keeps_results: bool) -> None:
        """
        Args:
            samples: where the values are put.
            journal: open, until the sampler has been left.
            folder: on the file system to watch.
            keeps_results: whether there is an archive.
        """
        self._samples = samples
        self._journal = journal
        self._folder = folder
        self._keeps_results = keeps_results
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="metrics sampler")
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def sample(self) -> None:
        """Read all values once."""
        await self._read_disk()
        try:
            self._samples.store_bytes = await self._journal.size_bytes()
            self._samples.webhooks_pending = await self._journal.outbox.backlog()
            if self._keeps_results:
                self._samples.archive_bytes = await self._journal.copies.size_bytes()
        except StoreError as error:  # the journal has logged it
            _log.debug("sample.failed", error=str(error))

    async def _run(self) -> None:
        while True:
            await self.sample()
            await asyncio.sleep(EVERY_S)

    async def _read_disk(self) -> None:
        read: Callable[[Path], os.statvfs_result] = os.statvfs
        try:
            found = await asyncio.to_thread(read, self._folder)
        except OSError as error:
            _log.debug("sample.failed", error=str(error))
        else:
            self._samples.disk_free_bytes = found.f_bavail * found.f_frsize
            self._samples.disk_size_bytes = found.f_blocks * found.f_frsize
