"""Sessions: a connection that is made when it is needed. More in test_writer and test_connection."""

from functools import partial

import asyncpg
import pytest

from relay.journal.postgres.connection import connect
from relay.journal.postgres.session import Session


async def test_a_session_that_was_never_used_can_be_closed(database: str) -> None:
    """It has no connection."""
    session = Session(partial(connect, database, "test"))
    await session.close()

    assert [row[0] for row in await session.run("SELECT 1")] == [1]
    await session.close()


async def test_a_notice_does_not_put_a_statement_in_doubt(database: str) -> None:
    """Only the warnings about a standby do."""
    session = Session(partial(connect, database, "test"))

    assert await session.run("DO $$ BEGIN RAISE NOTICE 'one'; RAISE INFO 'two'; END $$") == []
    await session.close()


async def test_an_error_in_the_driver_is_not_taken_for_a_broken_connection(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AttributeError on an open connection is a defect, and repeating the statement would hide it."""
    session = Session(partial(connect, database, "test"))
    await session.connect()

    async def fetch(*_: object) -> None:
        raise AttributeError("'Connection' object has no attribute 'typo'")

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.Connection, "fetch", fetch)
        with pytest.raises(AttributeError, match="typo"):
            await session.run("SELECT 1")
    assert [row[0] for row in await session.run("SELECT 1")] == [1]
    await session.close()
