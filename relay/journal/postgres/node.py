"""
This process as a node: its identity, its lease, and what it hears from other nodes.

A node is one incarnation of a process, with a random id. A process that was declared dead registers as a new node, and
so does every process when the epoch has changed. Its tasks belong to the former node then, and anyone may take them
over.
"""

import asyncio
import math
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from relay import log
from relay.clock import uptime_s
from relay.errors import StoreError
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended
from relay.journal.postgres.beat import Beat, Pulse, Report
from relay.journal.postgres.connection import connect
from relay.journal.postgres.deletion_tail import NEXT
from relay.journal.postgres.epoch import read_beginning, read_epoch
from relay.journal.postgres.lease import LEASE, LEASE_S, MARGIN_S
from relay.journal.postgres.notifier import Notifier
from relay.journal.postgres.session import Session
from relay.journal.postgres.tail import Tail

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_LEAVE: Final = """
WITH gone AS (UPDATE nodes SET alive = false WHERE id = $1 AND alive RETURNING id)
SELECT pg_notify('relay', 'released:' || id) FROM gone
"""

_log = log.get("journal")


class ThisNode:
    """A member of the cluster that the database makes of the processes that use it."""

    def __init__(
        self,
        dsn: str,
        name: str | None,
        *,
        publish: Callable[[Sequence[Appended]], None],
        reset: Callable[[], None],
        deleted: DeletedListener,
        last_seq: Callable[[str], int | None],
        viewers: Callable[[], int],
    ) -> None:
        """See `relay.journal.postgres.membership.Join`."""
        self._dsn = dsn
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._replaces = name is not None
        """Whether earlier nodes of this name are dead: only at the start, or two with one name would alternate."""
        self._reset = reset
        self._viewers = viewers
        self._id = 0
        self._epoch = ""
        self._epoch_began_at = -math.inf
        self._dead = False
        self._renewed_s = -math.inf
        """The time before the statement was sent that has renewed the lease last."""
        self._beaten_s = -math.inf
        """The time of the last beat that was answered."""
        self._steady_since_s = math.inf
        """The first one of all beats without a failure or a pause in between."""
        self._work = asyncio.Event()
        self._beat = Beat(dsn, self)
        self._notifier = Notifier(dsn)
        self._tail = Tail(dsn, last_seq=last_seq, publish=publish, skipped=reset, deleted=deleted)
        self._declaring: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def id(self) -> str:
        return str(self._id)

    @property
    def epoch(self) -> str:
        return self._epoch

    @property
    def epoch_began_at(self) -> float:
        return self._epoch_began_at

    @property
    def send_until_s(self) -> float:
        return -math.inf if self._dead else self._renewed_s + LEASE_S - MARGIN_S

    async def start(self) -> None:
        await self._beat.start()
        runs = self._beat.run(), self._notifier.run(), self._tail.run()
        self._tasks = [asyncio.create_task(run, name="node") for run in runs]

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        if self._declaring is not None:
            tasks.append(self._declaring)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        closing = [part.close() for part in (self._beat, self._notifier, self._tail)]
        await asyncio.gather(self._call("leaving", _LEAVE), *closing)

    def batch_committed(self, number: int) -> None:
        self._notifier.committed(self.id, number)

    def fenced(self) -> None:
        self._dead = True
        self._beat.reconnect()

    async def caught_up(self) -> None:
        await self._tail.caught_up()

    async def work(self) -> None:
        await self._work.wait()
        self._work.clear()

    async def enter(self, connection: "Connection") -> None:
        """Register if this process is no node yet, is a dead one, or the history of the database is another one."""
        epoch = await read_epoch(connection)
        if epoch == self._epoch and not self._dead:
            return
        began_at = await read_beginning(connection)
        former, node, since_s = self._id, secrets.randbits(62), uptime_s()
        async with connection.transaction():
            await connection.execute("UPDATE nodes SET alive = false WHERE id = $1", former)
            await connection.execute("SELECT relay_register($1, $2, $3, $4)", node, self._name, LEASE, self._replaces)
        batches = await connection.fetch("SELECT id, batch FROM nodes")
        _log.info("node.registered", node=node, name=self._name, epoch=epoch, declared_dead=self._dead)
        if epoch != self._epoch:  # otherwise what was deleted meanwhile is found from the former cursor
            if former:
                _log.warning("journal.epoch_changed", former=self._epoch, epoch=epoch)
            self._tail.reconnect()
            self._notifier.reconnect()
            self._tail.deletions.begin(await connection.fetchval(NEXT))
        self._tail.begin(node, {row["id"]: row["batch"] for row in batches})
        self._id, self._dead, self._replaces = node, False, False
        self._epoch, self._epoch_began_at = epoch, began_at
        self._renewed_s = since_s
        if former:
            self._reset()
            self._work.set()

    @property
    def lag_s(self) -> float:
        return self._tail.lag_s

    def report(self) -> Report:
        """Return what a beat tells about this node."""
        return Report(node=self._id, viewers=self._viewers(), lag_s=self.lag_s)

    def felt(self, pulse: Pulse) -> None:
        """React to a beat."""
        if pulse.node != self._id:
            return
        if not pulse.alive:
            self.fenced()
            return
        if pulse.sent_s - self._beaten_s > LEASE_S:
            self._steady_since_s = pulse.sent_s
        self._beaten_s = pulse.sent_s
        if pulse.renewed:
            self._renewed_s = pulse.sent_s
        # After an outage of the database every lease has run out, and the nodes need some time to renew theirs.
        if pulse.late and pulse.sent_s - self._steady_since_s >= LEASE_S and self._declaring is None:
            self._declaring = asyncio.create_task(self._declare_dead(), name="declare dead")
        self._tail.deletions.look_soon()
        self._tail.wake()
        self._work.set()

    def missed(self) -> None:
        """React to a beat that failed."""
        self._beaten_s = -math.inf

    def heard(self, payload: str) -> None:
        """React to a notification (see functions.sql)."""
        kind, _, rest = payload.partition(":")
        if kind.isdecimal() and rest.isdecimal():
            self._tail.heard(int(kind), int(rest))
        elif kind == "released":
            self._tail.wake()  # the notification of its last commit may not have been sent
            self._work.set()
        elif kind == "deleted":
            self._tail.deletions.look_soon()
            self._tail.wake()
        elif (kind, rest) == ("command", self.id):
            self._work.set()

    async def _declare_dead(self) -> None:
        """Declare the nodes dead whose leases have run out. The statement may wait for this node's writer."""
        for (dead,) in await self._call("fence", "SELECT relay_declare_dead($1)"):
            if dead:
                _log.warning("node.declared_dead", nodes=dead)
        self._declaring = None
        self._work.set()

    async def _call(self, name: str, statement: str) -> "list[asyncpg.Record]":
        """Run a statement about this node on a connection of its own; without an answer, return no rows."""
        session = Session(partial(connect, self._dsn, name, limit_s=LEASE_S / 2))
        try:
            return await session.run(statement, self._id)
        except (StoreError, asyncpg.PostgresError) as error:
            _log.warning("node.statement_failed", statement=name, error=str(error))
            return []
        finally:
            await session.close()
