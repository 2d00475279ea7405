"""Waiting for what another node writes."""

import asyncio

import pytest

from relay.core.signals import Held
from relay.tasks import watching
from relay.tasks.watching import becomes_true
from tests.tasks.nodes import running
from tests.tasks.shared_journal import SharedStore

WAIT_S = 30.0


async def test_a_condition_is_checked_at_once_and_after_each_event_of_its_tasks(store: SharedStore) -> None:
    """Events of other tasks are ignored."""
    async with running(store) as one, running(store) as other:
        checks = 0

        async def is_held() -> bool:
            nonlocal checks
            checks += 1
            return (await one.state("a")).hold is not None

        for task in ("a", "b"):
            await other.create(task)
        waiting = asyncio.create_task(becomes_true(is_held, one.journal, ("a",), WAIT_S))
        for task in ("b", "a"):
            await other.commit(task, Held(reason="full", position=1))
        assert await waiting
        assert checks == 2


async def test_a_condition_is_checked_without_an_event_too(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads may not be in a log."""
    monkeypatch.setattr(watching, "RECHECK_S", 0.001)
    async with running(store) as one:
        answers = [False, False, True]

        async def holds() -> bool:
            return answers.pop(0)

        assert await becomes_true(holds, one.journal, (), WAIT_S)
        assert answers == []


async def test_the_wait_is_limited(store: SharedStore) -> None:
    """The condition is checked once more at its end."""
    async with running(store) as one:
        checks = 0

        async def never() -> bool:
            nonlocal checks
            checks += 1
            return False

        assert not await becomes_true(never, one.journal, (), 0.01)
        assert checks == 2
        assert not await becomes_true(never, one.journal, (), 0.0)
        assert checks == 3
