"""
The one thread that writes. It commits in one transaction whatever waits at that moment: the busier, the fewer commits.

Owns the write connection between its start and its end. What is written into which table is not its business.
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
from relay.journal.availability import Outage
from relay.journal.batch import Batch

CHECK_S = 1.0
"""Appends go on for no longer into a file that was taken away."""

T = TypeVar("T")

_log = log.get("journal")

Append = Callable[[sqlite3.Connection, Sequence[Batch]], Sequence[ValueError | None]]
"""Writes all the batches that are what comes next; returns for each why it was refused, or null."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """A batch to append; or, where there is `work`, that to be done, and the batch is what it brings if anything."""

    work: Callable[[sqlite3.Connection], Any] | None
    batch: Batch | None
    synced: bool
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of a job: its result, or why nothing of it was written."""

    job: _Job
    result: Any = None
    error: Exception | None = None


class Writer:
    """
    A queue of jobs, each answered on the event loop after its commit and after `publish` had what it brought.

    An answer may be cancelled: the job is done all the same. Every job is answered whatever happens, and the thread
    lives on: what a job breaks is undone, and is that job's error.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        append: Append,
        check: Callable[[], None],
        committed: Callable[[Sequence[Batch]], None],
        publish: Callable[[Sequence[Batch]], None],
    ) -> None:
        """
        Args:
            connection: its own until `close`.
            append: writes batches.
            check: raises StoreError where nothing may be written; called in the writer's thread before a synced commit,
                and every CHECK_S.
            committed: given what a commit brought, in the writer's thread, before anybody is answered; never raises.
            publish: given what a commit brought, on the loop.
        """
        self._connection = connection
        self._append = append
        self._check = check
        self._checked_s = -CHECK_S
        self._committed = committed
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._told: set[str] = set()
        self.outage = Outage("write")
        self.used_s = time.monotonic()
        """When it last tried to commit something."""
        # A daemon, for a process that dies without closing must not wait for it; SQLite bears being cut off.
        threading.Thread(target=self._run, name="journal-writer", daemon=True).start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Have a batch appended. The answer has ValueError if it was refused, StoreError if the store failed."""
        return self._submit(None, batch, synced=batch.synced)

    def do(
        self, work: Callable[[sqlite3.Connection], T], *, brings: Batch | None = None, synced: bool = True
    ) -> asyncio.Future[T]:
        """Have `work` done and, with `synced`, on the disk. The answer has what it raised, or StoreError as above."""
        return self._submit(work, brings, synced=synced)

    def _submit(
        self, work: Callable[[sqlite3.Connection], Any] | None, batch: Batch | None, *, synced: bool
    ) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work=work, batch=batch, synced=synced, answer=answer))
        return answer

    async def close(self) -> None:
        """Commit and answer what came before, then end the thread. Nothing may follow it."""
        self._jobs.put(None)
        await self._ended

    def _run(self) -> None:
        while group := self._take():
            self.used_s = time.monotonic()
            try:
                outcomes = self._commit(group)
            except BaseException as error:  # noqa: BLE001 - the thread's boundary: if it ended, everybody would hang
                outcomes = self._undo(group, error)
            self._call_on_loop(self._settle, outcomes)
        self._call_on_loop(self._ended.set_result, None)

    def _take(self) -> list[_Job]:
        """Wait for work and return all there is; none means the end."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group
        if group:
            self._jobs.put(None)  # the end was taken out of its turn
        return group

    def _commit(self, group: list[_Job]) -> list[_Outcome]:
        connection = self._connection
        synced = any(job.synced for job in group)
        try:
            self._check_due(now=synced)
            # SQLite takes this setting between transactions only.
            connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [*self._do_work(group), *self._do_appends(group)]
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody is answered
            failed = self._undo(group, error)
            if len(group) == 1 or isinstance(error, StoreError) or _is_of_sqlite(error):
                return failed
            return [outcome for job in group for outcome in self._commit([job])]  # one job's fault is not the others'
        self.outage.over()
        self._committed(_brought(outcomes))
        return outcomes

    def _check_due(self, *, now: bool) -> None:
        at_s = time.monotonic()
        if now or at_s >= self._checked_s + CHECK_S:
            self._check()
            self._checked_s = at_s

    def _undo(self, group: list[_Job], error: BaseException) -> list[_Outcome]:
        """Have nothing of a transaction be there, and fail each of its jobs."""
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            self._connection.execute("ROLLBACK")
        said = str(error) if _is_of_sqlite(error) else f"{type(error).__name__}: {error}"
        failure = error if isinstance(error, StoreError) else StoreError(f"the journal could not be written: {said}")
        if isinstance(error, StoreError) or _is_of_sqlite(error):
            self.outage.failed(failure)
        elif said not in self._told:
            self._told.add(said)
            _log.error("journal.job_failed", exc_info=error)
        return [_Outcome(job=job, error=failure) for job in group]

    def _do_work(self, group: list[_Job]) -> Iterator[_Outcome]:
        """Do what is not an append. A mistake of one undoes it alone; the store's failure is everybody's."""
        for job in group:
            if job.work is None:
                continue
            self._connection.execute("SAVEPOINT job")
            try:
                outcome = _Outcome(job=job, result=job.work(self._connection))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits the job, as an executor does
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
        """On the loop: the listeners first, so that whoever is answered knows that they have heard."""
        try:
            self._publish(_brought(outcomes))
        finally:
            for outcome in outcomes:
                if outcome.job.answer.done():  # its caller was cancelled
                    continue
                if outcome.error is None:
                    outcome.job.answer.set_result(outcome.result)
                else:
                    outcome.job.answer.set_exception(outcome.error)

    def _call_on_loop(self, callback: Callable[[T], object], argument: T) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, argument)
        except RuntimeError:  # the loop is closed, and with it all who waited
            return


def _is_of_sqlite(error: BaseException) -> bool:
    """Say whether SQLite reports that the file or the disk fails, and not that it was given something wrong."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _brought(outcomes: Sequence[_Outcome]) -> list[Batch]:
    """Return what has been committed to logs."""
    return [outcome.job.batch for outcome in outcomes if outcome.error is None and outcome.job.batch is not None]
