"""
Reads on a few connections, as many at once as there are connections.

Every failure is a StoreError and is logged once: errors of the server, and rows that cannot be decoded. A read that
takes too long is stopped by the server, and is no failure of the store.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from relay import log
from relay.clock import uptime_s
from relay.errors import StoreDamaged, StoreError, StoreTimeout
from relay.journal.availability import Availability
from relay.journal.damage import DamageLog
from relay.journal.postgres.session import Session, Silent, Unanswered

LIMIT_S: Final = 5.0
"""How long a read may take, with its wait for a connection. The server stops a statement after this time."""

_GRACE_S: Final = 1.0
"""How much longer to wait for the server to say so."""

PLANS: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Parameters of the sessions. Every query follows indexes, also if the tables were small when it was planned."""

T = TypeVar("T")

_log = log.get("journal")


class Reader:
    """Runs queries on sessions whose statements have the limit LIMIT_S on the server."""

    def __init__(self, sessions: Sequence[Session], availability: Availability) -> None:
        """
        Args:
            sessions: used by this reader only, until `close`.
            availability: where failures and successes are noted.
        """
        self._sessions = sessions
        self._idle: asyncio.LifoQueue[Session] = asyncio.LifoQueue()
        for session in sessions:
            self._idle.put_nowait(session)
        self._availability = availability
        self._damages = DamageLog()

    async def run(self, decode: "Callable[[list[asyncpg.Record]], T]", query: str, *arguments: Any) -> T:
        """
        Run a query and decode its rows, in another thread: to fold a log takes milliseconds.

        Raises:
            StoreError: the store failed.
            StoreTimeout: it took longer than LIMIT_S.
            StoreDamaged: the rows cannot be decoded.
        """
        rows = await self.fetch(query, *arguments)
        try:
            return await asyncio.to_thread(decode, rows)
        except StoreDamaged as damage:
            self._damages.note(damage)
            raise

    async def run_each(
        self, decode: "Callable[[asyncpg.Record], T]", query: str, *arguments: Any, strict: bool
    ) -> list[T]:
        """
        Run a query and decode each row, in another thread. Without `strict`, leave damaged rows out.

        Raises:
            StoreError: the store failed.
            StoreTimeout: it took longer than LIMIT_S.
            StoreDamaged: a row cannot be decoded, with `strict`.
        """
        rows = await self.fetch(query, *arguments)
        decoded, damages = await asyncio.to_thread(_decode_each, decode, rows)
        for damage in damages:
            self._damages.note(damage)
        if strict and damages:
            raise damages[0]
        return decoded

    async def fetch(self, query: str, *arguments: Any) -> "list[asyncpg.Record]":
        """
        Run a query and return its rows.

        Raises:
            StoreError: the store failed.
            StoreTimeout: it took longer than LIMIT_S.
        """
        try:
            async with asyncio.timeout(LIMIT_S):
                session = await self._idle.get()
        except TimeoutError:
            raise _stopped() from None
        # If the caller is cancelled, the session stays busy until the query has ended.
        return await asyncio.shield(asyncio.create_task(self._use(session, query, arguments)))

    def check_time(self, began_s: float) -> None:
        """
        Have a read of several statements end that began LIMIT_S ago, as `uptime_s` counts.

        Raises:
            StoreTimeout: it did.
        """
        if uptime_s() > began_s + LIMIT_S:
            raise _stopped()

    def reconnect(self) -> None:
        """Use other connections from now on: the server may have been replaced."""
        for session in self._sessions:
            session.drop()

    async def close(self) -> None:
        """Wait for running queries and close the connections."""
        for session in self._sessions:
            await session.close()

    async def _use(self, session: Session, query: str, arguments: tuple[Any, ...]) -> "list[asyncpg.Record]":
        """Run a query on a session, and return the session."""
        try:
            rows = await _repeat(session, query, arguments)
        except StoreTimeout as error:
            _log.warning("journal.read_stopped", error=str(error))
            raise
        except StoreError as error:
            self._availability.failed(error)
            raise
        finally:
            self._idle.put_nowait(session)
        self._availability.succeeded()
        return rows


def _stopped() -> StoreTimeout:
    error = StoreTimeout(LIMIT_S)
    _log.warning("journal.read_stopped", error=str(error))
    return error


async def _repeat(session: Session, query: str, arguments: tuple[Any, ...]) -> "list[asyncpg.Record]":
    """Run a query; again if the connection was broken before, as after a restart of the server."""
    for last in (False, True):
        try:
            return await session.run(query, *arguments, limit_s=LIMIT_S + _GRACE_S)
        except (asyncpg.QueryCanceledError, Silent):
            raise StoreTimeout(LIMIT_S) from None
        except Unanswered:
            if last:
                raise
        except (ValueError, asyncpg.PostgresError) as error:
            raise StoreError(f"the journal could not be read: {error}") from error
    raise AssertionError("unreachable")  # pragma: no cover -- the second attempt returns or raises


def _decode_each(
    decode: "Callable[[asyncpg.Record], T]", rows: "Iterable[asyncpg.Record]"
) -> tuple[list[T], list[StoreDamaged]]:
    """Return the rows that can be decoded, and what is wrong with each of the others."""
    decoded, damages = [], []
    for row in rows:
        try:
            decoded.append(decode(row))
        except StoreDamaged as damage:
            damages.append(damage)
    return decoded, damages
