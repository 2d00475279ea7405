"""The histories of models: read in the background, kept up to date, and read again after a while."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.core.history.input_class import input_class
from relay.core.history.tally import DAY_S, Tally
from relay.core.history.usual import ModelHistory
from relay.errors import StoreError
from relay.journal.memory import MemoryJournal
from relay.tasks import histories
from relay.tasks.background import Background
from relay.tasks.histories import FRESH_S, Histories
from tests.tasks.fakes import FakeClock

DAY = 20_000


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    async with Background() as group:
        yield group


@pytest.fixture
def clock() -> FakeClock:
    found = FakeClock()
    found.now = DAY * DAY_S
    return found


def tally(model: str = "o/m") -> Tally:
    return Tally(provider="p", model=model, inputs="", day=DAY, counts={"verdict:succeeded": 1, "queued:80": 1})


def samples(history: ModelHistory) -> int:
    usual = history.usual(input_class({})).run()
    return 0 if usual is None else usual.samples


async def idle() -> None:
    """Wait until everything in the background has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_history_is_read_once_and_kept_up_to_date(background: Background, clock: FakeClock) -> None:
    """By any spelling of the model. A task that has its history sees what others add."""
    journal = MemoryJournal()
    found = Histories(journal, clock, background)
    for _ in range(3):
        journal.tallies.add(tally())
    history = found.of("p", "o/m")
    assert samples(history) == 0
    assert await found.read("p", "O/M") is history
    assert samples(history) == 3
    journal.tallies.add(tally())
    found.add(tally())
    found.add(tally("o/other"))
    assert samples(history) == 4
    assert repr(found) == "<Histories 1>"


async def test_a_history_is_read_again_after_a_while(background: Background, clock: FakeClock) -> None:
    """Another node has added to it."""
    journal = MemoryJournal()
    found = Histories(journal, clock, background)
    history = await found.read("p", "o/m")
    for _ in range(3):
        journal.tallies.add(tally())
    clock.now += FRESH_S - 1
    assert samples(await found.read("p", "o/m")) == 0
    clock.now += 1
    assert samples(await found.read("p", "o/m")) == 3
    assert samples(history) == 3


async def test_a_failing_store_leaves_what_is_known(
    background: Background, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task is followed without an estimate, too. A request gets the error."""
    journal = MemoryJournal()
    found = Histories(journal, clock, background)

    async def fail(**_given: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(journal.tallies, "load", fail)
    assert samples(found.of("p", "o/m")) == 0
    await idle()
    with pytest.raises(StoreError):
        await found.read("p", "o/other")


async def test_the_history_that_was_not_used_for_longest_is_dropped(
    background: Background, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, however many models there are."""
    monkeypatch.setattr(histories, "MODELS", 2)
    found = Histories(MemoryJournal(), clock, background)
    first, second = await found.read("p", "o/1"), await found.read("p", "o/2")
    assert await found.read("p", "o/1") is first
    await found.read("p", "o/3")
    assert await found.read("p", "o/1") is first
    assert await found.read("p", "o/2") is not second
