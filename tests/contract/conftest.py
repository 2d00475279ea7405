"""A journal of each kind, for the contracts of its parts. test_journal has journals with limits of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.journal.base import Journal
from relay.journal.memory import MemoryJournal
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.sqlite import SQLiteJournal
from tests.journal.postgres.membership import join
from tests.postgres.fixtures import ON_POSTGRES
from tests.tasks.shared_journal import SharedStore


@pytest.fixture(params=["memory", "sqlite", ON_POSTGRES])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    """Return a journal that is not open yet."""
    match request.param:
        case "memory":
            return MemoryJournal()
        case "sqlite":
            return SQLiteJournal(tmp_path / "relay.db")
        case "shared":  # the fake that the tests of several nodes use
            return SharedStore().node().journal
        case _:
            return PostgresJournal(request.getfixturevalue("database"), join=join)


@pytest.fixture
async def journal(made: Journal) -> AsyncIterator[Journal]:
    """Return an open journal."""
    await made.open(lock=True)
    yield made
    await made.close()
