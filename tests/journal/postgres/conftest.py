"""Fixtures: journals and nodes in one database, how often they beat, and a connection to look at the tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from relay.journal.postgres import beat
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.cluster import NEVER_S, connected
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


@pytest.fixture
async def connection(database: str) -> "AsyncIterator[Connection]":
    """Return a connection to a database with tables."""
    async with connected(database) as connection:
        yield connection


@pytest.fixture
def fast_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all nodes beat every 20 ms."""
    monkeypatch.setattr(beat, "BEAT_S", 0.02)


@pytest.fixture
def no_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes beat once after they have connected, and then not by themselves."""
    monkeypatch.setattr(beat, "BEAT_S", NEVER_S)
