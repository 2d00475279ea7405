"""
The contract of a journal: the append-only log of each task, and everything else that must survive a restart.

Every backend guarantees (tests/contract/ checks it):

- Events passed to `append` are committed all together and in order. If it raises, none of them is.
- A listener receives each entry once, after its commit and never before, in the order of `seq` within a task.
- `snapshot` and `read` return what is committed at that moment. A caller that listens first and reads second misses
  nothing.
- `epoch` stays the same as long as no committed event can have been lost. It may change while the journal is open.
- A task has one owner, a node: only the owner appends to its log. A node that opens the journal becomes a new node.

A journal for one process (memory, SQLite) has one node, which owns every task. A journal that several processes share
hands the tasks of a node that has stopped to another one, and refuses every later write of the former (`Fenced`).

A journal interprets nothing of an event but the state after it, and whether it is about a stall.
`relay.core.lifecycle` decides which event can follow which.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.core.events import Cost, Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot
from relay.core.spending import Charge, Limit
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.journal.accounts import Accounts
from relay.journal.audit import AuditLog
from relay.journal.claims import Claim as Claim
from relay.journal.claims import Created as Created
from relay.journal.deletions import DeletedListener, Deletions
from relay.journal.entries import History, Listener
from relay.journal.file_copies import FileCopies, FileCopy
from relay.journal.lists import Filter, ListPosition
from relay.journal.load import Commits, Load
from relay.journal.nodes import Command, Node
from relay.journal.outbox import Outbox, Webhook
from relay.journal.revocations import Revocations
from relay.journal.tallies import Tallies

SNAPSHOT_EVERY = 500
"""How many events at most are appended to a log before its stored snapshot is renewed, as it also is at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where webhooks about one task are sent, in addition to the URLs of the settings."""

    url: str = field(repr=False)
    events: tuple[str, ...] = ()
    """Their types. Empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """What is stored for a task in addition to its log. It is not shown to viewers."""

    id: str
    provider: str
    model: str
    created_at: float
    tags: tuple[str, ...] = ()
    title: str | None = None
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
    webhook: Subscription | None = None
    traceparent: str | None = None
    """The trace that the request belongs to, as its header says; null without one, or if there are no traces."""
    started_by: str = ""
    """The name of the API key that has started it, if it has one."""
    estimate: Cost | None = None
    """What it will probably cost, which is reserved while it has not ended."""


UNFINISHED = tuple(state for state in State if not state.ended)
"""The states of a task that has not ended."""


class Journal(Protocol):
    """
    The durable log of all tasks. Call `open` before use and `close` after, each once.

    Every method raises StoreError if the store fails, and StoreDamaged if the stored data of the given task cannot be
    read. Before `open` and after `close` every method raises RuntimeError.
    """

    shared: bool
    """Whether several processes share it. If not, this process owns every task."""

    @property
    def copies(self) -> FileCopies:
        """Which files of tasks are to be copied to the archive, and what became of each."""

    @property
    def outbox(self) -> Outbox:
        """The webhooks that have been stored with events."""

    @property
    def tallies(self) -> Tallies:
        """What is kept of tasks that have ended, after they are gone."""

    @property
    def accounts(self) -> Accounts:
        """What was started and spent."""

    @property
    def deletions(self) -> Deletions:
        """Deletes tasks, and knows which ones were deleted."""

    @property
    def audit(self) -> AuditLog:
        """Who did what."""

    @property
    def revocations(self) -> Revocations:
        """Which tokens are not valid any more."""

    @property
    def commits(self) -> Commits:
        """What is counted of the commits of this process."""

    @property
    def load(self) -> Load:
        """How busy it is."""

    @property
    def epoch(self) -> str:
        """A random id that changes only when something that a viewer has seen may have been lost."""

    @property
    def complete_since(self) -> float:
        """
        A time in unix seconds: the logs of tasks that were created since then certainly have all their events.

        A failover may have lost the last events of older ones. Minus infinity if nothing can have been lost.
        """

    @property
    def node(self) -> str:
        """
        The id of this process in the journal.

        It changes when the journal had to give up the process's tasks: its followers must stop, without a write.
        """

    async def open(self, *, lock: bool) -> None:
        """
        Open the journal; with `lock`, to own tasks.

        A journal for one process prevents others from opening it with `lock` until `close`.

        Raises:
            ConfigError: it cannot be opened, or another process holds the lock.
        """

    async def close(self) -> None:
        """Commit everything that is pending and release all resources. Idempotent."""

    async def create(
        self,
        task: StoredTask,
        event: Event,
        *,
        claim: Claim | None = None,
        expired_before: float = -math.inf,
        limits: Sequence[Limit] = (),
    ) -> Created:
        """
        Add a task with its first event, durably: this intent must be stored before a billable call.

        This node becomes its owner. If another task holds the idempotency key, nothing is created and its claim is
        returned. If a limit does not allow the task, nothing is created and the first such limit is returned: of tasks
        that are created at the same time, by any node, not one more is created than the limits allow.

        Args:
            task: what to store in addition to the log.
            event: the first event of the log.
            claim: the idempotency key of the request, stored in the same commit.
            expired_before: a claim of the key that is older than this, in unix seconds, is replaced.
            limits: what to compare the accounts with.

        Raises:
            ValueError: a task with this id exists, or the event is not at seq 1.
            Taken: another task is this upstream task.
            Fenced: this node has been declared dead; a later call, as the new node, may succeed.
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
        frees_key: bool = False,
        copies: Sequence[FileCopy] = (),
        webhooks: Sequence[Webhook] = (),
        tally: Tally | None = None,
        charge: Charge | None = None,
    ) -> float:
        """
        Commit events of one task, in order, continuing its log. Does nothing without events.

        Args:
            events: the events.
            snapshot: the state after the last event, to be stored in the same commit. Old events are trimmed then.
            folded: the same state, to be kept in memory and passed to listeners. `snapshot` returns it without reading.
            upstream: how the platform identifies the task, stored in the same commit.
            synced: whether to wait until the commit is durable, as before a billable call. Otherwise it survives the
                end of the process, but not necessarily that of the machine.
            frees_key: whether to delete the claim of the task's idempotency key in the same commit: the platform
                refused the task, so a repeated request may start another one. Its start does not
                count any more.
            copies: files of the task to be copied to the archive, stored in the same commit.
            webhooks: what to add to the outbox in the same commit.
            tally: what to add to the tallies in the same commit, if the events end the task.
            charge: what to add to the accounts in the same commit, if the events end the task.

        Returns:
            Until when a run that the events announce may be sent, as `relay.clock.uptime_s` counts.

        Raises:
            ValueError: the task is unknown, an event is not the next one of its log, or a state is not the one after
                the last event; nothing was committed.
            Taken: another task is this upstream task; nothing was committed.
            Fenced: this node does not own the task; nothing was committed.
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

    async def snapshot(self, task: str) -> Snapshot | None:
        """Return the state of a task after its last committed event; null if the task is unknown."""

    async def snapshots(self, tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        """
        Return the states of tasks after their last committed events, in the given order.

        Unknown tasks and those whose stored data cannot be read are left out.
        """

    async def prompts(self, tasks: Sequence[str]) -> Mapping[str, str]:
        """Return the beginnings of the prompts of tasks (`relay.journal.prompts`), of those that have one."""

    async def read(self, task: str, *, after: int, limit: int) -> History:
        """Return committed entries with a seq above `after`, oldest first, at most `limit`."""

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        """
        Return the tasks that match `where`, newest first, after the position `after`, at most `limit`.

        Without `words`, this takes milliseconds, however many tasks there are.

        Raises:
            StoreTimeout: it took too long.
        """

    async def count(self, where: Filter, *, limit: int | None) -> Mapping[State, int]:
        """
        Return how many tasks match `where`, by state, at most `limit` of each state.

        Without `words`, this takes milliseconds for each 10 000 that are counted. States without tasks may be left out.

        Raises:
            StoreTimeout: it took too long.
        """

    async def owned(self) -> tuple[str, ...]:
        """Return the ids of the tasks that this node owns and that have not ended, oldest first."""

    async def take_over(
        self, providers: Collection[str], *, limit: int, leave: Collection[str] = ()
    ) -> tuple[str, ...]:
        """
        Become the owner of unfinished tasks whose owner has stopped, at most `limit`, oldest first; return their ids.

        Args:
            providers: only tasks of these providers.
            limit: the maximum number.
            leave: tasks that are left to other nodes.
        """

    async def give_back(self, task: str) -> None:
        """Give up a queued task of this node. No other task waits for it until a node has taken it over."""

    async def release(self) -> None:
        """Give up all tasks of this node, so that others take them over at once."""

    async def queued(self, provider: str) -> tuple[str, ...]:
        """
        Return the tasks of all nodes that wait for the provider's capacity, first in, first out.

        In a shared journal, a task that is sent from the queue stays in it until it is known what became of its run.
        """

    async def sending(self, provider: str) -> tuple[str, ...]:
        """Return the tasks of other nodes whose runs are being sent now."""

    async def sent(self, task: str) -> None:
        """
        Note that no run of a task is being sent or waits for capacity any more, although its state says so.

        Its outcome is unknown, so it is searched for from now on, or the task cannot be followed.
        """

    async def command(self, command: Command) -> None:
        """Store a command for the owner of a task, which may be another node, now or later."""

    async def commands(self) -> tuple[Command, ...]:
        """Return the commands for this node's tasks that are not done, oldest first."""

    async def finish(self, command: str) -> None:
        """Delete a command that is done. Idempotent."""

    async def work(self) -> None:
        """
        Wait until there may be work for this node: tasks to take over, commands, or a change of `node`.

        It also returns from time to time without any, so that a lost message is made up for.
        """

    async def nodes(self) -> tuple[Node, ...]:
        """Return the nodes that share the journal, by name."""

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        """
        Delete the oldest tasks that ended before a time, at most `limit`, with all their data, in one commit.

        The copies of their files become orphaned: they are deleted later.

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

    def listen(
        self,
        listener: Listener,
        *,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        """
        Call `listener` with everything that is committed from now on, by any node; return a function that stops it.

        `reset` is called when entries were skipped or the epoch has changed: states must be read again. `deleted` is
        called when tasks were deleted (not pruned), at least once for each, after the commit.
        """

    async def keep_secret(self, name: str, value: str) -> str:
        """
        Store a secret under a name unless one exists, durably; return the stored one.

        If several processes need the same secret, all of them get the same one.
        """
