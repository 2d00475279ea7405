"""Fixtures of all stories: the relay polls often, so that no test waits for the seconds between two polls."""

from dataclasses import replace

import pytest

from relay.core.schedule import TimeLimits

PLANNED = TimeLimits.without_stream


@pytest.fixture(autouse=True)
def fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll a platform that has no stream every 50 ms instead of every 2.5 s."""
    monkeypatch.setattr(
        TimeLimits, "without_stream", lambda limits: replace(PLANNED(limits), poll_s=0.05, poll_longest_s=0.05)
    )


@pytest.fixture
def slow_polls(fast_polls: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll every 2.5 s, as in production, so that a callback arrives between two polls."""
    monkeypatch.setattr(TimeLimits, "without_stream", PLANNED)
