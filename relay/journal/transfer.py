"""
What a store exports and imports, so that all of its tasks can be copied to another store of any kind.

A store is copied while no relay has it open. The values are the same for every kind of store.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final, Protocol

from relay.core.events import State
from relay.core.history.tally import Tally
from relay.core.upstream import UpstreamTask
from relay.journal.accounts import AccountFacts
from relay.journal.audit import AuditEntry
from relay.journal.base import Claim, StoredTask
from relay.journal.deletions import Tombstone
from relay.journal.file_copies import FileCopy
from relay.journal.nodes import Command
from relay.journal.outbox import Delivery, Status
from relay.journal.record import Record
from relay.journal.revocations import Revocation

COPYING: Final = "copying"
"""The fact in `meta` that a copy to this store has begun and is not finished."""

COPY_AGAIN: Final = "run `relay store copy` again to continue it"

CHUNK_ROWS: Final = 200
"""How many events of a log are in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCopy:
    """A task with everything that is stored for it, except the events of its log."""

    task: StoredTask
    state: State
    seq: int
    """The seq of the last event of its log."""
    snapshot: bytes | None = field(repr=False)
    """The stored snapshot, as JSON."""
    snapshot_seq: int | None
    ended_at: float | None
    """Derived from the other fields, so it may differ between two kinds of stores."""
    stalled: bool = False
    claims: tuple[Claim, ...] = ()
    commands: tuple[Command, ...] = ()
    """Orders for its owner that are not done, oldest first."""
    files: tuple[FileCopy, ...] = ()
    """What the archive has of its results, without the owners."""
    deliveries: tuple[Delivery, ...] = ()
    """The webhooks about it, as `unsent` returns them, oldest first."""

    def digest(self) -> Any:
        """Return a SHA-256 hash of the task, to be updated with the events of its log."""
        task, record = self.task, Record.of(self.task)
        claims = [(claim.key, claim.digest, claim.at) for claim in self.claims]
        orders = [(one.id, one.order.value, one.by, *_names(one.named)) for one in self.commands]
        columns = (
            task.id,
            task.provider,
            task.model,
            task.created_at,
            task.title,
            task.hook,
            task.started_by,
            task.traceparent,
            task.estimate,
            *_names(task.upstream),
        )
        texts = (record.tags, record.metadata, record.input, record.files, record.checked)
        webhook = record.webhook
        log = (self.state.value, self.seq, self.snapshot_seq, self.snapshot, self.stalled)
        # A URL is left out of the repr of a copy.
        files = [(file, file.url, file.name) for file in self.files]
        deliveries = [_facts(one) for one in self.deliveries]
        return sha256(repr((columns, texts, webhook, log, claims, orders, files, deliveries)).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """An event of a task's log, as it is stored."""

    task: str
    seq: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is stored once for all tasks."""

    secrets: Mapping[str, str] = field(repr=False)
    saved_time: float | None
    """A time in unix seconds that has certainly been reached."""
    tombstones: tuple[Tombstone, ...] = ()
    kept_claims: tuple[Claim, ...] = field(default=(), repr=False)
    """Of the tasks that were deleted."""
    audit: tuple[AuditEntry, ...] = field(default=(), repr=False)
    """Oldest first."""
    revocations: tuple[Revocation, ...] = ()
    tallies: tuple[Tally, ...] = ()
    accounts: AccountFacts = field(default_factory=AccountFacts)


class Store(Protocol):
    """
    A store that no relay has open, as one side of a copy. Tasks are in the order of their ids, compared by code points.

    Every method raises StoreError if the store fails, and StoreDamaged if a task cannot be read.
    """

    async def count(self) -> int:
        """Return how many tasks there are."""

    async def ends(self, *, after: str, limit: int) -> Sequence[tuple[str, int]]:
        """Return the id and the last seq of the tasks after an id, at most `limit`."""

    async def tasks(self, *, after: str, limit: int) -> Sequence[TaskCopy]:
        """Return the tasks after an id, at most `limit`."""

    def log(self, first: str, last: str) -> AsyncIterator[Sequence[LogRow]]:
        """Return the events of all tasks from one id to another, in order, at most CHUNK_ROWS at once."""

    async def facts(self) -> Facts:
        """Return what is stored once for all tasks."""

    async def check_alone(self) -> None:
        """
        Check that no relay has the store open.

        Raises:
            ConfigError: one has.
        """

    async def unfinished(self) -> bool:
        """Return whether a copy to this store has begun and is not finished. No relay opens the store then."""

    async def begin(self) -> None:
        """Note that a copy to this store has begun."""

    async def add(self, tasks: Sequence[TaskCopy], log: AsyncIterator[Sequence[LogRow]]) -> int:
        """
        Add tasks with their logs, in one durable commit.

        Returns:
            The number of events.

        Raises:
            RelayError: a task cannot be stored here; nothing was added.
        """

    async def finish(self, facts: Facts) -> None:
        """Store what there is once for all tasks, begin a new epoch, and note that the copy is finished."""


def unsent(delivery: Delivery) -> Delivery:
    """Return a delivery as the next relay finds it: what was being sent is sent again, and what is pending is due."""
    is_sending = delivery.status is Status.SENDING
    return replace(delivery, status=Status.PENDING if is_sending else delivery.status, next_in_s=None)


def _facts(delivery: Delivery) -> tuple[object, ...]:
    webhook = delivery.webhook
    counts = (delivery.number, delivery.status.value, delivery.attempts, delivery.failures)
    sent = (delivery.since, delivery.tried_at, delivery.answer)
    return *counts, *sent, webhook.id, webhook.url, webhook.type, webhook.body, webhook.created_at


def _names(upstream: UpstreamTask | None) -> tuple[str | None, ...]:
    return (None, None) if upstream is None else (upstream.upstream_id, upstream.socket_token)


async def digests(store: Store, tasks: Sequence[TaskCopy]) -> dict[str, bytes]:
    """Return the hash of each of some consecutive tasks, with its log."""
    hashes = {each.task.id: each.digest() for each in tasks}
    if tasks:
        async for rows in store.log(tasks[0].task.id, tasks[-1].task.id):
            for row in rows:
                hashes[row.task].update(repr((row.seq, row.body)).encode())
    return {task: each.digest() for task, each in hashes.items()}
