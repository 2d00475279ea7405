"""A journal in memory, for demos and tests. It fulfills the whole contract except durability."""

import asyncio
import math
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from relay.core.events import Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot, begin, fold
from relay.core.spending import Charge, Limit
from relay.core.upstream import UpstreamTask
from relay.errors import Taken
from relay.journal.base import Claim, Created, StoredTask
from relay.journal.batch import Batch, check_first
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Entry, History, Listener
from relay.journal.file_copies import FileCopy
from relay.journal.listeners import Listeners
from relay.journal.lists import Filter, ListPosition
from relay.journal.load import Commits, Load
from relay.journal.memory_accounts import MemoryAccounts
from relay.journal.memory_audit import MemoryAudit, MemoryRevocations
from relay.journal.memory_copies import MemoryCopies
from relay.journal.memory_deletions import MemoryDeletions
from relay.journal.memory_outbox import MemoryOutbox
from relay.journal.memory_tallies import MemoryTallies
from relay.journal.outbox import Webhook
from relay.journal.prompts import beginning
from relay.journal.search_words import all_words_match
from relay.journal.sole_node import SoleNode


@dataclass(slots=True, kw_only=True)
class _Task:
    """One task. `entries` are those from `first_seq` on."""

    stored: StoredTask
    state: State
    entries: list[Entry]
    stalled: bool = False
    first_seq: int = 1
    snapshot: Snapshot | None = None
    folded: Snapshot | None = None

    @property
    def seq(self) -> int:
        return self.first_seq + len(self.entries) - 1

    @property
    def ended_at(self) -> float:
        """When the task ended, according to its stored snapshot; without one, when it was created."""
        ended_at = None if self.snapshot is None else self.snapshot.ended_at
        return self.stored.created_at if ended_at is None else ended_at

    @property
    def position(self) -> tuple[float, str]:
        """What the list is ordered by."""
        return self.stored.created_at, self.stored.id

    def after(self, seq: int) -> list[Entry]:
        return self.entries[max(seq + 1 - self.first_seq, 0) :]


class MemoryJournal(SoleNode):
    """
    The log of this process, with a new epoch each time.

    A write takes effect before the first suspension and suspends once after it. So callers see the same interleavings
    as with a journal on disk, and the write of a cancelled caller is still committed.
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
        self._saved_time: float | None = None
        self.commits = Commits()
        self.copies = MemoryCopies()
        self.tallies = MemoryTallies()
        self.accounts = MemoryAccounts()
        self.outbox = MemoryOutbox(self._tasks.__contains__)
        self.audit = MemoryAudit()
        self.revocations = MemoryRevocations()
        self.deletions = MemoryDeletions(self._remove_ended, self._free_keys, self._listeners.deleted)

    @property
    def load(self) -> Load:
        return Load()

    @property
    def epoch(self) -> str:
        self._check_open()
        return self._epoch

    async def open(self, *, lock: bool) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    async def create(
        self,
        task: StoredTask,
        event: Event,
        *,
        claim: Claim | None = None,
        expired_before: float = -math.inf,
        limits: Sequence[Limit] = (),
    ) -> Created:
        self._check_open()
        check_first(task.id, event)
        batch = Batch.of([event], folded=begin(event, self._epoch))
        if task.id in self._tasks:
            raise ValueError(f"there is already a task {task.id}")
        winner = self._claims.get(claim.key) if claim is not None else None
        if winner is not None and winner.at >= expired_before:
            return Created(winner=winner)
        unfinished = [each.stored for each in self._tasks.values() if not each.state.ended] if limits else []
        if (exceeded := self.accounts.check(limits, task, unfinished)) is not None:
            return Created(exceeded=exceeded)
        self._check_free(task, task.upstream)
        self.accounts.start(task)
        self._tasks[task.id] = _Task(stored=task, state=batch.state, entries=list(batch.entries), folded=batch.live)
        if claim is not None:
            self._claims[claim.key] = claim
        self._listeners.publish([batch.appended])
        await asyncio.sleep(0)
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
        self._check_open()
        if not events:
            return math.inf
        batch = Batch.of(events, snapshot=snapshot, folded=folded, upstream=upstream, synced=synced)
        task = self._tasks.get(batch.task)
        if task is None:
            raise ValueError(f"there is no task {batch.task}")
        batch.check_next(task.seq)
        self._check_free(task.stored, upstream)
        task.entries.extend(batch.entries)
        task.state = batch.state
        if batch.stalled is not None:
            task.stalled = batch.stalled
        task.folded = batch.live
        if upstream is not None:
            task.stored = replace(task.stored, upstream=upstream)
        if snapshot is not None:
            task.snapshot = snapshot
            self._trim(task)
        if frees_key:
            self._claims = {key: claim for key, claim in self._claims.items() if claim.task != batch.task}
            self.accounts.refuse(batch.task)
        self.copies.add(copies)
        self.outbox.store(webhooks)
        if tally is not None:
            self.tallies.add(tally)
        if charge is not None:
            self.accounts.add(charge)
        self._listeners.publish([batch.appended])
        await asyncio.sleep(0)
        return math.inf

    async def stored_task(self, task: str) -> StoredTask | None:
        self._check_open()
        known = self._tasks.get(task)
        return None if known is None else known.stored

    async def find_hook(self, provider: str, hook: str) -> str | None:
        self._check_open()
        return self._find(provider, lambda stored: stored.hook == hook)

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        self._check_open()
        return self._find(provider, lambda stored: stored.upstream is not None and _same(stored.upstream, upstream))

    async def find_claim(self, key: str) -> Claim | None:
        self._check_open()
        return self._claims.get(key)

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

    async def snapshots(self, tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        self._check_open()
        found = [await self.snapshot(task) for task in tasks]
        return tuple(snapshot for snapshot in found if snapshot is not None)

    async def prompts(self, tasks: Sequence[str]) -> Mapping[str, str]:
        self._check_open()
        found = {task: beginning(self._tasks[task].stored.input) for task in tasks if task in self._tasks}
        return {task: prompt for task, prompt in found.items() if prompt}

    async def read(self, task: str, *, after: int, limit: int) -> History:
        self._check_open()
        known = self._tasks.get(task)
        if known is None:
            return History(entries=(), first_seq=0)
        return History(entries=tuple(known.after(after)[:limit]), first_seq=known.first_seq)

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        self._check_open()
        found = (
            ListPosition(created_at=task.stored.created_at, id=task.stored.id)
            for task in reversed(self._by_age())
            if _matches(task, where) and (after is None or task.position < (after.created_at, after.id))
        )
        return tuple(islice(found, limit))

    async def count(self, where: Filter, *, limit: int | None) -> Mapping[State, int]:
        self._check_open()
        counts = Counter(task.state for task in self._tasks.values() if _matches(task, where))
        return {state: count if limit is None else min(count, limit) for state, count in counts.items()}

    async def owned(self) -> tuple[str, ...]:
        self._check_open()
        return tuple(task.stored.id for task in self._by_age() if not task.state.ended)

    async def queued(self, provider: str) -> tuple[str, ...]:
        self._check_open()
        tasks = (task for task in self._by_age() if task.state is State.HELD)
        return tuple(task.stored.id for task in tasks if task.stored.provider == provider)

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        self._check_open()
        ended = (task for task in self._by_age() if task.state.ended)
        deleted = tuple(islice((task.stored.id for task in ended if task.ended_at < ended_before), limit))
        self._remove_ended(deleted)
        self._free_keys(deleted)
        await asyncio.sleep(0)
        return deleted

    async def size_bytes(self) -> int:
        self._check_open()
        return sum(len(entry.body) for task in self._tasks.values() for entry in task.entries)

    async def save_time(self, at: float) -> None:
        self._check_open()
        self._saved_time = at

    async def saved_time(self) -> float | None:
        self._check_open()
        return self._saved_time

    async def check(self) -> str | None:
        self._check_open()
        return None

    def listen(
        self,
        listener: Listener,
        *,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        return self._listeners.add(listener, reset, deleted)

    async def keep_secret(self, name: str, value: str) -> str:
        self._check_open()
        return self._secrets.setdefault(name, value)

    def _check_free(self, task: StoredTask, upstream: UpstreamTask | None) -> None:
        """
        Check that no other task is this upstream task.

        Raises:
            Taken: one is.
        """
        if upstream is not None:
            other = self._find(
                task.provider,
                lambda stored: (
                    stored.id != task.id and stored.upstream is not None and _same(stored.upstream, upstream)
                ),
            )
            if other is not None:
                raise Taken(f"task {other} is this upstream task already")

    def _remove_ended(self, tasks: Collection[str]) -> Sequence[str]:
        """Remove everything that is stored for those of the tasks that have ended, except their keys; return them."""
        self._check_open()
        ended = [task for task in dict.fromkeys(tasks) if task in self._tasks and self._tasks[task].state.ended]
        for task in ended:
            del self._tasks[task]
        self.copies.orphan(ended)
        self.outbox.prune(ended)
        return ended

    def _free_keys(self, tasks: Collection[str]) -> None:
        self._claims = {key: claim for key, claim in self._claims.items() if claim.task not in tasks}

    def _by_age(self) -> list[_Task]:
        """Return all tasks, oldest first."""
        return sorted(self._tasks.values(), key=lambda task: task.position)

    def _find(self, provider: str, matches: Callable[[StoredTask], bool]) -> str | None:
        stored = (task.stored for task in self._by_age())
        return next((each.id for each in stored if each.provider == provider and matches(each)), None)

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the journal is not open")

    def _trim(self, task: _Task) -> None:
        """Drop the oldest entries beyond the limits of number and size."""
        kept, size_bytes = 0, 0
        for entry in reversed(task.entries[-self._history_events :] if self._history_events else []):
            size_bytes += len(entry.body)
            if size_bytes > self._history_bytes:
                break
            kept += 1
        dropped = len(task.entries) - kept
        del task.entries[:dropped]
        task.first_seq += dropped


def _matches(known: _Task, where: Filter) -> bool:
    """Return whether a task meets all conditions."""
    task = known.stored
    return (
        (not where.states or known.state in where.states)
        and (where.stalled is None or where.stalled == known.stalled)
        and (where.provider is None or where.provider == task.provider)
        and (where.tag is None or where.tag in task.tags)
        and (where.model is None or where.model.lower() == task.model.lower())
        and (where.since is None or where.since <= task.created_at)
        and (where.until is None or where.until > task.created_at)
        and all_words_match(where.words, task.id, (task.model, *task.tags), task.title)
    )


def _same(one: UpstreamTask, other: UpstreamTask) -> bool:
    """Return whether two tasks have the same id or the same socket token. Null equals nothing."""
    same_id = one.upstream_id is not None and one.upstream_id == other.upstream_id
    return same_id or (one.socket_token is not None and one.socket_token == other.socket_token)
