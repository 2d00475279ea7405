"""Fixtures: journals in one database, each as a node of its own, and a connection to look at the tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.membership import join

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

Start = Callable[..., Awaitable[PostgresJournal]]


@pytest.fixture
async def start(database: str) -> AsyncIterator[Start]:
    """Return a function that opens a journal; at the end of the test, all are closed."""
    async with AsyncExitStack() as opened:

        async def start_one(dsn: str = database) -> PostgresJournal:
            journal = PostgresJournal(dsn, join=join)
            await journal.open(lock=True)
            opened.push_async_callback(journal.close)
            return journal

        yield start_one


@pytest.fixture
async def journal(start: Start) -> PostgresJournal:
    """Return an open journal."""
    return await start()


@pytest.fixture
async def sql(database: str, journal: PostgresJournal) -> "AsyncIterator[Connection]":
    """Return a connection to the database of `journal`."""
    connection = await connect(database, "test")
    yield connection
    await close(connection)
