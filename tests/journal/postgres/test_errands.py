"""Statements that are repeated, and those that cannot be."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from relay.errors import StoreError
from relay.journal.postgres.connection import connect
from relay.journal.postgres.errands import KEEP, Errands
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.session import Session, Unanswered


@pytest.fixture
async def errands(database: str, journal: PostgresJournal) -> AsyncIterator[Errands]:
    """Return errands in a database with tables."""
    errands = Errands(Session(partial(connect, database, "errands")))
    yield errands
    await errands.close()


async def test_a_statement_that_a_standby_refuses_is_repeated_on_another_connection(errands: Errands) -> None:
    """The server of the connection may have become one; a new connection finds the primary."""
    await errands.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")

    assert [row[0] for row in await errands.run(KEEP, "key", "value")] == ["value"]


@pytest.mark.parametrize("argument", [None, 7])
async def test_a_statement_that_is_wrong_is_not_repeated(errands: Errands, argument: object) -> None:
    """Neither one that the server refuses, nor one whose argument cannot be encoded. The next one succeeds."""
    with pytest.raises(StoreError, match="could not be written"):
        await errands.run(KEEP, "key", argument)

    assert [row[0] for row in await errands.run(KEEP, "key", "value")] == ["value"]


async def test_a_statement_that_is_never_answered_is_given_up(
    errands: Errands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three attempts, each on a connection that breaks."""
    attempts: list[str] = []

    async def break_off(statement: str, *_: object) -> None:
        attempts.append(statement)
        raise Unanswered("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(errands._session, "run", break_off)
        with pytest.raises(StoreError, match="could not be written: the connection broke"):
            await errands.run(KEEP, "key", "value")
    assert attempts == [KEEP] * 3
