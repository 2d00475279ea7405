"""
Reads in separate threads, each with its own connection.

Every failure is a StoreError and is logged once: errors of SQLite, and rows that cannot be decoded. A read that takes
too long is stopped, and is no failure of the store.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from relay import log
from relay.errors import StoreDamaged, StoreError, StoreTimeout
from relay.journal.availability import Availability
from relay.journal.damage import DamageLog

LIMIT_S = 5.0
"""How long a query may take. Lookups of a task take a millisecond; only a search may have to test every task."""

INSTRUCTIONS = 1_000_000
"""How many instructions of SQLite's virtual machine pass before the time is looked at: tens of milliseconds."""

T = TypeVar("T")

_log = log.get("journal")


class Reader:
    """Runs queries on read-only connections, as many at once as there are connections."""

    def __init__(
        self,
        connections: Sequence[sqlite3.Connection],
        name: str,
        availability: Availability,
        *,
        limits_waiting: bool = False,
    ) -> None:
        """
        Args:
            connections: used by this reader only, until `close`.
            name: the name of the threads.
            availability: where failures and successes are noted, on the event loop.
            limits_waiting: whether the time that a query waits for a connection counts, so that slow queries cannot
                pile up.
        """
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for connection in connections:
            self._idle.put(connection)
        self._availability = availability
        self._limits_waiting = limits_waiting
        self._threads = ThreadPoolExecutor(len(connections), thread_name_prefix=name)
        self.damages = DamageLog()

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """
        Run a query on one committed state, regardless of the number of its statements.

        Raises:
            StoreError: the store failed.
            StoreTimeout: the query took longer than LIMIT_S.
        """
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query, time.monotonic())
        except StoreTimeout as error:
            _log.warning("journal.read_stopped", error=str(error))
            raise
        except StoreDamaged as damage:
            self.damages.note(damage)
            raise
        except StoreError as error:
            self._availability.failed(error)
            raise
        self._availability.succeeded()
        return result

    async def close(self) -> None:
        """Wait for running queries and end the threads."""
        await asyncio.to_thread(self._threads.shutdown)

    def _run(self, query: Callable[[sqlite3.Connection], T], asked_s: float) -> T:
        connection = self._idle.get()
        try:
            return _read(connection, query, asked_s if self._limits_waiting else time.monotonic())
        finally:
            self._idle.put(connection)


def _read(connection: sqlite3.Connection, query: Callable[[sqlite3.Connection], T], since_s: float) -> T:
    def is_late() -> bool:
        return time.monotonic() > since_s + LIMIT_S

    if is_late():
        raise StoreTimeout(LIMIT_S)
    try:
        connection.execute("BEGIN")
        connection.set_progress_handler(is_late, INSTRUCTIONS)
        try:
            return query(connection)
        finally:
            connection.set_progress_handler(None, 0)
            connection.execute("ROLLBACK")
    except StoreError:
        raise
    # All other errors, too: a StopIteration would never reach the caller, and a ValidationError quotes stored data
    # and would be taken for an error in the caller's request.
    except Exception as error:  # noqa: BLE001 - the boundary of stored data
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise StoreTimeout(LIMIT_S) from None
        raise StoreError(f"the journal could not be read: {_describe(error)}") from None


def _describe(error: Exception) -> str:
    """Return the text of an error, or only its type if the text may quote stored data."""
    return str(error) if isinstance(error, sqlite3.Error | OSError) else type(error).__name__
