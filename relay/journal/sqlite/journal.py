"""
The journal in one SQLite file: the log of one relay on one machine.

Puts the parts together: database.py opens the file, tables.py knows what is in it, writer.py commits, checkpoints.py
tidies up behind it. SQLite is never touched on the event loop: each of them has a thread, and so have the reads, so
that none waits for another.

Whatever goes wrong with the file is a StoreError, and the log says it once: SQLite's errors, and rows that nobody can
read. No other error of a stored value leaves this module.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from relay import log
from relay.core.events import Event
from relay.core.snapshot import Snapshot, begin
from relay.core.upstream import UpstreamTask
from relay.errors import StoreDamaged, StoreError, StoreGone
from relay.journal.availability import Outage
from relay.journal.base import Claim, Filter, ListPosition, StoredTask
from relay.journal.batch import Batch, check_first
from relay.journal.entries import History, Listener
from relay.journal.listeners import Listeners
from relay.journal.sqlite import listing, tables
from relay.journal.sqlite.checkpoints import Checkpoints
from relay.journal.sqlite.database import Database, open_database
from relay.journal.sqlite.writer import Writer

T = TypeVar("T")

ANSWER_S = 5.0
"""A store that does not answer a check within so long fails it."""

USED_S = 5.0
"""A check writes something, unless something was written less than so long ago."""

_log = log.get("journal")


class SQLiteJournal:
    """
    The durable log in the file at `path`.

    An append survives the death of the process (WAL, synchronous=NORMAL), what is synced that of the machine too.
    A caller that is cancelled while it waits has its commit all the same. Of each task the last `history_events`
    before its stored snapshot are kept, as far as they have no more than `history_bytes`.
    """

    def __init__(self, path: Path, *, history_events: int = 10_000, history_bytes: int = 16 * 2**20) -> None:
        self._path = path
        self._history_events = history_events
        self._history_bytes = history_bytes
        self._listeners = Listeners()
        self._folded: dict[str, Snapshot] = {}
        """Of live tasks, the state after the last commit, where whoever appended gave it."""
        self._outage = Outage("read")
        self._damaged: set[str] = set()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._lister = ThreadPoolExecutor(1, thread_name_prefix="journal-lister")
        """Lists have a thread of their own: a search that finds nothing can take seconds, and no state waits for it."""
        self._database: Database | None = None
        self._writer: Writer | None = None
        self._checkpoints: Checkpoints | None = None
        self._trying: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> str:
        return self._opened()[0].epoch

    async def open(self, *, lock: bool) -> None:
        open_file = partial(open_database, self._path, lock=lock)
        self._database = await asyncio.get_running_loop().run_in_executor(self._reader, open_file)
        append = partial(tables.add_events, history_events=self._history_events, history_bytes=self._history_bytes)
        self._checkpoints = Checkpoints(self._path)
        self._writer = Writer(
            self._database.writes,
            append=append,
            check=self._database.check,
            committed=partial(_committed, self._database, self._checkpoints),
            publish=self._publish,
        )

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def create(self, record: StoredTask, event: Event, *, claim: Claim | None = None) -> None:
        _, writer = self._opened()
        check_first(record.id, event)
        batch = Batch.of([event], folded=begin(event, self.epoch))
        await writer.do(partial(tables.add_task, record=record, batch=batch, claim=claim), brings=batch)

    async def append(
        self,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
    ) -> None:
        _, writer = self._opened()
        if not events:
            return
        await writer.append(Batch.of(events, snapshot=snapshot, folded=folded, upstream=upstream, synced=synced))

    async def stored_task(self, task: str) -> StoredTask | None:
        return await self._read(partial(tables.load_task, task=task))

    async def find_hook(self, provider: str, hook: str) -> str | None:
        return await self._read(partial(tables.find_hook, provider=provider, hook=hook))

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        return await self._read(partial(tables.find_upstream, provider=provider, upstream=upstream))

    async def find_claim(self, key: str) -> Claim | None:
        return await self._read(partial(tables.load_claim, key=key))

    async def drop_claim(self, key: str) -> None:
        _, writer = self._opened()
        await writer.do(partial(tables.drop_claim, key=key))

    async def snapshot(self, task: str) -> Snapshot | None:
        self._opened()
        if (folded := self._folded.get(task)) is not None:
            return folded
        return await self._read(partial(tables.load_snapshot, task=task, epoch=self.epoch))

    async def read(self, task: str, *, after: int, limit: int) -> History:
        return await self._read(partial(tables.load_history, task=task, after=after, limit=limit))

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        database, _ = self._opened()
        query = partial(listing.load_page, where=where, after=after, limit=limit)
        return await self._asked(self._lister, database.lists, query)

    async def unfinished(self) -> tuple[str, ...]:
        return await self._read(tables.load_unfinished)

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        _, writer = self._opened()
        return await writer.do(partial(tables.prune, ended_before=ended_before, limit=limit))

    async def size_bytes(self) -> int:
        return await self._read(tables.load_size_bytes)

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def keep_secret(self, name: str, value: str) -> str:
        _, writer = self._opened()
        return await writer.do(partial(tables.keep_secret, name=name, value=value))

    async def save_time(self, at: float) -> None:
        _, writer = self._opened()
        await writer.do(partial(tables.note, name="witnessed", value=repr(at)))

    async def saved_time(self) -> float | None:
        return await self._read(tables.load_saved_time)

    async def check(self) -> str | None:
        database, writer = self._opened()
        try:
            async with asyncio.timeout(ANSWER_S):
                is_gone = await self._read(lambda _connection: database.is_gone)
                if is_gone or writer.outage.reason is not None or writer.used_s + USED_S <= time.monotonic():
                    if self._trying is None:  # however many ask at once
                        work = partial(tables.note, name="checked", value="")
                        self._trying = writer.do(work, synced=is_gone)  # then the writer looks, too, and logs it
                        self._trying.add_done_callback(self._tried)
                    await asyncio.shield(self._trying)
        except StoreGone:
            return "the store was deleted or replaced"
        except StoreError:
            return "the store does not answer" if self._outage.reason is not None else "the store cannot be written"
        except TimeoutError:
            return "the store does not answer"
        return None

    def _tried(self, trying: asyncio.Future[None]) -> None:
        self._trying = None
        if not trying.cancelled():
            trying.exception()  # whoever waited has had it

    def _publish(self, batches: Sequence[Batch]) -> None:
        """On the loop, after a commit: whoever hears of it finds the state of after it."""
        for batch in batches:
            if (live := batch.live) is None:
                self._folded.pop(batch.task, None)
            else:
                self._folded[batch.task] = live
        self._listeners.publish([batch.appended for batch in batches])

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        database, _ = self._opened()
        return await self._asked(self._reader, database.reads, query)

    async def _asked(
        self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, query: Callable[[sqlite3.Connection], T]
    ) -> T:
        """
        Answer from what is committed at one moment, however many statements the query takes.

        Raises:
            StoreError: the store failed.
        """

        def read() -> T:
            try:
                connection.execute("BEGIN")
                try:
                    return query(connection)
                finally:
                    connection.execute("ROLLBACK")
            except StoreError:
                raise
            # Everything else, too: a StopIteration would never reach who awaits this, and a ValidationError quotes
            # what is stored, and is taken for one of the caller's.
            except Exception as error:  # noqa: BLE001 - the edge of what is stored
                raise StoreError(f"the journal could not be read: {_said(error)}") from None

        try:
            answer = await asyncio.get_running_loop().run_in_executor(thread, read)
        except StoreDamaged as damage:
            if (said := str(damage)) not in self._damaged:
                self._damaged.add(said)
                _log.error("journal.damage_found", task=damage.task, error=said)
            raise
        except StoreError as error:
            self._outage.failed(error)
            raise
        self._outage.over()
        return answer

    async def _close(self) -> None:
        database, writer = self._database, self._writer
        self._database = self._writer = None
        if database is not None and writer is not None:
            await writer.close()
            if self._checkpoints is not None:
                await asyncio.get_running_loop().run_in_executor(self._reader, self._checkpoints.stop)
            await asyncio.get_running_loop().run_in_executor(self._lister, _nothing)  # what it reads comes to its end
            await asyncio.get_running_loop().run_in_executor(self._reader, database.close)
        self._reader.shutdown(wait=False)
        self._lister.shutdown(wait=False)

    def _opened(self) -> tuple[Database, Writer]:
        if self._database is None or self._writer is None:
            raise RuntimeError(f"the journal {self._path} is not open")
        return self._database, self._writer


def _committed(database: Database, checkpoints: Checkpoints, batches: Sequence[Batch]) -> None:
    """In the writer's thread, after a commit."""
    database.mark(batches)
    checkpoints.due()


def _said(error: Exception) -> str:
    """Return what an error says, unless it may quote what is stored."""
    return str(error) if isinstance(error, sqlite3.Error | OSError) else type(error).__name__


def _nothing() -> None:
    """Do nothing: the answer says that a thread has done all that was asked of it before."""
