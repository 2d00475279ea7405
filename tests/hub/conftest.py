"""The hub that most tests here watch: over a journal with one task."""

from collections.abc import AsyncIterator

import pytest

from relay.hub.hub import Hub
from tests.hub.fakes import Clock, SlowJournal


@pytest.fixture
async def journal() -> AsyncIterator[SlowJournal]:
    """A journal with one task of one event."""
    journal = SlowJournal()
    await journal.open(lock=False)
    await journal.begin()
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
