"""
The contract of a journal: the append-only log of each task, and everything else that must survive a restart.

Every backend guarantees (tests/contract/ checks it):

- Events passed to `append` are committed all together and in order. If it raises, none of them is.
- A listener receives each entry once, after its commit and never before, in the order of `seq` within a task.
- `snapshot` and `read` return what is committed at that moment. A caller that listens first and reads second misses
  nothing.
- `epoch` stays the same as long as no committed event can have been lost.

A journal stores events without interpreting them. `relay.core.lifecycle` decides which event can follow which.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.core.events import Event, State
from relay.core.snapshot import Snapshot
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.journal.entries import History, Listener

SNAPSHOT_EVERY = 500
"""How many events are appended to a log before the snapshot stored for it is renewed. It is also renewed at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """What is stored for a task in addition to its log. It is not shown to viewers."""

    id: str
    provider: str
    model: str
    created_at: float
    tags: tuple[str, ...] = ()
    input: Mapping[str, object] = field(repr=False)
    """The input as the caller gave it."""
    checked: CheckedInput | None = None
    """The input as it is sent. Null for a task that was attached to and for one stored before schema 5."""
    files: tuple[File, ...] = ()
    """The files uploaded with the task, which are in the spool until the platform has them."""
    metadata: Mapping[str, object] = field(repr=False)
    upstream: UpstreamTask | None = None
    """Null until the platform has accepted the task."""
    hook: str | None = field(default=None, repr=False)
    """The secret path segment of the task's callback URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An idempotency key in use. A request with the same key and the same digest refers to the same task."""

    key: str = field(repr=False)
    digest: str
    """The digest of the request body."""
    task: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPosition:
    """The position of a task in the list, which is ordered from the newest to the oldest."""

    created_at: float
    id: str


UNFINISHED = tuple(state for state in State if not state.ended)
"""The states of a task that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks to list: those that meet every condition. Null or empty means no condition."""

    states: tuple[State, ...] = ()
    """Any of these states."""
    tag: str | None = None
    provider: str | None = None
    model: str | None = None
    """Compared case-insensitively."""
    since: float | None = None
    """Created at this time or later, in unix seconds."""
    until: float | None = None
    """Created before this time, in unix seconds."""
    words: tuple[str, ...] = ()
    """Each is a prefix of a word in the task's id, model or tags (see `relay.journal.search_words`)."""


class Journal(Protocol):
    """
    The durable log of all tasks. Call `open` before use and `close` after, each once.

    Every method raises StoreError if the store fails, and StoreDamaged if the stored data of the given task cannot be
    read. Before `open` and after `close` every method raises RuntimeError.
    """

    @property
    def epoch(self) -> str:
        """A random id that changes only when something that a viewer has seen may have been lost."""

    async def open(self, *, lock: bool) -> None:
        """
        Open the journal; with `lock`, prevent other processes from opening it with `lock` until `close`.

        Raises:
            ConfigError: it cannot be opened, or another process holds the lock.
        """

    async def close(self) -> None:
        """Commit everything that is pending and release all resources. Idempotent."""

    async def create(self, task: StoredTask, event: Event, *, claim: Claim | None = None) -> None:
        """
        Add a task with its first event, durably: this intent must be stored before a billable call.

        Args:
            task: what to store in addition to the log.
            event: the first event of the log.
            claim: the idempotency key of the request, stored in the same commit. It replaces an older claim of the key.

        Raises:
            ValueError: a task with this id exists, or the event is not at seq 1.
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
        Commit events of one task, in order, continuing its log. Does nothing without events.

        Args:
            events: the events.
            snapshot: the state after the last event, to be stored in the same commit. Old events are trimmed then.
            folded: the same state, to be kept in memory and passed to listeners. `snapshot` returns it without reading.
            upstream: how the platform identifies the task, stored in the same commit.
            synced: whether to wait until the commit is durable, as before a billable call. Otherwise it survives the
                end of the process, but not necessarily that of the machine.

        Raises:
            ValueError: the task is unknown, an event is not the next one of its log, or a state is not the one after
                the last event; nothing was committed.
            StoreError: the store failed; nothing was committed, and the call may be repeated.
        """

    async def stored_task(self, task: str) -> StoredTask | None:
        """Return what is stored for a task in addition to its log."""

    async def find_hook(self, provider: str, hook: str) -> str | None:
        """Return the id of the task with this callback secret."""

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        """Return the id of the task with this id or this socket token on the platform."""

    async def find_claim(self, key: str) -> Claim | None:
        """Return the claim of an idempotency key, regardless of its age."""

    async def drop_claim(self, key: str) -> None:
        """Delete the claim of an idempotency key. Idempotent."""

    async def snapshot(self, task: str) -> Snapshot | None:
        """Return the state of a task after its last committed event; null if the task is unknown."""

    async def read(self, task: str, *, after: int, limit: int) -> History:
        """Return committed entries with a seq above `after`, oldest first, at most `limit`."""

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        """Return the tasks that match `where`, newest first, after the position `after`, at most `limit`."""

    async def unfinished(self) -> tuple[str, ...]:
        """Return the ids of all tasks that have not ended, oldest first."""

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        """
        Delete the oldest tasks that ended before a time, at most `limit`, with all their data, in one commit.

        Returns:
            The ids of the deleted tasks.

        Raises:
            StoreError: the store failed; nothing was deleted.
        """

    async def size_bytes(self) -> int:
        """Return how much space the stored data takes, without space that was freed."""

    async def save_time(self, at: float) -> None:
        """Store a time in unix seconds that has certainly been reached (see `relay.clock.CautiousClock`)."""

    async def saved_time(self) -> float | None:
        """Return the time stored last, by this or an earlier process; null if there is none."""

    async def check(self) -> str | None:
        """
        Check that the store is in place, readable and writable.

        Returns:
            What is wrong, in words without secrets; null if nothing is.
        """

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with everything that is committed from now on; return a function that stops it."""

    async def keep_secret(self, name: str, value: str) -> str:
        """
        Store a secret under a name unless one exists, durably; return the stored one.

        If several processes need the same secret, all of them get the same one.
        """
