"""
All followers of this process: makes them, keeps them alive, takes tasks up again after a restart, lets go in the end.

It owns every asyncio task that outlives a request, so that a caller who goes away takes nothing with it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from relay import log
from relay.backoff import full_jitter
from relay.catalogue.catalogue import Catalogue
from relay.catalogue.check import Offer
from relay.clock import steady_from
from relay.core.events import State
from relay.core.lifecycle import Lifecycle
from relay.core.platform_clock import PlatformClock
from relay.core.schedule import TimeLimits
from relay.core.snapshot import Snapshot
from relay.core.upstream import Run
from relay.errors import RelayError, StoreDamaged, StoreError, UpstreamUnclear
from relay.files.spool import Spool, parcel_of
from relay.journal.base import Journal, StoredTask
from relay.providers.base import Provider
from relay.tasks.admission import Doorway, always
from relay.tasks.follower import Follower

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms tasks are followed: settings, as far as they matter here."""

    patience: TimeLimits = field(default_factory=TimeLimits)
    hold_limit: int = 100
    """How many tasks of one provider may wait for a place upstream."""
    hold_s: float = 3600.0
    """How long each of them may."""
    public_url: str | None = None
    """Where the upstream can call us back; null: it is not asked to."""
    may_stream: Callable[[int], bool] = always
    """Says whether one more stream can be opened, beside those that are being opened; a task without one is polled."""


class Following:
    """The followers, by task. Use it as an async context manager."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        catalogue: Catalogue,
        spool: Spool,
        clock: Callable[[], float],
        terms: Terms,
    ) -> None:
        """
        Args:
            journal: open, and open for as long as this is.
            providers: by name.
            catalogue: says what goes upstream for what a caller gave.
            spool: has the files that go with it; not opened yet.
            clock: gives unix seconds as the machine has them, which may jump.
            terms: how long to wait for what, and how many may.
        """
        self._journal = journal
        self._providers = providers
        self._catalogue = catalogue
        self._spool = spool
        self._clock = clock
        self._terms = terms
        self._followers: dict[str, Follower] = {}
        self._doorways = {name: Doorway(terms.hold_limit, terms.may_stream) for name in providers}
        self._work: set[asyncio.Task[Any]] = set()
        self._log = log.get("following")

    def __repr__(self) -> str:
        return f"<Following {len(self._followers)} work={len(self._work)}>"

    def __len__(self) -> int:
        return len(self._followers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def get(self, task: str) -> Follower | None:
        """Return the follower of a task that has not ended."""
        return self._followers.get(task)

    def doorway(self, provider: str) -> Doorway:
        """Return the way in to a provider's upstream."""
        return self._doorways[provider]

    def follow(self, record: StoredTask, snapshot: Snapshot, *, fresh: bool) -> Follower:
        """
        Follow a task from where `snapshot` has it.

        Args:
            record: what is kept of it.
            snapshot: its state as it is committed.
            fresh: whether it was made just now, so that it surely has not been sent yet.
        """
        follower = self._follower(record, snapshot)
        self._followers[record.id] = follower
        self._spawn(self._supervise(record.id, follower, fresh=fresh))
        return follower

    async def take_up(self) -> None:
        """
        Follow every task again that has not ended. The spool is open from then on.

        Raises:
            ConfigError: the spool cannot be had.
            StoreError: the journal cannot be read.
        """
        unended: list[tuple[StoredTask, Snapshot]] = []
        waiting: list[StoredTask | None] = []
        for task in await self._journal.unfinished():
            try:
                record, snapshot = await self._load(task)
            except StoreDamaged as error:
                self._log.error("task.skipped", task=task, reason=str(error))
                with suppress(StoreDamaged):  # its files may still be needed once it is mended
                    waiting.append(await self._journal.stored_task(task))
                continue
            unended.append((record, snapshot))
            if snapshot.state is State.HELD:
                waiting.append(record)
        files = [file for record in waiting if record is not None for file in record.files]
        await self._spool.open({parcel_of(file) for file in files})
        for record, snapshot in unended:
            if record.provider in self._providers:
                self.follow(record, snapshot, fresh=False)
            else:
                self._log.warning("task.skipped", task=record.id, reason=f"no credentials for {record.provider}")

    async def drain(self, within_s: float) -> None:
        """Give the submissions under way `within_s` to be answered."""
        waiting = [follower.submitted for follower in self._followers.values() if not follower.submitted.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=within_s)

    async def shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something that goes on to its end even if the caller is cancelled."""
        return await asyncio.shield(self._spawn(work))

    def _follower(self, record: StoredTask, snapshot: Snapshot) -> Follower:
        hook = None
        if self._terms.public_url is not None and record.hook is not None:
            hook = f"{self._terms.public_url.rstrip('/')}/hooks/{record.provider}/{record.hook}"
        provider = self._providers[record.provider]
        patience = self._terms.patience if provider.streams else self._terms.patience.without_stream()
        offers = [Offer(input=file.input, content_type=file.content_type) for file in record.files]
        model, sent = self._catalogue.sent(record.provider, record.model, record.input, offers)
        files = self._spool.located(record.files)
        doorway, now = self._doorways[record.provider], self._clock()
        # One task, one timeline: it goes on where its log ends, whatever happens to the machine's clock.
        clock = steady_from(max(now, snapshot.updated_at))
        platform_clock = doorway.clock if snapshot.updated_at <= now else PlatformClock()
        return Follower(
            Lifecycle(snapshot, clock(), patience, platform_clock, since=record.created_at),
            run=Run(model=model, input=sent, files=files, callback_url=hook),
            provider=provider,
            journal=self._journal,
            clock=clock,
            wall_clock=self._clock,
            doorway=doorway,
            hold_s=self._terms.hold_s,
            search_s=patience.deadline_s,
            discard=lambda: self._spool.release(record.files),
            upstream=record.upstream,
        )

    async def _supervise(self, task: str, follower: Follower, *, fresh: bool) -> None:
        """Run a follower; should a fault of ours bring it down, take the task up again from the journal."""
        crashes, damaged = 0, False
        while not damaged:
            try:
                if crashes:
                    follower = self._followers[task] = self._follower(*await self._load(task))
                await follower.run(fresh=fresh and not crashes)
            except StoreDamaged as error:
                self._log.error("task.skipped", task=task, reason=str(error))
                damaged = True
            except StoreError as error:  # the journal has logged it
                self._log.debug("follower.interrupted", task=task, reason=str(error))
            except Exception:  # noqa: BLE001 -- a task's boundary: one broken task must not end all others
                self._log.exception("follower.crashed", task=task)
            else:
                break
            if not follower.submitted.done():
                detail = "A fault of the relay interrupted the submission; whether the task was started is unknown."
                follower.submitted.set_result(UpstreamUnclear(detail))
            crashes += 1
            if not damaged:
                await asyncio.sleep(full_jitter(crashes))
        del self._followers[task]

    async def _load(self, task: str) -> tuple[StoredTask, Snapshot]:
        record, snapshot = await self._journal.stored_task(task), await self._journal.snapshot(task)
        if record is None or snapshot is None:
            raise AssertionError(f"the journal has lost task {task}")
        return record, snapshot

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._settled)
        return task

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, RelayError):  # its caller may be gone: somebody must hear of it
            self._log.error("work.crashed", exc_info=error)
