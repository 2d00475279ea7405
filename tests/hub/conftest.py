"""A hub and a journal with one task, for most tests here."""

from collections.abc import AsyncIterator

import pytest

from relay.hub.hub import Hub
from tests.hub.fakes import Clock, SlowJournal


@pytest.fixture
async def journal() -> AsyncIterator[SlowJournal]:
    """Return a journal with one task that has one event."""
    journal = SlowJournal()
    await journal.open(lock=False)
    await journal.start()
    yield journal
    await journal.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hub(journal: SlowJournal, clock: Clock) -> AsyncIterator[Hub]:
    hub = Hub(journal, clock)
    yield hub
    hub.close()
