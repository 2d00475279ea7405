"""
The thread that writes. It commits everything that is queued in one transaction: the higher the load, the fewer commits.

It owns the write connection from its start to its end. It does not know the tables.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from relay import log
from relay.errors import StoreError
from relay.journal.availability import Availability
from relay.journal.batch import Batch
from relay.journal.load import Commits

CHECK_S = 1.0
"""How long appends to a file may continue after it was deleted or replaced."""

T = TypeVar("T")

_log = log.get("journal")

Append = Callable[[sqlite3.Connection, Sequence[Batch]], Sequence[Exception | None]]
"""Writes the batches that continue their logs; returns for each why it was refused, or null."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """A batch to append, or `work` to run. With `work`, the batch is what that appends to a log, if anything."""

    work: Callable[[sqlite3.Connection], Any] | None
    batch: Batch | None
    synced: bool
    result: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """The value of a job, or the reason why nothing of it was written."""

    job: _Job
    value: Any = None
    error: Exception | None = None


class Writer:
    """
    A queue of jobs. The result of each is set on the event loop, after its commit and after `publish`.

    A result may be cancelled; the job is still done. Every job gets a result, even if it fails, and the thread
    keeps running: the changes of a job that fails are rolled back, and only that job receives the error.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        append: Append,
        check: Callable[[], None],
        committed: Callable[[Sequence[Batch]], None],
        publish: Callable[[Sequence[Batch]], None],
        commits: Commits | None = None,
    ) -> None:
        """
        Args:
            connection: used by the writer only, until `close`.
            append: writes batches.
            check: raises StoreError if nothing may be written. Called in the writer's thread, before a synced commit
                and every CHECK_S.
            committed: called with the batches of a commit, in the writer's thread, before results are set. Must not
                raise.
            publish: called with the batches of a commit, on the loop.
            commits: counts the commits.
        """
        self._connection = connection
        self._append = append
        self._check = check
        self._checked_s = -CHECK_S
        self._synced: bool | None = None
        self._committed = committed
        self._publish = publish
        self._commits = Commits() if commits is None else commits
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._logged: set[str] = set()
        self.availability = Availability("write")
        self.used_s = time.monotonic()
        """When the last commit was tried."""
        # A daemon thread: a process that exits without closing must not wait for it. SQLite tolerates the interruption.
        threading.Thread(target=self._run, name="journal-writer", daemon=True).start()

    @property
    def queued(self) -> int:
        """How many jobs wait for the next commit."""
        return self._jobs.qsize()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Append a batch. The result is a ValueError or Taken if it is refused, and a StoreError if the store fails."""
        return self._submit(None, batch, synced=batch.synced)

    def do(
        self, work: Callable[[sqlite3.Connection], T], *, appends: Batch | None = None, synced: bool = True
    ) -> asyncio.Future[T]:
        """
        Call `work` in a transaction; with `synced`, durably.

        Args:
            work: called in the writer's thread. The result is its return value, its error, or a StoreError.
            appends: what `work` appends to a log, for listeners.
            synced: whether to wait until the commit is durable.
        """
        return self._submit(work, appends, synced=synced)

    def _submit(
        self, work: Callable[[sqlite3.Connection], Any] | None, batch: Batch | None, *, synced: bool
    ) -> asyncio.Future[Any]:
        result: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work=work, batch=batch, synced=synced, result=result))
        return result

    async def close(self) -> None:
        """Finish all jobs and end the thread. No job may be submitted after that."""
        self._jobs.put(None)
        await self._ended

    def _run(self) -> None:
        while group := self._take():
            self.used_s = time.monotonic()
            self._commits.began()
            try:
                outcomes = self._commit(group)
            except BaseException as error:  # noqa: BLE001 - the thread's boundary: callers would hang if it ended
                outcomes = self._roll_back(group, error)
            self._commits.ended()
            self._call_on_loop(self._settle, outcomes)
        self._call_on_loop(self._ended.set_result, None)

    def _take(self) -> list[_Job]:
        """Wait for jobs and return all that are queued; none after `close`."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group
        if group:
            self._jobs.put(None)  # end after this group
        return group

    def _commit(self, group: list[_Job]) -> list[_Outcome]:
        connection = self._connection
        synced = any(job.synced for job in group)
        try:
            self._check_due(now=synced)
            self._set_synced(synced)
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [*self._do_work(group), *self._do_appends(group)]
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every job gets a result
            failed = self._roll_back(group, error)
            if len(group) == 1 or isinstance(error, StoreError) or _is_store_failure(error):
                return failed
            return [outcome for job in group for outcome in self._commit([job])]  # find the job that failed
        self.availability.succeeded()
        self._committed(_batches(outcomes))
        return outcomes

    def _set_synced(self, synced: bool) -> None:
        """Have the next commits wait for the disk, or not. SQLite accepts this between transactions only."""
        if synced is not self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def _check_due(self, *, now: bool) -> None:
        at_s = time.monotonic()
        if now or at_s >= self._checked_s + CHECK_S:
            self._check()
            self._checked_s = at_s

    def _roll_back(self, group: list[_Job], error: BaseException) -> list[_Outcome]:
        """Roll back a transaction and fail all of its jobs."""
        with suppress(sqlite3.Error):  # on a full disk, SQLite has rolled it back
            self._connection.execute("ROLLBACK")
        text = str(error) if _is_store_failure(error) else f"{type(error).__name__}: {error}"
        failure = error if isinstance(error, StoreError) else StoreError(f"the journal could not be written: {text}")
        if isinstance(error, StoreError) or _is_store_failure(error):
            self.availability.failed(failure)
        elif text not in self._logged:
            self._logged.add(text)
            _log.error("journal.job_failed", exc_info=error)
        return [_Outcome(job=job, error=failure) for job in group]

    def _do_work(self, group: list[_Job]) -> Iterator[_Outcome]:
        """Do all work. An error in one is rolled back alone; a failure of the store fails the whole transaction."""
        for job in group:
            if job.work is None:
                continue
            self._connection.execute("SAVEPOINT job")
            try:
                outcome = _Outcome(job=job, value=job.work(self._connection))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001 - passed to the caller, as an executor does
                self._connection.execute("ROLLBACK TO job")
                outcome = _Outcome(job=job, error=error)
            self._connection.execute("RELEASE job")
            yield outcome

    def _do_appends(self, group: list[_Job]) -> Iterator[_Outcome]:
        jobs = {job: job.batch for job in group if job.work is None and job.batch is not None}
        if jobs:
            for job, refusal in zip(jobs, self._append(self._connection, [*jobs.values()]), strict=True):
                yield _Outcome(job=job, error=refusal)

    def _settle(self, outcomes: list[_Outcome]) -> None:
        """On the loop: call the listeners, then set the results, so that callers know that listeners were called."""
        try:
            self._publish(_batches(outcomes))
        finally:
            for outcome in outcomes:
                if outcome.job.result.done():  # the caller was cancelled
                    continue
                if outcome.error is None:
                    outcome.job.result.set_result(outcome.value)
                else:
                    outcome.job.result.set_exception(outcome.error)

    def _call_on_loop(self, callback: Callable[[T], object], argument: T) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, argument)
        except RuntimeError:  # the loop is closed: there are no callers any more
            return


def _is_store_failure(error: BaseException) -> bool:
    """Return whether SQLite reports a failure of the file or the disk, and not a wrong argument."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _batches(outcomes: Sequence[_Outcome]) -> list[Batch]:
    """Return the batches that were committed."""
    return [outcome.job.batch for outcome in outcomes if outcome.error is None and outcome.job.batch is not None]
