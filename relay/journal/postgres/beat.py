"""
Renews the lease of a node, and hears what other nodes tell: on one connection.

LISTEN does not notice a connection on which nothing comes any more, so each beat sends a notification to itself. If two
of them do not arrive, the connection is replaced. A beat never waits for the writer, whose commit may wait for a
standby and renews the lease, too.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import asyncpg

from relay import log
from relay.backoff import full_jitter
from relay.clock import uptime_s
from relay.errors import StoreError
from relay.journal.postgres.connection import BROKEN, connect
from relay.journal.postgres.deadline import deadline
from relay.journal.postgres.lease import BEAT_S, LEASE
from relay.journal.postgres.notifier import CHANNEL
from relay.journal.postgres.session import Session

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

LIMIT_S: Final = 2 * BEAT_S
"""How long to wait for an answer before the connection is replaced."""

SILENT_BEATS: Final = 2
"""After how many beats whose notifications have not arrived the connection is replaced."""

_BEAT: Final = "SELECT alive, renewed, late, pg_notify($5, $6) FROM relay_beat($1, $2, $3, $4)"

_log = log.get("journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a beat has found."""

    node: int
    """The node that has beaten. If the connection was replaced meanwhile, the process may be another one now."""
    sent_s: float
    """When it was sent, as `relay.clock.uptime_s` counts."""
    alive: bool
    """Whether this node has not been declared dead."""
    renewed: bool
    """Whether it has renewed the lease. The writer was committing otherwise."""
    late: bool
    """Whether the lease of another node has run out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a beat tells about this node."""

    node: int
    viewers: int
    lag_s: float


class Host(Protocol):
    """The node whose heart this is."""

    async def enter(self, connection: "Connection") -> None:
        """Register on a new connection, if need be. It listens already."""

    def report(self) -> Report:
        """Return what to tell."""

    def felt(self, pulse: Pulse) -> None:
        """React to a beat."""

    def missed(self) -> None:
        """React to a beat that failed."""

    def heard(self, payload: str) -> None:
        """React to a notification of another node, or about work."""


class Beat:
    """Beats until cancelled. An outage of the database is logged once."""

    def __init__(self, dsn: str, host: Host) -> None:
        self._dsn = dsn
        self._host = host
        self._session = Session(self._connect)
        self._wake = asyncio.Event()
        self._must_reconnect = False
        self._echo = ""
        """The notification that the last beat sends to this node."""
        self._silent = 0
        """How many beats were sent since a notification of this node arrived last."""
        self._failures = 0
        self._failed_at_s = 0.0

    async def start(self) -> None:
        """
        Connect, listen, and have the node register.

        Raises:
            StoreError: the store failed.
        """
        await self._session.connect()

    def reconnect(self) -> None:
        """Use another connection at once."""
        self._must_reconnect = True
        self._wake.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._beat()
            await self._rest()

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()

    async def _beat(self) -> None:
        if self._silent >= SILENT_BEATS:
            _log.warning("node.notifications_missed", beats=self._silent)
            self._must_reconnect = True
        if self._must_reconnect:
            self._session.drop()
            self._must_reconnect = False
        try:
            await self._session.connect()  # it may change the node
            report = self._host.report()
            self._silent += 1
            sent_s = uptime_s()
            self._echo = f"beat:{report.node}"
            arguments = report.node, LEASE, report.viewers, report.lag_s, CHANNEL, self._echo
            (row,) = await self._session.run(_BEAT, *arguments, limit_s=LIMIT_S)
        except (StoreError, asyncpg.PostgresError) as error:
            self._failed(error)
            self._host.missed()
            return
        self._succeeded()
        alive, renewed, late = row["alive"], row["renewed"], row["late"]
        self._host.felt(Pulse(node=report.node, sent_s=sent_s, alive=alive, renewed=renewed, late=late))

    async def _rest(self) -> None:
        """Wait for the time of the next beat, or until the connection has ended."""
        rest_s = full_jitter(min(self._failures, 2)) if self._failures else BEAT_S * random.uniform(0.9, 1.1)  # noqa: S311 -- no secret
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._wake.wait()
        self._wake.clear()

    async def _connect(self) -> "Connection":
        """Open a connection that listens, before anything is read: what is told later is heard."""
        connection = await connect(self._dsn, "listener")
        try:
            with deadline(connection, LIMIT_S):
                await connection.add_listener(CHANNEL, self._hear)
                await self._host.enter(connection)
                # A beat that is lost with the server does no harm: no node declares others dead soon after an outage.
                await connection.execute("SET synchronous_commit = off")
        except (*BROKEN, asyncpg.PostgresError) as error:
            connection.terminate()
            raise StoreError(f"cannot register with PostgreSQL: {error}") from error
        connection.add_termination_listener(lambda _: self._wake.set())
        self._silent = 0
        return connection

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._echo:
            self._silent = 0
        else:
            self._host.heard(str(payload))

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            self._failed_at_s = uptime_s()
            _log.error("node.beat_failed", error=str(error))
        self._failures += 1

    def _succeeded(self) -> None:
        if self._failures:
            self._failures = 0
            _log.info("node.beat_recovered", duration_s=round(uptime_s() - self._failed_at_s, 3))
