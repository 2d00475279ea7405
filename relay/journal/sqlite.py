"""
The journal in one SQLite file: the log of one relay on one machine.

Puts the parts together: database.py opens the file, tables.py knows what is in it, writer.py commits, checkpoints.py
tidies up behind it. SQLite is never touched on the event loop: each of them has a thread, and so have the reads, so
that none waits for another.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from relay.core.events import Event
from relay.core.snapshot import Snapshot
from relay.journal import listing, tables
from relay.journal.base import Claim, Filter, History, Place, Record, Tail
from relay.journal.batch import Batch, check_first
from relay.journal.checkpoints import Checkpoints
from relay.journal.database import Database, open_database
from relay.journal.tails import Tails
from relay.journal.writer import Writer
from relay.providers.base import UpstreamTask

T = TypeVar("T")


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
        self._tails = Tails()
        self._folded: dict[str, Snapshot] = {}
        """Of live tasks, the state after the last commit, where whoever appended gave it."""
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._lister = ThreadPoolExecutor(1, thread_name_prefix="journal-lister")
        """Lists have a thread of their own: a search that finds nothing can take seconds, and no state waits for it."""
        self._database: Database | None = None
        self._writer: Writer | None = None
        self._checkpoints: Checkpoints | None = None
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
            self._database.writes, append=append, committed=self._checkpoints.due, publish=self._publish
        )

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def create(self, record: Record, event: Event, *, claim: Claim | None = None) -> None:
        _, writer = self._opened()
        check_first(record.id, event)
        batch = Batch.of([event])
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

    async def record(self, task: str) -> Record | None:
        return await self._read(partial(tables.load_record, task=task))

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

    async def page(self, where: Filter, *, after: Place | None, limit: int) -> tuple[Place, ...]:
        database, _ = self._opened()
        query = partial(listing.load_page, where=where, after=after, limit=limit)
        return await _asked(self._lister, database.lists, query)

    async def unended(self) -> tuple[str, ...]:
        return await self._read(tables.load_unended)

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        _, writer = self._opened()
        return await writer.do(partial(tables.prune, ended_before=ended_before, limit=limit))

    async def size_bytes(self) -> int:
        return await self._read(tables.load_size_bytes)

    def listen(self, tail: Tail) -> Callable[[], None]:
        return self._tails.listen(tail)

    async def keep(self, name: str, value: str) -> str:
        _, writer = self._opened()
        return await writer.do(partial(tables.keep_secret, name=name, value=value))

    def _publish(self, batches: Sequence[Batch]) -> None:
        """On the loop, after a commit: whoever hears of it finds the state of after it."""
        for batch in batches:
            if batch.folded is None:
                self._folded.pop(batch.task, None)
            else:
                self._folded[batch.task] = batch.folded
        self._tails.publish([entry for batch in batches for entry in batch.entries])

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        database, _ = self._opened()
        return await _asked(self._reader, database.reads, query)

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


async def _asked(
    thread: ThreadPoolExecutor, connection: sqlite3.Connection, query: Callable[[sqlite3.Connection], T]
) -> T:
    """
    Answer from what is committed at one moment, however many statements the query takes.

    Raises:
        OSError: the store failed.
    """

    def read() -> T:
        try:
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise OSError(f"the journal could not be read: {error}") from error

    return await asyncio.get_running_loop().run_in_executor(thread, read)


def _nothing() -> None:
    """Do nothing: the answer says that a thread has done all that was asked of it before."""
