"""
The contract of a journal: each task's append-only log, and what else must survive a restart.

Guarantees, the same for every backend (tests/contract/):

- What `append` was given is either committed whole, in order, or it raised and nothing of it is there.
- A listener receives each entry once, after its commit and never before, in the order of `seq` within a task.
- `snapshot` and `read` answer from what is committed at that moment, so whoever listens first and reads second
  misses nothing.
- `epoch` stays the same as long as nothing that was ever committed can have been lost.

A journal stores; it does not judge. Which event may follow which is the lifecycle's business.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.core.events import Event, State
from relay.core.snapshot import Snapshot
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.journal.entries import History, Listener

SNAPSHOT_EVERY = 500
"""A task's stored snapshot is renewed after this many events, and at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """What is kept of a task besides its log: no viewer ever sees it as it is."""

    id: str
    provider: str
    model: str
    created_at: float
    tags: tuple[str, ...] = ()
    input: Mapping[str, object] = field(repr=False)
    """As the caller gave it."""
    checked: CheckedInput | None = None
    """What is sent for it. Null for a task that was attached to, and where a relay before schema 5 stored the task."""
    files: tuple[File, ...] = ()
    """What was uploaded with it, by its place in the spool; the files themselves go when the upstream has them."""
    metadata: Mapping[str, object] = field(repr=False)
    upstream: UpstreamTask | None = None
    """Null until the upstream has taken the task."""
    hook: str | None = field(default=None, repr=False)
    """The random word in the address that the upstream calls back for this task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An idempotency key that a task was made under: the same key with the same digest means that task."""

    key: str = field(repr=False)
    digest: str
    """Of what the caller asked for."""
    task: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPosition:
    """Where a task stands in the list, newest first: a page ends at one and the next begins after it."""

    created_at: float
    id: str


UNFINISHED = tuple(state for state in State if not state.ended)
"""The states of a task that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks a list shows: those that meet every condition. Null or empty is no condition."""

    states: tuple[State, ...] = ()
    """Any of them."""
    tag: str | None = None
    provider: str | None = None
    model: str | None = None
    """In any case."""
    since: float | None = None
    """Unix seconds: created then or later."""
    until: float | None = None
    """Unix seconds: created before then."""
    words: tuple[str, ...] = ()
    """Each begins a word of the task's id, its model or one of its tags (`relay.journal.search_words`)."""


class Journal(Protocol):
    """
    The durable log of all tasks. Open it before use, close it after; both may be called once.

    Every call raises StoreError when the store fails, and StoreDamaged where it is about a task whose rows cannot be
    read. A call before `open` or after `close` is a RuntimeError.
    """

    @property
    def epoch(self) -> str:
        """A random word: it changes only when something that a viewer saw may have been lost."""

    async def open(self, *, lock: bool) -> None:
        """
        Make the journal ready; with `lock`, keep every other process from doing the same until `close`.

        Raises:
            ConfigError: it cannot be opened, or somebody else holds the lock.
        """

    async def close(self) -> None:
        """Commit what waits, then let go. Idempotent."""

    async def create(self, record: StoredTask, event: Event, *, claim: Claim | None = None) -> None:
        """
        Add a task with its first event. Synced to the disk when it returns: it is the intent before money is spent.

        Args:
            record: what is to be kept besides the log.
            event: the first of the log.
            claim: the idempotency key that it is made under, in the same commit; an older claim of the key gives way.

        Raises:
            ValueError: there is a task of that id, or the event is not seq 1.
            StoreError: the store failed; nothing was committed.
        """

    async def append(
        self,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
    ) -> None:
        """
        Commit events of one task, in order, each the next of its log; without events nothing is done.

        Args:
            events: what happened.
            snapshot: the fold after the last of them, to be stored in the same commit; events that the journal need
                not keep any longer are then trimmed.
            folded: the same, to be kept in memory: who asks for the `snapshot` of a live task is given it as it is, and
                nothing has to be read and folded.
            upstream: how the upstream knows the task, stored in the same commit.
            synced: whether it must be on the disk when this returns, as an intent before money is spent must.

        Raises:
            ValueError: the task is unknown, an event is not the next of its log, or the snapshot is not the fold after
                the last of them; nothing was committed.
            StoreError: the store failed; nothing was committed, and the same call may be made again.
        """

    async def stored_task(self, task: str) -> StoredTask | None:
        """Return what is kept of a task besides its log."""

    async def find_hook(self, provider: str, hook: str) -> str | None:
        """Return the task whose callbacks come with this word."""

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        """Return the task that is the upstream's task of this id or this socket token."""

    async def find_claim(self, key: str) -> Claim | None:
        """Return the claim of an idempotency key, however old."""

    async def drop_claim(self, key: str) -> None:
        """Free an idempotency key. Idempotent."""

    async def snapshot(self, task: str) -> Snapshot | None:
        """Return the fold of all committed events of a task; null for an unknown one."""

    async def read(self, task: str, *, after: int, limit: int) -> History:
        """Return committed entries with seq > `after`, oldest first, at most `limit`."""

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        """Return tasks newest first, beginning behind `after`; state is as of the last committed event."""

    async def unfinished(self) -> tuple[str, ...]:
        """Return the ids of all tasks that have not ended, oldest first."""

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        """
        Remove the oldest tasks that ended before then, at most `limit`: log, record, tags and claims, in one commit.

        Returns:
            Their ids; nothing knows them from then on.

        Raises:
            StoreError: the store failed; nothing was removed.
        """

    async def size_bytes(self) -> int:
        """Return how much room everything takes that is kept. What was removed counts no more."""

    async def save_time(self, at: float) -> None:
        """Note that it is this late for certain, in unix seconds: what `relay.clock.CautiousClock` says."""

    async def saved_time(self) -> float | None:
        """Return what was noted last, by this process or an earlier one; null where nothing was."""

    async def check(self) -> str | None:
        """
        See that the store can be read and written and is in its place.

        Returns:
            What is wrong, in words that anybody may read; null when all is well.
        """

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with everything that is committed from now on; return a function that stops it."""

    async def keep_secret(self, name: str, value: str) -> str:
        """
        Keep a secret under a name, if there is none yet; return the one that is kept. Synced when it returns.

        So a key is made once however many processes come to need it.
        """
