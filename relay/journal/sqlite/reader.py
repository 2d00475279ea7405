"""
Reads in a separate thread: one connection, one query after the other.

Every failure is a StoreError and is logged once: errors of SQLite, and rows that cannot be decoded.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from relay import log
from relay.errors import StoreDamaged, StoreError
from relay.journal.availability import Availability

T = TypeVar("T")

_log = log.get("journal")


class Reader:
    """Runs queries on a read-only connection."""

    def __init__(self, connection: sqlite3.Connection, name: str, availability: Availability) -> None:
        """
        Args:
            connection: used by this reader only, until `close`.
            name: the name of the thread.
            availability: where failures and successes are noted, on the event loop.
        """
        self._connection = connection
        self._availability = availability
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._damaged: set[str] = set()
        """The damage that was logged."""

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """
        Run a query on one committed state, regardless of the number of its statements.

        Raises:
            StoreError: the store failed.
        """
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, query)
        except StoreDamaged as damage:
            if (text := str(damage)) not in self._damaged:
                self._damaged.add(text)
                _log.error("journal.damage_found", task=damage.task, error=text)
            raise
        except StoreError as error:
            self._availability.failed(error)
            raise
        self._availability.succeeded()
        return result

    async def close(self) -> None:
        """Wait for running queries and end the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN")
            try:
                return query(self._connection)
            finally:
                self._connection.execute("ROLLBACK")
        except StoreError:
            raise
        # All other errors, too: a StopIteration would never reach the caller, and a ValidationError quotes stored data
        # and would be taken for an error in the caller's request.
        except Exception as error:  # noqa: BLE001 - the boundary of stored data
            raise StoreError(f"the journal could not be read: {_describe(error)}") from None


def _describe(error: Exception) -> str:
    """Return the text of an error, or only its type if the text may quote stored data."""
    return str(error) if isinstance(error, sqlite3.Error | OSError) else type(error).__name__
