"""The counts of tasks, and the groups of a list."""

from dataclasses import replace

import pytest

from relay.core.events import State
from relay.journal.base import UNFINISHED
from relay.journal.lists import Filter
from relay.journal.memory import MemoryJournal
from relay.tasks import listing
from relay.tasks.listing import Lists, Order
from tests.journal.postgres.records import event, record, submit


async def test_a_count_says_where_it_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of final states; those of unfinished tasks are counted to the end, unless a search finds them."""
    monkeypatch.setattr(listing, "COUNTED", 2)
    monkeypatch.setattr(listing, "COUNTED_FOUND", 3)
    journal = MemoryJournal()
    await journal.open(lock=True)
    for number in range(7):
        task = f"t{number}"
        await journal.create(record(task), submit(task))
        if number > 3:
            await journal.append([event(task, 2, State.SUCCEEDED)])
    lists = Lists(journal)
    counts = await lists.counts(Filter())
    assert (counts.states[State.SUBMITTING], counts.states[State.SUCCEEDED], counts.at_least) == (
        *(4, 2, (State.SUCCEEDED,)),
    )
    found = await lists.counts(Filter(words=("t",)))
    assert (found.states[State.SUBMITTING], found.at_least) == (3, (State.SUBMITTING, State.SUCCEEDED))
    assert len(counts.states) == len(State)


def test_groups_without_tasks_are_left_out() -> None:
    """A list of final states has no stalled tasks, and one of stalled tasks no ended ones."""
    every = Filter(tag="x")
    stalled, others, ended = Order.ATTENTION.groups(every)
    assert stalled == replace(every, stalled=True, states=UNFINISHED)
    assert others == replace(every, stalled=False, states=UNFINISHED)
    assert ended is not None
    assert ended.stalled is None
    assert Order.ATTENTION.groups(Filter(states=(State.FAILED,)))[:2] == (None, None)
    assert Order.ATTENTION.groups(Filter(stalled=True))[1:] == (None, None)
    assert Order.ATTENTION.groups(Filter(stalled=False))[0] is None
    assert Order.NEWEST.groups(every) == (every,)
