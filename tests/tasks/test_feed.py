"""The events of a task for a reader that may be slow."""

from collections.abc import AsyncIterator, Sequence

import pytest

from relay.core.events import Event
from relay.core.snapshot import Snapshot, fold
from relay.tasks import feed as module
from relay.tasks.feed import feed
from tests.hub.fakes import TASK, SlowJournal


@pytest.fixture
async def journal() -> AsyncIterator[SlowJournal]:
    opened = SlowJournal()
    await opened.open(lock=True)
    yield opened
    await opened.close()


def after(state: Snapshot | None, news: Snapshot | Sequence[Event]) -> Snapshot:
    """Return the reader's state. What it has already changes nothing, and a gap would be seen in its seq."""
    if isinstance(news, Snapshot):
        return news
    assert state is not None
    assert news[0].seq <= state.seq + 1
    return fold(state, news)


async def test_a_reader_gets_the_state_and_then_what_follows_it(journal: SlowJournal) -> None:
    """Events that are committed while the state is read are neither lost nor a gap. The last one ends it."""
    await journal.start()
    journal.gate.clear()
    reader = feed(journal, TASK, pause_s=0)
    state: Snapshot | None = None
    await journal.log("one")
    journal.gate.set()
    steps = iter([journal.log("two", "three"), journal.advance(50), journal.end()])
    async for news in reader:
        state = after(state, news)
        if (step := next(steps, None)) is not None:
            await step
    assert state is not None
    assert state.done is not None
    assert "".join(part.text for part in state.log) == "onetwothree"


async def test_a_reader_that_is_too_slow_gets_the_state(journal: SlowJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one whose journal has skipped something."""
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    await journal.start()
    reader = feed(journal, TASK, pause_s=0)
    assert isinstance(await anext(reader), Snapshot)
    for number in range(5):
        await journal.log(str(number))
    state = await anext(reader)
    assert isinstance(state, Snapshot)
    assert state.seq == 6
    journal.skip()
    assert isinstance(await anext(reader), Snapshot)


async def test_the_feed_of_a_missing_or_deleted_task_ends(journal: SlowJournal) -> None:
    """Without a last event."""
    assert [news async for news in feed(journal, "unknown", pause_s=0)] == []
    await journal.start()
    await journal.end()
    (state,) = [news async for news in feed(journal, TASK, pause_s=0)]
    assert isinstance(state, Snapshot)
