"""
The journal in one SQLite file.

SQLite is never used on the event loop. One thread writes (`writer`), one writes checkpoints (`checkpoints`), and others
read (`reader`): tasks, lists, searches, and one row for the check of the store. No kind of read waits for another kind,
and none waits for a write. `database` opens the file; the modules named after tables read and write them.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relay.core.events import Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot, begin
from relay.core.spending import Charge, Limit
from relay.core.upstream import UpstreamTask
from relay.errors import StoreError, StoreGone
from relay.journal.availability import Availability, failing
from relay.journal.base import Claim, Created, StoredTask
from relay.journal.batch import Batch, check_first
from relay.journal.deletions import DeletedListener
from relay.journal.entries import History, Listener
from relay.journal.file_copies import FileCopy
from relay.journal.listeners import Listeners
from relay.journal.lists import Filter, ListPosition
from relay.journal.load import Commits, Load
from relay.journal.outbox import Webhook
from relay.journal.sole_node import SoleNode
from relay.journal.sqlite import events as event_table
from relay.journal.sqlite import listing, metadata, tasks
from relay.journal.sqlite.accounts import LimitExceeded, SQLiteAccounts
from relay.journal.sqlite.audit import SQLiteAudit, SQLiteRevocations
from relay.journal.sqlite.checkpoints import Checkpoints
from relay.journal.sqlite.copies import SQLiteCopies, release_copies
from relay.journal.sqlite.database import Database, open_database
from relay.journal.sqlite.deletion import SQLiteDeletions, prune
from relay.journal.sqlite.outbox import SQLiteOutbox
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.tallies import SQLiteTallies
from relay.journal.sqlite.tasks import load_prompts
from relay.journal.sqlite.writer import Writer

CHECK_TIMEOUT_S = 5.0
"""A check fails if the store does not respond within this time."""

CHECK_WRITE_S = 5.0
"""A check writes something unless something was written within this time."""

STATES_AT_ONCE = 25
"""How many states one read loads, each of which may have hundreds of events to apply. Other reads come in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """The parts of an open journal."""

    database: Database
    writer: Writer
    reader: Reader
    lister: Reader
    searcher: Reader
    """For searches by words, which can take seconds."""
    checker: Reader
    checkpoints: Checkpoints


class SQLiteJournal(SoleNode):
    """
    The durable log in the file at `path`.

    An append survives the end of the process (WAL, synchronous=NORMAL); a synced one survives that of the machine, too.
    A write of a caller that is cancelled while it waits is still committed. Of each log, the last
    `history_events` before its stored snapshot are kept, up to `history_bytes`.
    """

    def __init__(self, path: Path, *, history_events: int = 10_000, history_bytes: int = 16 * 2**20) -> None:
        self._path = path
        self._history_events = history_events
        self._history_bytes = history_bytes
        self._listeners = Listeners()
        self._folded: dict[str, Snapshot] = {}
        """The state of live tasks after the last commit, if the writer passed it."""
        self._availability = Availability("read")
        self.commits = Commits()
        self.copies = SQLiteCopies(self._reader_and_writer)
        self.audit = SQLiteAudit(lambda: (self._opened().lister, self._opened().writer))
        self.revocations = SQLiteRevocations(self._reader_and_writer)
        self.deletions = SQLiteDeletions(self._reader_and_writer, self._listeners.deleted)
        self._open: _Open | None = None
        self._test_write: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.tallies = SQLiteTallies(lambda: self._opened().lister, lambda: self._opened().writer)
        self.accounts = SQLiteAccounts(lambda: self._opened().lister, lambda: self._opened().writer)
        self.outbox = SQLiteOutbox(lambda: self._opened().writer, lambda: self._opened().lister)

    @property
    def load(self) -> Load:
        writer = self._opened().writer
        return Load(queued=writer.queued, failing=failing(self._availability, writer.availability))

    @property
    def epoch(self) -> str:
        return self._opened().database.epoch

    async def open(self, *, lock: bool) -> None:
        database = await asyncio.to_thread(open_database, self._path, lock=lock)
        append = partial(event_table.add_events, history_events=self._history_events, history_bytes=self._history_bytes)
        checkpoints = Checkpoints(self._path)
        self._open = _Open(
            database=database,
            writer=Writer(
                database.writes,
                append=append,
                check=database.check,
                committed=partial(_committed, database, checkpoints),
                publish=self._publish,
                commits=self.commits,
            ),
            reader=Reader(database.reads, "journal-reader", self._availability),
            lister=Reader(database.lists, "journal-lister", self._availability, limits_waiting=True),
            searcher=Reader(database.searches, "journal-searcher", self._availability, limits_waiting=True),
            checker=Reader(database.checks, "journal-checker", self._availability),
            checkpoints=checkpoints,
        )
        if lock:
            await self._open.writer.do(release_copies)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def create(
        self,
        task: StoredTask,
        event: Event,
        *,
        claim: Claim | None = None,
        expired_before: float = -math.inf,
        limits: Sequence[Limit] = (),
    ) -> Created:
        parts = self._opened()
        check_first(task.id, event)
        batch = Batch.of([event], folded=begin(event, parts.database.epoch))
        add = partial(
            tasks.create_task, task=task, batch=batch, claim=claim, expired_before=expired_before, limits=limits
        )
        try:
            await parts.writer.do(add, appends=batch)
        except tasks.KeyHeld as held:
            return Created(winner=held.claim)
        except LimitExceeded as error:
            return Created(exceeded=error.exceeded)
        return Created()

    async def append(
        self,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
        frees_key: bool = False,
        copies: Sequence[FileCopy] = (),
        webhooks: Sequence[Webhook] = (),
        tally: Tally | None = None,
        charge: Charge | None = None,
    ) -> float:
        writer = self._opened().writer
        if events:
            await writer.append(
                Batch.of(
                    events,
                    snapshot=snapshot,
                    folded=folded,
                    upstream=upstream,
                    synced=synced,
                    frees_key=frees_key,
                    copies=copies,
                    webhooks=webhooks,
                    tally=tally,
                    charge=charge,
                )
            )
        return math.inf

    async def stored_task(self, task: str) -> StoredTask | None:
        return await self._opened().reader.run(partial(tasks.load_task, task=task))

    async def find_hook(self, provider: str, hook: str) -> str | None:
        return await self._opened().reader.run(partial(tasks.find_hook, provider=provider, hook=hook))

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        return await self._opened().reader.run(partial(tasks.find_upstream, provider=provider, upstream=upstream))

    async def find_claim(self, key: str) -> Claim | None:
        return await self._opened().reader.run(partial(tasks.load_claim, key=key))

    async def snapshot(self, task: str) -> Snapshot | None:
        parts = self._opened()
        if (folded := self._folded.get(task)) is not None:
            return folded
        return await parts.reader.run(partial(event_table.load_snapshot, task=task, epoch=parts.database.epoch))

    async def snapshots(self, tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        parts = self._opened()
        found = {task: folded for task in tasks if (folded := self._folded.get(task)) is not None}
        rest = [task for task in tasks if task not in found]
        for start in range(0, len(rest), STATES_AT_ONCE):
            some = rest[start : start + STATES_AT_ONCE]
            load = partial(event_table.load_snapshots, tasks=some, epoch=parts.database.epoch)
            snapshots, damages = await parts.reader.run(load)
            for damage in damages:
                parts.reader.damages.note(damage)
            found |= {snapshot.id: snapshot for snapshot in snapshots}
        return tuple(found[task] for task in tasks if task in found)

    async def prompts(self, tasks: Sequence[str]) -> Mapping[str, str]:
        return await self._opened().reader.run(partial(load_prompts, tasks=tasks))

    async def read(self, task: str, *, after: int, limit: int) -> History:
        return await self._opened().reader.run(partial(event_table.load_history, task=task, after=after, limit=limit))

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        parts = self._opened()
        reader = parts.searcher if where.words else parts.lister
        return await reader.run(partial(listing.load_page, where=where, after=after, limit=limit))

    async def count(self, where: Filter, *, limit: int | None) -> Mapping[State, int]:
        parts = self._opened()
        reader = parts.searcher if where.words else parts.lister
        return await reader.run(partial(listing.count_tasks, where=where, limit=limit))

    async def owned(self) -> tuple[str, ...]:
        return await self._opened().reader.run(tasks.load_unfinished)

    async def queued(self, provider: str) -> tuple[str, ...]:
        return await self._opened().reader.run(partial(tasks.load_queued, provider=provider))

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        return await self._opened().writer.do(partial(prune, ended_before=ended_before, limit=limit))

    async def size_bytes(self) -> int:
        return await self._opened().reader.run(metadata.load_size_bytes)

    def listen(
        self,
        listener: Listener,
        *,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        return self._listeners.add(listener, reset, deleted)

    async def keep_secret(self, name: str, value: str) -> str:
        return await self._opened().writer.do(partial(metadata.keep_secret, name=name, value=value))

    async def save_time(self, at: float) -> None:
        await self._opened().writer.do(partial(metadata.save_time, at=at))

    async def saved_time(self) -> float | None:
        return await self._opened().reader.run(metadata.load_saved_time)

    async def check(self) -> str | None:
        parts = self._opened()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                is_gone = await parts.checker.run(partial(_is_gone, database=parts.database))
                idle = parts.writer.used_s + CHECK_WRITE_S <= time.monotonic()
                if is_gone or idle or parts.writer.availability.reason is not None:
                    # A synced write notices that the file is gone, and logs it.
                    await self._try_writing(parts.writer, synced=is_gone)
        except StoreGone:
            return "the store was deleted or replaced"
        except StoreError:
            return (
                "the store does not respond" if self._availability.reason is not None else "the store cannot be written"
            )
        except TimeoutError:
            return "the store does not respond"
        return None

    async def _try_writing(self, writer: Writer, *, synced: bool) -> None:
        """Write something. Concurrent checks share one write."""
        if self._test_write is None:
            write = partial(metadata.set_meta, name="checked", value="")
            self._test_write = writer.do(write, synced=synced)
            self._test_write.add_done_callback(self._test_written)
        await asyncio.shield(self._test_write)

    def _test_written(self, write: asyncio.Future[None]) -> None:
        self._test_write = None
        write.exception()  # the checks that waited have raised it

    def _publish(self, batches: Sequence[Batch]) -> None:
        """On the loop, after a commit: update the states in memory, then call the listeners."""
        for batch in batches:
            if (live := batch.live) is None:
                self._folded.pop(batch.task, None)
            else:
                self._folded[batch.task] = live
        self._listeners.publish([batch.appended for batch in batches])

    async def _close(self) -> None:
        parts, self._open = self._open, None
        if parts is not None:
            await parts.writer.close()
            await asyncio.to_thread(parts.checkpoints.stop)
            for reader in (parts.reader, parts.lister, parts.searcher, parts.checker):
                await reader.close()
            await asyncio.to_thread(parts.database.close)

    def _reader_and_writer(self) -> tuple[Reader, Writer]:
        parts = self._opened()
        return parts.reader, parts.writer

    def _opened(self) -> _Open:
        if self._open is None:
            raise RuntimeError(f"the journal {self._path} is not open")
        return self._open


def _is_gone(connection: sqlite3.Connection, database: Database) -> bool:
    """Return whether the file is not in place any more. If it is, read something."""
    if database.is_gone:
        return True
    metadata.load_saved_time(connection)
    return False


def _committed(database: Database, checkpoints: Checkpoints, batches: Sequence[Batch]) -> None:
    """In the writer's thread, after a commit."""
    database.mark(batches)
    checkpoints.notify()
