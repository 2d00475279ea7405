"""Fixtures for the tests of the task use cases."""

import pytest

from relay.tasks import search


@pytest.fixture(autouse=True)
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for a lost run without long pauses."""
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.05, 0.05, 0.1))
