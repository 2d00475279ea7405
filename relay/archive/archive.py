"""
The archive of a relay: copies results in the background, removes old copies, and says where a copy is.

A copy is work that the journal hands out (`relay.journal.file_copies`), so a copy that was interrupted is made again by
the next process, or by another node. Nothing waits for a copy.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from relay import log
from relay.archive.content import disposition
from relay.archive.errors import CopyFailed, CopyRefused
from relay.archive.layout import prefix_of
from relay.archive.measured import MeasuredContent, too_large
from relay.archive.sources import Sources
from relay.archive.thumbnails import Thumbnails
from relay.counting import LabeledCounter
from relay.errors import Fenced, StoreError
from relay.journal.base import Journal
from relay.journal.entries import Appended
from relay.journal.file_copies import CopyState, FileCopy, spooled_path

if TYPE_CHECKING:
    from relay.archive.store import ArchiveStore  # its package is an extra

AT_ONCE: Final = 3
"""How many copies are made at the same time."""

RETRY_S: Final = (1, 2, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 28_800)
"""The pauses after failed attempts, a day in all: the links of most platforms live as long."""

POLL_S: Final = 10.0
"""How often the journal is asked for work of which nothing was heard, such as that of a node that has stopped."""

STORE_RETRY_S: Final = 1.0
"""The pause before the outcome of a copy is stored again."""

SWEEP_S: Final = 60.0
"""How often old copies are looked for."""

BATCH: Final = 20
"""How many copies expire at once."""

_log = log.get("archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """The settings of the archive."""

    file_bytes: int
    """How large a file may be."""
    total_bytes: int
    """How large all copies may be together. The oldest are removed."""
    age_s: float
    """How long a copy is kept; 0: until its task is deleted."""


async def ignore(_task: str) -> None:
    """Do nothing when the results of a task are archived."""


class Archive:
    """The archive. Use it as an async context manager: leaving it interrupts the copies that are being made."""

    def __init__(
        self,
        journal: Journal,
        store: "ArchiveStore",
        sources: Sources,
        limits: ArchiveLimits,
        clock: Callable[[], float],
        cautious_clock: Callable[[], float],
        archived: Callable[[str], Awaitable[None]] = ignore,
    ) -> None:
        """
        Args:
            journal: open, until the archive has been left.
            store: where the copies are.
            sources: reads files.
            limits: the settings.
            clock: returns unix seconds.
            cautious_clock: returns the unix seconds that have certainly passed.
            archived: called with the id of a task when none of its copies is waiting any more, or when its last one is
                about to be settled. It may be called again.
        """
        self.store = store
        self.thumbnails = Thumbnails(store)
        self.copies = LabeledCounter()
        """What came of attempts to copy a file: `kept`, `postponed` or `failed`."""
        self._journal = journal
        self._sources = sources
        self._limits = limits
        self._clock = clock
        self._cautious_clock = cautious_clock
        self._archived = archived
        self._wake = asyncio.Event()
        self._settling = asyncio.Lock()
        self._making: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<Archive making={len(self._making)}>"

    async def __aenter__(self) -> Self:
        self._unlisten = self._journal.listen(
            self._heard, reset=self._wake.set, deleted=lambda _tasks: self._wake.set()
        )
        self._tasks = [asyncio.create_task(run, name="archive") for run in (self._run(), self._sweep())]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._unlisten()
        for group in (self._tasks, list(self._making)):
            for task in group:
                task.cancel()
            await asyncio.gather(*group, return_exceptions=True)
        await self.thumbnails.close()
        await self._sources.close()

    async def kept(self, task: str, part: str) -> FileCopy | None:
        """Return a copy if the archive has it."""
        copy = await self._journal.copies.find(task, part)
        return copy if copy is not None and copy.state is CopyState.KEPT else None

    async def of_task(self, task: str) -> tuple[FileCopy, ...]:
        """Return the copies of a task, whether they are kept or not."""
        return await self._journal.copies.of_task(task)

    def _heard(self, appended: Sequence[Appended]) -> None:
        if any(each.entries[-1].final for each in appended):
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait_s = POLL_S
            try:
                wait_s = await self._start_due()
            except OSError as error:  # the journal has logged it
                _log.debug("archive.retried", error=str(error))
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _start_due(self) -> float:
        """Start the copies that are due and for which there is room; return after how many seconds to look again."""
        if len(self._making) >= AT_ONCE:
            return POLL_S  # the end of one of them wakes
        due_at = await self._journal.copies.due_at()
        if due_at is None:
            return POLL_S
        if (left_s := due_at - self._clock()) > 0:
            return min(left_s, POLL_S)
        for copy in await self._journal.copies.claim(self._clock(), limit=AT_ONCE - len(self._making)):
            making = asyncio.create_task(self._settle(copy), name=f"copy {copy.task}/{copy.part}")
            self._making.add(making)
            making.add_done_callback(self._made)
        return 0.0 if len(self._making) < AT_ONCE else POLL_S

    def _made(self, making: asyncio.Task[None]) -> None:
        self._making.discard(making)
        self._wake.set()

    async def _settle(self, copy: FileCopy) -> None:
        """Make or delete a copy, and store the outcome."""
        try:
            outcome = await self._outcome(copy)
        except Exception:  # noqa: BLE001 -- the boundary of a copy: one that fails must not end all others
            _log.exception("copy.crashed", task=copy.task, part=copy.part)
            outcome = self._failed(copy, CopyFailed("An internal error interrupted the copy."))
        while True:
            try:
                if outcome is None:
                    await self._journal.copies.forget(copy)
                else:
                    await self._store_outcome(outcome)
            except Fenced:
                _log.info("copy.handed_over", task=copy.task, part=copy.part)
                return
            except StoreError as error:  # the journal has logged it
                _log.debug("copy.retried", task=copy.task, part=copy.part, error=str(error))
                await asyncio.sleep(STORE_RETRY_S)
            else:
                return

    async def _store_outcome(self, copy: FileCopy) -> None:
        """
        Store what became of a copy, release the uploaded files that are copied, and report a complete task.

        A task is reported before its last copy is settled: if the process is killed in between, that copy is made again
        and the task is reported again, which is better than never.
        """
        async with self._settling:  # of the last copies of a task, one is settled after the other
            others = [each for each in await self._journal.copies.of_task(copy.task) if each.part != copy.part]
            # Uploaded files are copied while the task runs: then there are no results yet.
            reports = copy.state in (CopyState.KEPT, CopyState.FAILED) and not all(map(spooled_path, (copy, *others)))
            is_last = all(each.state is not CopyState.WAITING for each in others)
            if reports and is_last:
                await self._archived(copy.task)
            complete = await self._journal.copies.settle(copy)
        if reports and complete and not is_last:  # another node has settled the others at the same time
            await self._archived(copy.task)
        uploaded = [each for each in (copy, *others) if spooled_path(each)]
        if spooled_path(copy) and all(each.state is not CopyState.WAITING for each in uploaded):
            await self._sources.release(tuple(uploaded))

    async def _outcome(self, copy: FileCopy) -> FileCopy | None:
        """Do what is due for a copy and return what became of it; null if nothing is to be remembered."""
        try:
            if copy.state is CopyState.WAITING:
                return await self._copy(copy)
            await self.store.delete(prefix_of(copy))
            await self._sources.release((copy,))
        except CopyFailed as error:
            return self._failed(copy, error)
        return None if copy.state is CopyState.ORPHANED else replace(copy, state=CopyState.REMOVED, attempts=0)

    async def _copy(self, copy: FileCopy) -> FileCopy:
        """
        Make a copy.

        Raises:
            CopyFailed: it was not made.
        """
        prefix = prefix_of(copy)
        if self.store.is_local:
            await self.store.delete(prefix)  # what a process that was killed has left behind
        async with self._sources.open(copy) as source:
            self._check_size(source.size_bytes)
            content = MeasuredContent(
                source.chunks, least_bytes=copy.size_bytes or 0, limit_bytes=self._limits.file_bytes
            )
            kind = source.content_type(copy.content_type, await content.head())
            headers = {
                "Content-Type": kind,
                "Content-Disposition": disposition(kind, copy.name),
                "Cache-Control": "private, max-age=31536000, immutable",
            }
            await self.store.put(prefix, content.chunks(), headers)
        self.copies["kept",] += 1
        _log.debug("copy.kept", task=copy.task, part=copy.part, size_bytes=content.size_bytes)
        return replace(
            copy,
            state=CopyState.KEPT,
            reason=None,
            attempts=copy.attempts + 1,
            content_type=kind,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            kept_at=self._cautious_clock(),
        )

    def _check_size(self, size_bytes: int | None) -> None:
        if size_bytes is not None and size_bytes > self._limits.file_bytes:
            raise too_large(size_bytes, self._limits.file_bytes)

    def _failed(self, copy: FileCopy, error: CopyFailed) -> FileCopy:
        """Return a copy after an attempt that failed: another one follows, unless it would fail, too."""
        attempts, reason = copy.attempts + 1, str(error)
        if copy.state is CopyState.WAITING and (isinstance(error, CopyRefused) or attempts > len(RETRY_S)):
            self.copies["failed",] += 1
            _log.warning("copy.failed", task=copy.task, part=copy.part, attempts=attempts, reason=reason)
            return replace(copy, state=CopyState.FAILED, attempts=attempts, reason=reason)
        pause_s = RETRY_S[min(attempts, len(RETRY_S)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 -- not secret
        _log.debug("copy.postponed", task=copy.task, part=copy.part, reason=reason, pause_s=round(pause_s, 1))
        self.copies["postponed",] += 1
        if copy.state is not CopyState.WAITING:
            reason = copy.reason or ""
        return replace(copy, attempts=attempts, reason=reason or None, next_at=self._clock() + pause_s)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._expire()
            except OSError as error:  # the journal has logged it
                _log.debug("archive.retried", error=str(error))
            await asyncio.sleep(SWEEP_S)

    async def _expire(self) -> None:
        """Have copies deleted that are too old, and the oldest ones if all together are too large."""
        copies, limits, now = self._journal.copies, self._limits, self._cautious_clock()
        expired = 0
        if limits.age_s:
            reason = "It was older than RELAY_ARCHIVE_AGE."
            while count := await copies.expire(kept_before=now - limits.age_s, limit=BATCH, reason=reason):
                expired += count
        reason = "The archive had reached RELAY_ARCHIVE_LIMIT."
        while await copies.size_bytes() > limits.total_bytes:
            if not (count := await copies.expire(kept_before=now + 1, limit=1, reason=reason)):
                break
            expired += count
        if expired:
            _log.info("copies.expired", count=expired)
            self._wake.set()
