"""Single statements that write something other than a log. Each can be repeated without harm."""

from typing import TYPE_CHECKING, Any, Final

import asyncpg

from relay.errors import StoreError
from relay.journal.availability import Availability
from relay.journal.postgres.session import Session, Unanswered

if TYPE_CHECKING:
    Rows = list[asyncpg.Record]

_ATTEMPTS: Final = 3

SAVE_TIME: Final = (
    "INSERT INTO meta (name, value) VALUES ('witnessed', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# It also writes if the secret exists, so that the caller waits until a standby has it.
KEEP: Final = (
    "INSERT INTO secrets AS s (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = s.value"
    " RETURNING s.value"
)

GIVE_BACK: Final = """
WITH given AS (UPDATE heads SET owner = NULL, in_line = false WHERE task = $1 AND owner = $2 RETURNING task)
SELECT pg_notify('relay', 'released:' || $2::bigint) FROM given
"""


class Errands:
    """Runs statements on a session of their own, so that none of them waits for appends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._availability = Availability("write")

    async def run(self, statement: str, *arguments: Any) -> "Rows":
        """
        Run a statement that may be repeated, and return its rows.

        Raises:
            StoreError: the store failed. The statement may have taken effect.
        """
        try:
            rows = await self._repeat(statement, arguments)
        except StoreError as error:
            self._availability.failed(error)
            raise
        self._availability.succeeded()
        return rows

    def reconnect(self) -> None:
        """Use another connection from now on: the server may have been replaced."""
        self._session.drop()

    async def close(self) -> None:
        """Wait for the running statement and close the connection."""
        await self._session.close()

    async def _repeat(self, statement: str, arguments: tuple[Any, ...]) -> "Rows":
        failure: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                return await self._session.run(statement, *arguments)
            except (Unanswered, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                failure = error
            except asyncpg.ReadOnlySQLTransactionError as error:  # the server has become a standby: find the primary
                self._session.drop()
                failure = error
            except (ValueError, asyncpg.PostgresError) as error:
                raise StoreError(f"the journal could not be written: {error}") from error
        raise StoreError(f"the journal could not be written: {failure}") from failure
