"""Fixtures for the tests of the task use cases."""

from collections.abc import AsyncIterator

import pytest

from relay import app
from relay.app import Running
from relay.tasks import permit, search
from tests.tasks.shared_journal import SharedStore
from tests.tasks.support import MakeRelay


@pytest.fixture(autouse=True)
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for a lost run without long pauses."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.05, 0.05, 0.1))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> SharedStore:
    """Return what the nodes of a test share. A machine that is too slow to send in time changes no test."""
    monkeypatch.setattr(permit, "SEND_WITHIN_S", 600.0)
    return SharedStore()


@pytest.fixture
def make_node(store: SharedStore, make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch) -> MakeRelay:
    """Return a function that starts a relay whose journal is shared with those that it has started before."""
    monkeypatch.setattr(app, "make_journal", lambda *_given: store.node().journal)
    return make_relay


@pytest.fixture
async def pair(make_node: MakeRelay) -> AsyncIterator[tuple[Running, Running]]:
    """Two relays that share a journal."""
    async with make_node() as first, make_node() as second:
        yield first, second
