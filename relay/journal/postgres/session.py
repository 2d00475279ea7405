"""
One connection that is made when it is needed, and replaced when it is broken: one statement at a time.

A statement is never cancelled: a commit whose wait for a standby is cancelled is visible, and may be lost. If its
caller is, it runs to its end. If the answer takes too long, the connection is dropped without another word.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from relay.errors import StoreError
from relay.journal.postgres.connection import BROKEN, close

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

ANSWER_S: Final = 5.0
"""How long to wait for an answer."""

_DOUBTS: Final = frozenset({"01000", "57P01"})
"""
What the server warns with when a commit is visible, but its wait for the standby was cancelled.

See SyncRepWaitForLSN in https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/replication/syncrep.c.
"""


class Unanswered(StoreError):
    """A statement was sent, and whether it took effect is unknown."""


class Silent(Unanswered):
    """There was no answer in time."""


class Session:
    """Runs statements on a connection of its own."""

    def __init__(self, connect: Callable[[], Awaitable["Connection"]]) -> None:
        """
        Args:
            connect: opens a connection, or raises StoreError.
        """
        self._connect = connect
        self._connection: Connection | None = None
        self._free = asyncio.Lock()
        self._in_doubt = False

    async def run(self, statement: str, *arguments: Any, limit_s: float = ANSWER_S) -> "list[asyncpg.Record]":
        """
        Run a statement and return its rows. If the caller is cancelled, the statement still runs to its end.

        Raises:
            Unanswered: the connection broke.
            Silent: there was no answer within `limit_s`.
            StoreError: there is no connection; the statement was not sent.
            ValueError: an argument cannot be encoded; the statement was not sent.
            asyncpg.PostgresError: the server refused the statement; it had no effect.
        """
        return await asyncio.shield(asyncio.create_task(self._run(statement, arguments, limit_s)))

    async def connect(self) -> None:
        """
        Connect unless there is a connection.

        Raises:
            StoreError: the server was not reached, or refused.
        """
        if self._connection is None or self._connection.is_closed():
            await asyncio.shield(asyncio.create_task(self._connect_once()))

    async def close(self) -> None:
        """Wait for the running statement and close the connection."""
        async with self._free:
            if self._connection is not None:  # pragma: no branch -- the tracer misses this exit from `async with`
                await close(self._connection)
                self._connection = None

    def drop(self) -> None:
        """Drop the connection; the next statement makes another one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect_once(self) -> None:
        async with self._free:
            await self._connected()

    async def _run(self, statement: str, arguments: tuple[Any, ...], limit_s: float) -> "list[asyncpg.Record]":
        async with self._free:
            connection = await self._connected()
            self._in_doubt = False
            answer = asyncio.create_task(connection.fetch(statement, *arguments))
            await asyncio.wait({answer}, timeout=limit_s)
            if not answer.done():
                self.drop()
                with suppress(*BROKEN, asyncpg.PostgresError, AttributeError):
                    await answer
                raise Silent(f"PostgreSQL did not answer within {limit_s:g} s")
            try:
                rows = answer.result()
            except (ValueError, asyncpg.QueryCanceledError):
                raise
            except BROKEN as error:
                self.drop()
                raise Unanswered(f"the connection to PostgreSQL broke: {error}") from error
            except AttributeError as error:
                if not connection.is_closed():
                    raise
                # Between two messages of a statement, asyncpg goes on with the protocol that `terminate` has removed.
                raise Unanswered("the connection to PostgreSQL was dropped") from error
            if self._in_doubt:
                raise Unanswered("PostgreSQL stopped to wait for the standby")
            return rows

    async def _connected(self) -> "Connection":
        if self._connection is None or self._connection.is_closed():
            connection = await self._connect()
            try:
                connection.add_log_listener(self._note)
            except asyncpg.InterfaceError as error:
                raise StoreError(f"the connection to PostgreSQL broke at once: {error}") from error
            self._connection = connection
        return self._connection

    def _note(self, _connection: object, message: "asyncpg.PostgresLogMessage") -> None:
        if message.sqlstate in _DOUBTS:
            self._in_doubt = True
