"""
The one thread that writes. It commits in one transaction whatever waits at that moment: the busier, the fewer commits.

Owns the write connection between its start and its end. What is written into which table is not its business.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from relay.journal.batch import Batch

T = TypeVar("T")


Append = Callable[[sqlite3.Connection, Sequence[Batch]], Sequence[ValueError | None]]
"""Writes all the batches that are what comes next; returns for each why it was refused, or null."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """A batch to append; or, where there is `work`, that to be done, and the batch is what it brings if anything."""

    work: Callable[[sqlite3.Connection], Any] | None
    batch: Batch | None
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

    An answer may be cancelled: the job is done all the same.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        append: Append,
        committed: Callable[[], None],
        publish: Callable[[Sequence[Batch]], None],
    ) -> None:
        """
        Args:
            connection: its own until `close`.
            append: writes batches.
            committed: called after each commit, in the writer's thread.
            publish: given what a commit brought, on the loop.
        """
        self._connection = connection
        self._append = append
        self._committed = committed
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon, for a process that dies without closing must not wait for it; SQLite bears being cut off.
        threading.Thread(target=self._run, name="journal-writer", daemon=True).start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Have a batch appended. The answer carries ValueError if it was refused, OSError if the store failed."""
        return self._submit(None, batch)

    def do(self, work: Callable[[sqlite3.Connection], T], *, brings: Batch | None = None) -> asyncio.Future[T]:
        """Have `work` done and synced to the disk. The answer carries what it raised, or OSError as above."""
        return self._submit(work, brings)

    def _submit(self, work: Callable[[sqlite3.Connection], Any] | None, batch: Batch | None) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work=work, batch=batch, answer=answer))
        return answer

    async def close(self) -> None:
        """Commit and answer what came before, then end the thread. Nothing may follow it."""
        self._jobs.put(None)
        await self._ended

    def _run(self) -> None:
        while group := self._take():
            self._call_on_loop(self._settle, self._commit(group))
            self._committed()
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
        synced = any(job.work is not None or (job.batch is not None and job.batch.synced) for job in group)
        try:
            # SQLite takes this setting between transactions only.
            connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [*self._do_work(group), *self._do_appends(group)]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            return [_Outcome(job=job, error=OSError(f"the journal could not be written: {error}")) for job in group]
        return outcomes

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
            batches = [outcome.job.batch for outcome in outcomes if outcome.error is None]
            self._publish([batch for batch in batches if batch is not None])
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
