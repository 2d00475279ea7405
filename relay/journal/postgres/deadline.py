"""End a connection whose server does not answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection


@contextmanager
def deadline(connection: "Connection", limit_s: float) -> Iterator[None]:
    """
    End the connection if the block takes longer than `limit_s`; its statement then fails with an error in `BROKEN`.

    A statement is never cancelled: asyncpg would ask the server to cancel it, and a cancelled COMMIT is visible
    although a standby may not have it.
    """
    timer = asyncio.get_running_loop().call_later(limit_s, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()
