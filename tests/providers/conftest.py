"""A clock that tests move, for calls that reach their time limit."""

import asyncio
from collections.abc import Callable

import pytest

Leap = Callable[[float], None]


@pytest.fixture
async def leap(monkeypatch: pytest.MonkeyPatch) -> Leap:
    """
    Return a function that moves the clock of the event loop forward by a number of seconds.

    A limit that is short enough to wait for may also end before the step that the test is about, on a busy machine.
    """
    loop = asyncio.get_running_loop()
    time, ahead_s = loop.time, 0.0

    def forward(by_s: float) -> None:
        nonlocal ahead_s
        ahead_s += by_s

    monkeypatch.setattr(loop, "time", lambda: time() + ahead_s)
    return forward
