"""
The journal in a PostgreSQL database that several processes share.

One connection commits what this process appends (`writer`), one runs other writes (`errands`), and a few read
(`reader`): tasks, lists and searches, so that none of them waits for another. `membership` makes the process a node,
and hears of the commits of others.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from relay.core.events import Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot, begin
from relay.core.spending import Charge, Limit
from relay.core.upstream import UpstreamTask
from relay.errors import ConfigError, Fenced, StoreError
from relay.journal.base import Claim, Created, StoredTask
from relay.journal.batch import Batch, check_first
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended, History, Listener
from relay.journal.file_copies import FileCopy
from relay.journal.lists import Filter, ListPosition
from relay.journal.load import Commits, Load
from relay.journal.nodes import Command, Node
from relay.journal.outbox import Webhook
from relay.journal.postgres import connection, listing, lookups
from relay.journal.postgres.accounts import PostgresAccounts
from relay.journal.postgres.audit import PostgresAudit, PostgresRevocations
from relay.journal.postgres.checking import CLOCK_SKEW_S, check
from relay.journal.postgres.copies import PostgresCopies
from relay.journal.postgres.deletions import PostgresDeletions
from relay.journal.postgres.deliveries import Deliveries
from relay.journal.postgres.durability import warn_without_fsync
from relay.journal.postgres.errands import GIVE_BACK, KEEP, SAVE_TIME, Errands
from relay.journal.postgres.membership import Join
from relay.journal.postgres.migrations import check_schema, migrate
from relay.journal.postgres.outbox import PostgresOutbox
from relay.journal.postgres.parts import Owner, Parts, open_parts
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.rows import append_row, create_row
from relay.journal.postgres.tallies import PostgresTallies
from relay.journal.postgres.writer import Writer
from relay.journal.prompts import MAX_INPUT_BYTES

STATES_AT_ONCE: Final = 50
"""How many states one statement reads: a page of a list. Each may take hundreds of events."""


class PostgresJournal:
    """
    The durable log in the database at an address.

    Every append survives the end of the server, and of the server's machine if a synchronous standby exists. A write of
    a caller that is cancelled while it waits is still committed. Of each log, the last `history_events` before its
    stored snapshot are kept, up to `history_bytes`.
    """

    shared = True

    def __init__(
        self,
        dsn: str,
        *,
        join: Join,
        name: str | None = None,
        viewers: Callable[[], int] = lambda: 0,
        history_events: int = 10_000,
        history_bytes: int = 16 * 2**20,
    ) -> None:
        """
        Args:
            dsn: the address of the database.
            join: makes this process a node.
            name: the name of the node (see `Join`).
            viewers: returns how many viewers the process has, for `relay nodes`.
            history_events: how many events before the stored snapshot to keep of each log.
            history_bytes: how many bytes of events to keep of each log.
        """
        self._dsn = dsn
        self._join = join
        self._name = name
        self._viewers = viewers
        self._history_events = history_events
        self._history_bytes = history_bytes
        self._listeners = Deliveries()
        self._folded: dict[str, Snapshot] = {}
        """The state of live tasks of this node after the last commit, if the writer passed it."""
        self._open: Parts | None = None
        self.commits = Commits()
        self.copies = PostgresCopies(self._copy_parts, self._id)
        self.audit = PostgresAudit(lambda: (self._opened().lister, self._opened().errands))
        self.revocations = PostgresRevocations(self._copy_parts)
        self.deletions = PostgresDeletions(self._copy_parts, self._id, self._publish_deleted)
        self._read_epoch = ""
        """The epoch of the server that is read."""
        self._checking: asyncio.Task[str | None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.tallies = PostgresTallies(lambda: self._opened().lister, lambda: self._opened().errands)
        self.accounts = PostgresAccounts(lambda: self._opened().lister, lambda: self._opened().errands)
        self.outbox = PostgresOutbox(self._id, lambda: self._opened().errands, lambda: self._opened().lister)

    @property
    def load(self) -> Load:
        return self._owner().load(self._opened().reads)

    @property
    def epoch(self) -> str:
        return self._owner().membership.epoch

    @property
    def complete_since(self) -> float:
        return self._owner().membership.epoch_began_at + CLOCK_SKEW_S

    @property
    def node(self) -> str:
        return self._owner().membership.id

    async def open(self, *, lock: bool) -> None:
        try:
            first = await connection.connect(self._dsn, "start")
            try:
                if lock:
                    await migrate(first)
                    await warn_without_fsync(first)
                else:
                    await check_schema(first)
            finally:
                await connection.close(first)
            owner = await self._start() if lock else None
        except StoreError as error:
            raise ConfigError(f"RELAY_STORE: {error}") from error
        self._open = open_parts(self._dsn, owner)
        self._read_epoch = "" if owner is None else owner.membership.epoch

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
        owner = self._owner()
        check_first(task.id, event)
        batch = Batch.of([event], folded=begin(event, owner.membership.epoch))
        row = create_row(task, batch, claim, expired_before, limits)
        return await owner.writer.create(batch, row, None if claim is None else claim.key, limits)

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
        writer = self._owner().writer
        if not events:
            return math.inf
        batch = Batch.of(
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
        try:
            created = await writer.append(batch, append_row(batch))
        except Fenced:
            self._folded.pop(batch.task, None)  # another node appends now
            raise
        return created.send_until_s

    async def stored_task(self, task: str) -> StoredTask | None:
        return await self._opened().reader.run(lookups.stored_task, lookups.TASK, task)

    async def find_hook(self, provider: str, hook: str) -> str | None:
        return await self._opened().reader.run(lookups.first, lookups.HOOK, provider, hook)

    async def find_upstream(self, provider: str, upstream: UpstreamTask) -> str | None:
        arguments = provider, upstream.upstream_id, upstream.socket_token
        return await self._opened().reader.run(lookups.first, lookups.UPSTREAM, *arguments)

    async def find_claim(self, key: str) -> Claim | None:
        return await self._opened().reader.run(lookups.claim, lookups.CLAIM, key)

    async def snapshot(self, task: str) -> Snapshot | None:
        parts = self._opened()
        if (folded := self._folded.get(task)) is not None:
            return folded
        stored = await parts.states([task], strict=True)
        return stored[0] if stored else None

    async def snapshots(self, tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        parts = self._opened()
        states = {task: folded for task in tasks if (folded := self._folded.get(task)) is not None}
        missing = [task for task in dict.fromkeys(tasks) if task not in states]
        for some in range(0, len(missing), STATES_AT_ONCE):
            stored = await parts.states(missing[some : some + STATES_AT_ONCE], strict=False)
            states |= {state.id: state for state in stored}
        return tuple(states[task] for task in tasks if task in states)

    async def prompts(self, tasks: Sequence[str]) -> Mapping[str, str]:
        return await self._opened().reader.run(lookups.prompts, lookups.PROMPTS, list(tasks), MAX_INPUT_BYTES)

    async def read(self, task: str, *, after: int, limit: int) -> History:
        decode = partial(lookups.history, task=task, after=after)
        return await self._opened().reader.run(decode, lookups.HISTORY, task, after, limit)

    async def page(self, where: Filter, *, after: ListPosition | None, limit: int) -> tuple[ListPosition, ...]:
        reader = self._opened().searcher if where.words else self._opened().lister
        return await listing.load_page(reader, where, after, limit)

    async def count(self, where: Filter, *, limit: int | None) -> Mapping[State, int]:
        reader = self._opened().searcher if where.words else self._opened().lister
        return await listing.count_tasks(reader, where, limit)

    async def owned(self) -> tuple[str, ...]:
        return await self._opened().reader.run(lookups.all_ids, lookups.OWNED, self._id())

    async def take_over(
        self, providers: Collection[str], *, limit: int, leave: Collection[str] = ()
    ) -> tuple[str, ...]:
        arguments = self._id(), sorted(providers), limit, sorted(leave)
        rows = await self._opened().errands.run("SELECT relay_take_over($1, $2, $3, $4)", *arguments)
        taken = tuple(rows[0][0])
        if taken:
            await self._owner().membership.caught_up()
        return taken

    async def give_back(self, task: str) -> None:
        await self._opened().errands.run(GIVE_BACK, task, self._id())
        self._folded.pop(task, None)

    async def release(self) -> None:
        await self._opened().errands.run("SELECT relay_release($1)", self._id())
        self._folded.clear()

    async def queued(self, provider: str) -> tuple[str, ...]:
        return await self._opened().reader.run(lookups.all_ids, lookups.QUEUED, provider)

    async def sending(self, provider: str) -> tuple[str, ...]:
        return await self._opened().reader.run(lookups.all_ids, lookups.SENDING, provider, self._id())

    async def sent(self, task: str) -> None:
        statement = "UPDATE heads SET sending = false, in_line = false WHERE task = $1 AND owner = $2"
        await self._opened().errands.run(statement, task, self._id())

    async def command(self, command: Command) -> None:
        named = lookups.encode_named(command.named)
        arguments = command.id, command.task, command.order, command.by, named
        await self._opened().errands.run("SELECT relay_command($1, $2, $3, $4, $5)", *arguments)

    async def commands(self) -> tuple[Command, ...]:
        return await self._opened().reader.run(lookups.commands, lookups.COMMANDS, self._id())

    async def finish(self, command: str) -> None:
        await self._opened().errands.run("DELETE FROM commands WHERE id = $1", command)

    async def work(self) -> None:
        await self._owner().membership.work()

    async def nodes(self) -> tuple[Node, ...]:
        return await self._opened().reader.run(lookups.nodes, lookups.NODES)

    async def prune(self, *, ended_before: float, limit: int) -> tuple[str, ...]:
        rows = await self._opened().errands.run("SELECT relay_prune($1, $2, $3)", self._id(), ended_before, limit)
        return tuple(rows[0][0])

    async def size_bytes(self) -> int:
        (row,) = await self._opened().reader.fetch(lookups.SIZE)
        return int(row["bytes"])

    async def save_time(self, at: float) -> None:
        await self._opened().errands.run(SAVE_TIME, repr(at))

    async def saved_time(self) -> float | None:
        (row,) = await self._opened().reader.fetch(lookups.SAVED_TIME)
        return None if row["at"] is None else float(row["at"])

    async def check(self) -> str | None:
        parts = self._opened()
        if self._checking is None:  # concurrent checks share one
            self._checking = asyncio.create_task(check(parts.errands))
            self._checking.add_done_callback(self._checked)
        return await asyncio.shield(self._checking)

    def listen(
        self, listener: Listener, *, reset: Callable[[], None] | None = None, deleted: DeletedListener | None = None
    ) -> Callable[[], None]:
        return self._listeners.add(listener, reset, deleted)

    async def keep_secret(self, name: str, value: str) -> str:
        (row,) = await self._opened().errands.run(KEEP, name, value)
        return str(row["value"])

    async def _start(self) -> Owner:
        """Become a node."""
        membership = self._join(
            self._dsn,
            self._name,
            publish=self._publish_foreign,
            reset=self._reset,
            deleted=self._publish_deleted,
            last_seq=self._listeners.last_seq,
            viewers=self._viewers,
        )
        await membership.start()
        writer = Writer(
            partial(connection.connect, self._dsn, "writer"),
            membership,
            history_events=self._history_events,
            history_bytes=self._history_bytes,
            publish=self._publish,
            commits=self.commits,
        )
        return Owner(membership=membership, writer=writer)

    def _checked(self, check: asyncio.Task[str | None]) -> None:
        self._checking = None

    def _publish(self, batches: Sequence[Batch]) -> None:
        """After a commit of this node: update the states in memory, then call the listeners."""
        for batch in batches:
            if (live := batch.live) is None:
                self._folded.pop(batch.task, None)
            else:
                self._folded[batch.task] = live
        self._listeners.publish([batch.appended for batch in batches])

    def _publish_foreign(self, appended: Sequence[Appended]) -> None:
        """After a commit of another node: it owns these tasks, whose states here are not the last ones any more."""
        for each in appended:
            self._folded.pop(each.task, None)
        self._listeners.publish(appended)

    def _publish_deleted(self, tasks: Sequence[str]) -> None:
        """After a deletion by any node."""
        for task in tasks:
            self._folded.pop(task, None)
        self._listeners.deleted(tasks)

    def _reset(self) -> None:
        """After this process became another node, or the epoch has changed."""
        self._folded.clear()
        if self._open is not None and self.epoch != self._read_epoch:
            self._open.reconnect()
            self._read_epoch = self.epoch
        self._listeners.reset()

    async def _close(self) -> None:
        parts, self._open = self._open, None
        if parts is not None:
            await parts.close()

    def _copy_parts(self) -> tuple[Reader, Errands]:
        parts = self._opened()
        return parts.reader, parts.errands

    def _id(self) -> int:
        """Return the id of this node as a number."""
        return int(self._owner().membership.id)

    def _owner(self) -> Owner:
        owner = self._opened().owner
        if owner is None:
            raise RuntimeError(f"the journal {connection.host_of(self._dsn)} is not open with its lock")
        return owner

    def _opened(self) -> Parts:
        if self._open is None:
            raise RuntimeError(f"the journal {connection.host_of(self._dsn)} is not open")
        return self._open
