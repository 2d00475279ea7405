"""
A journal that lasts as long as its process, for trying things and for tests. It keeps every promise but the disk's.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from relay.core.events import Event, State
from relay.core.snapshot import Snapshot, begin, fold
from relay.core.upstream import UpstreamTask
from relay.journal.base import Claim, Filter, ListPosition, StoredTask
from relay.journal.batch import Batch, check_first
from relay.journal.entries import Entry, History, Listener
from relay.journal.listeners import Listeners
from relay.journal.search_words import all_words_match


@dataclass(slots=True, kw_only=True)
class _Task:
    """One task: `entries` are those from `first_seq` on."""

    record: StoredTask
    state: State
    entries: list[Entry]
    first_seq: int = 1
    snapshot: Snapshot | None = None
    folded: Snapshot | None = None

    @property
    def seq(self) -> int:
        return self.first_seq + len(self.entries) - 1

    @property
    def ended_at(self) -> float:
        """When it ended, as its snapshot says."""
        known = None if self.snapshot is None else self.snapshot.ended_at
        return self.record.created_at if known is None else known

    def after(self, seq: int) -> list[Entry]:
        return self.entries[max(seq + 1 - self.first_seq, 0) :]


class MemoryJournal:
    """
    The log in this process alone, so with a new epoch each time.

    Writes happen before the first suspension and suspend once after, so that whoever awaits one meets the same
    interleavings as with a journal on disk, and a cancelled caller has its commit all the same.
    """

    def __init__(self, *, history_events: int = 10_000, history_bytes: int = 16 * 2**20) -> None:
        self._history_events = history_events
        self._history_bytes = history_bytes
        self._epoch = secrets.token_hex(8)
        self._listeners = Listeners()
        self._is_open = False
        self._tasks: dict[str, _Task] = {}
        self._secrets: dict[str, str] = {}
        self._claims: dict[str, Claim] = {}
        self._witnessed: float | None = None

    @property
    def epoch(self) -> str:
        self._check_open()
        return self._epoch

    async def open(self, *, lock: bool) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    async def create(self, record: StoredTask, event: Event, *, claim: Claim | None = None) -> None:
        self._check_open()
        check_first(record.id, event)
        batch = Batch.of([event], folded=begin(event, self._epoch))
        if record.id in self._tasks:
            raise ValueError(f"there is a task {record.id} already")
        self._tasks[record.id] = _Task(record=record, state=batch.state, entries=list(batch.entries), folded=batch.live)
        if claim is not None:
            self._claims[claim.key] = claim
        self._listeners.publish([batch.appended])
        await asyncio.sleep(0)

    async def append(
        self,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
    ) -> None:
        self._check_open()
        if not events:
            return
        batch = Batch.of(events, snapshot=snapshot, folded=folded, upstream=upstream, synced=synced)
        task = self._tasks.get(batch.task)
        if task is None:
            raise ValueError(f"there is no task {batch.task}")
        batch.check_next(task.seq)
        task.entries.extend(batch.entries)
        task.state = batch.state
        task.folded = batch.live
        if upstream is not None:
            task.record = replace(task.record, upstream=upstream)
        if snapshot is not None:
            task.snapshot = snapshot
            self._trim(task)
        self._listeners.publish([batch.appended])
        await asyncio.sleep(0)

    async def stored_task(self, task: str) -> StoredTask | None:
        self._check_open()
        known = self._tasks.get(task)
        return None if known is None else known.record

    async def find_hook(self, provider: str, hook: str) -> str | None:
        self._check_open()
        return self._find(provider, lambda record: record.hook == hook)

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        self._check_open()
        return self._find(provider, lambda record: record.upstream is not None and _same(record.upstream, upstream))

    async def find_claim(self, key: str) -> Claim | None:
        self._check_open()
        return self._claims.get(key)

    async def drop_claim(self, key: str) -> None:
        self._check_open()
        self._claims.pop(key, None)

    async def snapshot(self, task: str) -> Snapshot | None:
        self._check_open()
        known = self._tasks.get(task)
        if known is None:
            return None
        if known.folded is not None:
            return known.folded
        if known.snapshot is None:
            first, *rest = (entry.event for entry in known.entries)
            return fold(begin(first, self._epoch), rest)
        return fold(known.snapshot, (entry.event for entry in known.after(known.snapshot.seq)))

    async def read(self, task: str, *, after: int, limit: int) -> History:
        self._check_open()
        known = self._tasks.get(task)
        if known is None:
            return History(entries=(), first_seq=0)
        return History(entries=tuple(known.after(after)[:limit]), first_seq=known.first_seq)

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        self._check_open()
        found = (
            ListPosition(created_at=task.record.created_at, id=task.record.id)
            for task in sorted(self._tasks.values(), key=_age, reverse=True)
            if (not where.states or task.state in where.states)
            and _meets(task.record, where)
            and (after is None or _age(task) < (after.created_at, after.id))
        )
        return tuple(islice(found, limit))

    async def unfinished(self) -> tuple[str, ...]:
        self._check_open()
        tasks = sorted(self._tasks.values(), key=_age)
        return tuple(task.record.id for task in tasks if not task.state.ended)

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        self._check_open()
        ended = (task for task in sorted(self._tasks.values(), key=_age) if task.state.ended)
        gone = tuple(islice((task.record.id for task in ended if task.ended_at < ended_before), limit))
        for task in gone:
            del self._tasks[task]
        self._claims = {key: claim for key, claim in self._claims.items() if claim.task in self._tasks}
        await asyncio.sleep(0)
        return gone

    async def size_bytes(self) -> int:
        self._check_open()
        return sum(len(entry.body) for task in self._tasks.values() for entry in task.entries)

    async def save_time(self, at: float) -> None:
        self._check_open()
        self._witnessed = at

    async def saved_time(self) -> float | None:
        self._check_open()
        return self._witnessed

    async def check(self) -> str | None:
        self._check_open()
        return None

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def keep_secret(self, name: str, value: str) -> str:
        self._check_open()
        return self._secrets.setdefault(name, value)

    def _find(self, provider: str, fits: Callable[[StoredTask], bool]) -> str | None:
        tasks = sorted(self._tasks.values(), key=_age)
        return next((task.record.id for task in tasks if task.record.provider == provider and fits(task.record)), None)

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the journal is not open")

    def _trim(self, task: _Task) -> None:
        """Let go of the events that are too many, or too large together."""
        kept, size_bytes = 0, 0
        for entry in reversed(task.entries[-self._history_events :] if self._history_events else []):
            size_bytes += len(entry.body)
            if size_bytes > self._history_bytes:
                break
            kept += 1
        gone = len(task.entries) - kept
        del task.entries[:gone]
        task.first_seq += gone


def _age(task: _Task) -> tuple[float, str]:
    return task.record.created_at, task.record.id


def _meets(record: StoredTask, where: Filter) -> bool:
    """Say whether a task is one that a list asks for, but for its state."""
    return (
        (where.provider is None or where.provider == record.provider)
        and (where.tag is None or where.tag in record.tags)
        and (where.model is None or where.model.lower() == record.model.lower())
        and (where.since is None or where.since <= record.created_at)
        and (where.until is None or where.until > record.created_at)
        and all_words_match(where.words, record.id, (record.model, *record.tags))
    )


def _same(known: UpstreamTask, asked: UpstreamTask) -> bool:
    """Null equals nothing."""
    same_id = asked.upstream_id is not None and asked.upstream_id == known.upstream_id
    return same_id or (asked.socket_token is not None and asked.socket_token == known.socket_token)
