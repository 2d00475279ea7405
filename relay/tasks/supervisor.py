"""Runs the followers of all tasks: restarts those that crash, and resumes the tasks of an earlier process."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

from relay import log
from relay.backoff import full_jitter
from relay.catalogue.catalogue import Catalogue
from relay.clock import steady_from
from relay.core.events import State
from relay.core.history.input_class import input_class
from relay.core.history.task_times import TaskTimes
from relay.core.lifecycle import Lifecycle
from relay.core.platform_clock import PlatformClock
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError, StoreDamaged, StoreError, Taken, UpstreamUnclear
from relay.files.spool import Spool, upload_of
from relay.journal.base import Journal, StoredTask, Subscription
from relay.journal.deletions import absence
from relay.journal.file_copies import spooled_path
from relay.providers.base import Provider
from relay.tasks.admission import Admission, Queue
from relay.tasks.background import Background
from relay.tasks.context import TaskContext, ignore
from relay.tasks.counts import TaskCounts
from relay.tasks.follower import Follower
from relay.tasks.histories import Histories
from relay.tasks.ids import random_id
from relay.tasks.limits import Limits
from relay.tasks.missing_files import MissingFiles
from relay.tasks.runs import Runs
from relay.tasks.shared_queue import SharedQueue
from relay.webhooks.receivers import Receivers
from relay.webhooks.webhooks import Webhooks

UNUSED_UPLOAD_S = 86_400.0
"""How long after it can be needed an upload is kept in a spool that other processes may use, too."""


class Supervisor:
    """The followers of all tasks that have not ended. Use it as an async context manager."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        catalogue: Catalogue,
        spool: Spool,
        clock: Callable[[], float],
        limits: Limits,
        webhooks: Webhooks | None = None,
        ended: Callable[[StoredTask, Snapshot], None] = ignore,
    ) -> None:
        """
        Args:
            journal: open, until the supervisor has been left.
            providers: by name.
            catalogue: describes models.
            spool: holds the files of tasks. `resume` opens it.
            clock: returns unix seconds as the machine's clock has them, which may jump.
            limits: the settings.
            webhooks: makes the webhooks about tasks; null to send none.
            ended: called with a task and its last state when its end has been committed.
        """
        self._journal = journal
        self._providers = providers
        self._runs = Runs(catalogue, spool, limits.public_url)
        self._spool = spool
        self._clock = clock
        self._limits = limits
        self._webhooks = webhooks
        self._ended = ended
        self.counts = TaskCounts()
        self._followers: dict[str, Follower] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        """What keeps each of them running."""
        self._creating: set[str] = set()
        self._skipped: set[str] = set()
        """Tasks that this process cannot follow."""
        self._missing_files = MissingFiles(spool)
        self._admissions = {name: Admission(self._queue_of(name), limits.may_stream) for name in providers}
        self._background = Background()
        self.histories = Histories(journal, clock, self._background)
        """What earlier runs say about new ones."""
        self._log = log.get("supervisor")
        self.draining = False
        """Whether the relay is shutting down and accepts no new tasks."""

    def __repr__(self) -> str:
        return f"<Supervisor {len(self._followers)}>"

    def __len__(self) -> int:
        return len(self._followers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._background.__aexit__(*exc_info)

    @property
    def left_to_others(self) -> Sequence[str]:
        """The tasks that this node does not take over now: it does not have their files."""
        return self._missing_files.left

    def states(self) -> Iterator[Snapshot]:
        """Yield the committed states of the tasks that are followed."""
        return (follower.snapshot for follower in self._followers.values())

    def queued(self) -> Mapping[str, int]:
        """Return how many tasks of this process wait for each provider's capacity."""
        return {name: len(admission.queue) for name, admission in self._admissions.items()}

    def get(self, task: str) -> Follower | None:
        """Return the follower of a task that has not ended."""
        return self._followers.get(task)

    async def find(self, task: str) -> Snapshot | None:
        """Return a task's committed state; null if there is no such task."""
        follower = self._followers.get(task)
        if follower is None or follower.closed or follower.snapshot.done is not None:  # it may have been deleted
            return await self._journal.snapshot(task)
        return follower.snapshot

    async def snapshot(self, task: str) -> Snapshot:
        """
        Return a task's committed state.

        Raises:
            RequestError: there is no such task, or it was deleted.
        """
        if (snapshot := await self.find(task)) is None:
            raise await absence(self._journal.deletions, task)
        return snapshot

    def admission(self, provider: str) -> Admission:
        """Return what all tasks of a provider share."""
        return self._admissions[provider]

    def check_open(self) -> None:
        """
        Check that new tasks are accepted.

        Raises:
            RequestError: the relay is shutting down.
        """
        if self.draining:
            raise RequestError(Code.DRAINING, "The relay is shutting down. Retry in a few seconds.")

    def check_receiver(self, subscription: Subscription | None) -> None:
        """
        Check that a caller may name this receiver of webhooks.

        Raises:
            RequestError: the settings do not allow it.
        """
        if subscription is not None:
            (Receivers() if self._webhooks is None else self._webhooks).check(subscription)

    def new_id(self) -> str:
        """Return the id of a new task, or of its callback address."""
        return random_id(self._limits.cell)

    @contextmanager
    def creating(self, task: str) -> Iterator[None]:
        """Mark a task as being created. The block creates it and follows it, so `take_up` must not."""
        self._creating.add(task)
        try:
            yield
        finally:
            self._creating.discard(task)

    def follow(self, stored: StoredTask, snapshot: Snapshot, *, send_until_s: float | None = None) -> Follower:
        """
        Start to follow a task.

        Args:
            stored: the task as it was stored.
            snapshot: its committed state.
            send_until_s: until when its run may be sent, as `relay.clock.uptime_s` counts, if the task has just been
                created. Null: its run may have been sent already, unless it is queued.
        """
        follower = self._follower(stored, snapshot)
        self._followers[stored.id] = follower
        self._running[stored.id] = self._background.start(self._supervise(stored.id, follower, send_until_s))
        return follower

    async def take_up(self, task: str) -> None:
        """
        Follow a task that this node owns, unless it is followed, is being created, has ended or cannot be followed.

        One that is queued and has its files on another node is given back for a while.

        Raises:
            StoreError: the journal cannot be read.
        """
        if task in self._followers or task in self._creating or task in self._skipped:
            return
        try:
            stored, snapshot = await self._load(task)
        except StoreDamaged as error:
            await self._skip_damaged(task, error)
            return
        if await self._missing_files.leave(stored, snapshot):
            await self._journal.give_back(task)
            self._log.info("task.given_back", task=task, reason="its files are on another node, which may come back")
        elif snapshot.done is None:  # it may have ended since the journal listed it
            self._follow_stored(stored, snapshot)

    async def abandon(self) -> None:
        """Stop all followers without another write: their tasks belong to other nodes now."""
        stopping = [self._running[task] for task, follower in self._followers.items() if follower.fence()]
        if self._followers:
            self._log.warning("tasks.abandoned", count=len(self._followers))
        self._followers.clear()
        self._running.clear()
        await _cancel(stopping)

    async def stop(self) -> None:
        """Stop all followers, before their tasks are handed over. A run that has not been sent is queued."""
        await _cancel(self._running.values())
        self._followers.clear()
        self._running.clear()

    async def resume(self) -> None:
        """
        Open the spool and follow every task that an earlier process did not finish.

        Raises:
            ConfigError: the spool cannot be opened.
            StoreError: the journal cannot be read.
        """
        unended: list[tuple[StoredTask, Snapshot]] = []
        unsent: list[StoredTask | None] = []
        for task in await self._journal.owned():
            try:
                stored, snapshot = await self._load(task)
            except StoreDamaged as error:
                await self._skip_damaged(task, error)
                with suppress(StoreDamaged):  # its files are needed if the store is repaired
                    unsent.append(await self._journal.stored_task(task))
                continue
            unended.append((stored, snapshot))
            if snapshot.state is State.HELD:
                unsent.append(stored)
        files = [file for stored in unsent if stored is not None for file in stored.files]
        unused_s = self._limits.queue_limit_s + UNUSED_UPLOAD_S if self._journal.shared else 0.0
        keep = {upload_of(file) for file in files}
        if self._limits.keeps_results:  # the archive releases the others
            keep |= {path.parts[0] for copy in await self._journal.copies.spooled() if (path := spooled_path(copy))}
        await self._spool.open(keep, older_than_s=unused_s)
        for stored, snapshot in unended:
            self._follow_stored(stored, snapshot)

    async def drain(self, within_s: float) -> None:
        """Accept and send no new tasks, and wait up to `within_s` seconds for the answers to those being submitted."""
        self.draining = True
        waiting: set[asyncio.Future[Any]] = {
            follower.submitted for follower in self._followers.values() if not follower.submitted.done()
        }
        for admission in self._admissions.values():
            admission.queue.closed = True
            waiting |= admission.being_sent()
        if waiting:
            await asyncio.wait(waiting, timeout=within_s)

    def _queue_of(self, provider: str) -> Queue:
        limit = self._limits.queue_limit
        return SharedQueue(limit, self._journal, provider) if self._journal.shared else Queue(limit)

    def _follow_stored(self, stored: StoredTask, snapshot: Snapshot) -> None:
        if stored.provider in self._providers:
            self.follow(stored, snapshot)
        else:
            self._skipped.add(stored.id)
            self._log.warning("task.skipped", task=stored.id, reason=f"no credentials for {stored.provider}")

    async def _skip_damaged(self, task: str, error: StoreDamaged) -> None:
        """
        Do not follow a task, and let no other task wait for it.

        Raises:
            StoreError: the journal could not be written.
        """
        await self._journal.sent(task)
        self._skipped.add(task)
        self._log.error("task.skipped", task=task, reason=str(error))

    def _follower(self, stored: StoredTask, snapshot: Snapshot) -> Follower:
        provider, admission = self._providers[stored.provider], self._admissions[stored.provider]
        limits = self._limits.time_limits if provider.streams else self._limits.time_limits.without_stream()
        now = self._clock()
        # Each task has one timeline: it continues where its log ends, even if the machine's clock jumps.
        clock = steady_from(max(now, snapshot.updated_at))
        platform_clock = admission.clock if snapshot.updated_at <= now else PlatformClock()
        context = TaskContext(
            stored=stored,
            run=self._runs.run_of(stored),
            provider=provider,
            journal=self._journal,
            spool=self._spool,
            admission=admission,
            time_limits=limits,
            queue_limit_s=self._limits.queue_limit_s,
            keeps_results=self._limits.keeps_results,
            clock=clock,
            wall_clock=self._clock,
            ended=self._ended,
            counts=self.counts,
            webhooks=self._webhooks,
            tallied=self.histories.add,
        )
        inputs = None if stored.checked is None else input_class(stored.checked.input)
        times = TaskTimes(snapshot, self.histories.of(stored.provider, stored.model), inputs)
        lifecycle = Lifecycle(snapshot, clock(), limits, platform_clock, since=stored.created_at, times=times)
        return Follower(lifecycle, context)

    async def _supervise(self, task: str, follower: Follower, send_until_s: float | None) -> None:
        """Run a follower. If it crashes, follow the task again from what the journal has."""
        crashes, damaged = 0, False
        while not damaged:
            try:
                try:
                    if crashes:
                        follower = self._followers[task] = self._follower(*await self._load(task))
                    await follower.run(send_until_s=None if crashes else send_until_s)
                except StoreDamaged as error:
                    await self._skip_damaged(task, error)
                    damaged = True
            except StoreError as error:  # the journal has logged it
                self._log.debug("follower.interrupted", task=task, reason=str(error))
            except Taken as error:  # another node has adopted the run that was found: the search begins again
                self._log.info("run.taken", task=task, reason=str(error))
            except Exception:  # noqa: BLE001 -- the boundary of a task: one that fails must not end all others
                self._log.exception("follower.crashed", task=task)
            else:
                break
            if self._followers.get(task) is not follower:  # it was abandoned meanwhile
                return
            detail = "An internal error interrupted the submission; whether the task was started is unknown."
            follower.answer(UpstreamUnclear(detail))
            crashes += 1
            if not damaged:
                await asyncio.sleep(full_jitter(crashes))
        if self._followers.get(task) is follower:
            del self._followers[task], self._running[task]

    async def _load(self, task: str) -> tuple[StoredTask, Snapshot]:
        stored, snapshot = await self._journal.stored_task(task), await self._journal.snapshot(task)
        if stored is None or snapshot is None:
            raise AssertionError(f"the journal has lost task {task}")
        return stored, snapshot


async def _cancel(running: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    stopping = list(running)
    for task in stopping:
        task.cancel()
    await asyncio.gather(*stopping, return_exceptions=True)
