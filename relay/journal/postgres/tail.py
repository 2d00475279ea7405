"""
Reads what other nodes have committed, and publishes it.

Each node numbers its commits, so the number of the next one is a cursor. One statement reads all nodes, in one view of
the database: if it has an event, it has all events before it in the same log, whichever nodes committed them. What was
trimmed before it was read, and a backlog that is too large, are skipped: the listeners read the states again instead.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import asyncpg

from relay import log
from relay.backoff import full_jitter
from relay.clock import uptime_s
from relay.errors import StoreError
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended, Entry
from relay.journal.postgres.connection import connect
from relay.journal.postgres.deletion_tail import DeletionTail
from relay.journal.postgres.session import Session

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

GATHER_S: Final = 0.002
"""How long to wait before a read, so that nodes that commit at the same time cost one statement."""

POLL_S: Final = 0.004
"""How long to wait after a read that found something before the next one, which does not wait for a notification."""

MOST_ROWS: Final = 50_000
"""A larger backlog is skipped."""

SLICE_ROWS: Final = 1000
"""How many rows are published before other tasks of the event loop run."""

MOST_CURSORS: Final = 100
"""How many cursors to have before those that are not needed any more are forgotten."""

READ_S: Final = 5.0
"""How long to wait for the rows of a read before the connection is replaced."""

# A node without a cursor is a new one: all of it is read. A node that has nothing new has no row.
_READ: Final = """
SELECT n.id AS node, n.batch, e.task, e.seq, e.body
FROM nodes n
  LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS c (node, next) ON c.node = n.id
  LEFT JOIN LATERAL (
    SELECT task, seq, body FROM events WHERE node = n.id AND batch >= coalesce(c.next, 1) LIMIT $4
  ) e ON true
WHERE n.id <> $1 AND n.batch >= coalesce(c.next, 1)
ORDER BY e.task, e.seq
"""

_HAS_HOLE: Final = """
SELECT EXISTS (
  SELECT FROM unnest($1::text[], $2::bigint[]) AS first (task, seq)
  WHERE NOT EXISTS (SELECT FROM events e WHERE e.task = first.task AND e.seq = first.seq - 1)
)
"""

_BATCHES: Final = "SELECT id, batch FROM nodes"

_log = log.get("journal")


class Tail:
    """The cursors of all other nodes, and the task that moves them."""

    def __init__(
        self,
        dsn: str,
        *,
        last_seq: Callable[[str], int | None],
        publish: Callable[[Sequence[Appended]], None],
        skipped: Callable[[], None],
        deleted: DeletedListener = lambda _tasks: None,
    ) -> None:
        """
        Args:
            dsn: the address of the database.
            last_seq: returns the last entry of a task that was published, if it is known.
            publish: called with what other nodes have appended.
            skipped: called when entries will not be published.
            deleted: called with the tasks that any node has deleted.
        """
        self._dsn = dsn
        self._last_seq = last_seq
        self._publish = publish
        self._skipped = skipped
        self._session = Session(self._connect)
        self.deletions = DeletionTail(deleted)
        self._node = 0
        self._next: dict[int, int] = {}
        """The number of the next batch to read, by node."""
        self._starts = 0
        """How often the cursors were replaced."""
        self._most_cursors = MOST_CURSORS
        self._must_skip = False
        """Whether the last read has failed in a way that the next one would, too."""
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._behind_since_s: float | None = None

    @property
    def lag_s(self) -> float:
        """For how long there has been something to read."""
        return 0.0 if self._behind_since_s is None else uptime_s() - self._behind_since_s

    def begin(self, node: int, batches: Mapping[int, int]) -> None:
        """
        Read what is committed from now on.

        Args:
            node: the id of this node, which is not read.
            batches: the number of the last batch of each node so far.
        """
        self._node = node
        self._next = {each: batch + 1 for each, batch in batches.items()}
        self._starts += 1

    def reconnect(self) -> None:
        """Use another connection from now on: the server may have been replaced."""
        self._session.drop()

    def heard(self, node: int, batch: int) -> None:
        """Read soon, if this batch is new."""
        if node != self._node and batch >= self._next.get(node, 1):
            self.wake()

    def wake(self) -> None:
        """Read soon."""
        if self._behind_since_s is None:
            self._behind_since_s = uptime_s()
        self._wake.set()

    async def caught_up(self) -> None:
        """Wait until everything has been published that other nodes had committed before the call."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self.wake()
        await done

    async def run(self) -> None:
        """Read until cancelled, whenever there is something."""
        failures, busy = 0, False
        while True:
            if busy:  # a notification would come later than the next batch
                await asyncio.sleep(POLL_S)
            else:
                await self._wake.wait()
                await asyncio.sleep(GATHER_S)
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            busy = False
            try:
                busy = await self._read()
            except (StoreError, asyncpg.PostgresError):  # the beat logs an outage
                self._waiting += waiting
                self._wake.set()
                await asyncio.sleep(full_jitter(min(failures, 2)))
                failures += 1
                continue
            except Exception:  # noqa: BLE001 -- the task's boundary: without it this node would hear nothing any more
                _log.exception("tail.crashed")
                self._must_skip = True
                self._waiting += waiting
                self._wake.set()
                continue
            failures = 0
            if not self._wake.is_set():
                self._behind_since_s = None
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def close(self) -> None:
        """Close the connection."""
        for each in self._waiting:
            each.cancel()
        await self._session.close()

    async def _connect(self) -> "Connection":
        # Statements that are planned while the tables are small must be good ones when they are large.
        plans = dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off")
        return await connect(self._dsn, "tail", settings=plans)

    async def _read(self) -> bool:
        """Read and publish everything that is new. Return whether there was something."""
        if self._must_skip:
            await self._skip()
        starts = self._starts
        cursors = list(self._next), list(self._next.values())
        rows = await self._session.run(_READ, self._node, *cursors, MOST_ROWS + 1, limit_s=READ_S)
        events = [row for row in rows if row["task"] is not None]
        has_hole = len(events) <= MOST_ROWS and await self._has_hole(events)
        if starts != self._starts:
            return True
        if len(events) > MOST_ROWS or has_hole:
            _log.warning("tail.skipped", events=len(events), reason="trimmed" if has_hole else "too far behind")
            await self._skip()
            return True
        self._next |= {row["node"]: row["batch"] + 1 for row in rows}
        for start in range(0, len(events), SLICE_ROWS):
            if start:
                await asyncio.sleep(0)
            if starts != self._starts:
                return True
            self._publish(_appended(events[start : start + SLICE_ROWS]))
        if len(self._next) > self._most_cursors:
            await self._forget()
        await self.deletions.read(self._session, READ_S)
        return bool(rows)

    async def _has_hole(self, events: "Sequence[asyncpg.Record]") -> bool:
        """Return whether events before one of these may have been trimmed before they were read."""
        first_seqs: dict[str, int] = {}
        last_seqs: dict[str, int] = {}
        for event in events:
            task, seq = event["task"], event["seq"]
            last = last_seqs.get(task)
            if last is None:
                last = self._last_seq(task)
            if last is None:
                first_seqs[task] = seq
            elif seq > last + 1:
                return True
            last_seqs[task] = max(seq, last or 0)
        # What comes before the first event that is read of a log was read with an earlier owner, or before this start.
        unknown = {task: seq for task, seq in first_seqs.items() if seq > 1}
        if not unknown:
            return False
        (row,) = await self._session.run(_HAS_HOLE, list(unknown), list(unknown.values()))
        return bool(row[0])

    async def _forget(self) -> None:
        """Forget the cursors of nodes whose rows have been deleted, some time after their end."""
        kept = {row["id"] for row in await self._session.run(_BATCHES)}
        self._next = {node: batch for node, batch in self._next.items() if node in kept}
        self._most_cursors = MOST_CURSORS + 2 * len(self._next)

    async def _skip(self) -> None:
        """Go on after everything that is committed now."""
        starts = self._starts
        rows = await self._session.run(_BATCHES)
        if starts == self._starts:
            self._must_skip = False
            self.begin(self._node, {row["id"]: row["batch"] for row in rows})
            self._skipped()


def _appended(rows: "Sequence[asyncpg.Record]") -> list[Appended]:
    """Return rows that are in order as what was appended to each log."""
    entries = [Entry.parse(row["body"]) for row in rows]
    return [Appended(task=task, entries=tuple(group)) for task, group in groupby(entries, key=lambda each: each.task)]
