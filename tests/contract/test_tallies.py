"""The contract of the tallies of a journal (relay/journal/tallies.py), tested with every backend."""

import asyncio

import pytest

from relay.core.events import Done, Event, Source, State
from relay.core.history.tally import Tally
from relay.journal.base import Journal
from tests.contract.test_outbox import create

DONE = Done(verdict="succeeded")


def end(task: str, seq: int = 2) -> Event:
    return Event(type="done", task=task, seq=seq, state=State.SUCCEEDED, at=9.0, source=Source.RELAY, data=DONE)


def tally(task: str, *, day: int = 20_000, inputs: str = "n=2", ran_s: float = 5.0, model: str = "o/m") -> Tally:
    return Tally(
        provider="wiro",
        model=model,
        inputs=inputs,
        day=day,
        counts={"verdict:succeeded": 1, "sum:usd": 0.5, f"running:{ran_s:g}": 1},
        slowest=((ran_s, task),),
        failed=((ran_s, task),),
    )


async def test_tallies_are_stored_with_the_end_and_added_up(journal: Journal) -> None:
    """A refused append counts nothing. Another class or another day has a row of its own."""
    await create(journal, "a", "b", "c", "d")
    await journal.append([end("a")], tally=tally("a"))
    with pytest.raises(ValueError, match="not the next"):
        await journal.append([end("b", 3)], tally=tally("b"))
    await journal.append([end("b")], tally=tally("b", ran_s=7.0))
    await journal.append([end("c")], tally=tally("c", inputs="n=3"))
    await journal.append([end("d")], tally=tally("d", day=20_001))
    same, other_day, other_class = await journal.tallies.load()
    assert same.key == ("wiro", "o/m", "n=2", 20_000)
    assert same.counts == {"verdict:succeeded": 2, "sum:usd": 1.0, "running:5": 1, "running:7": 1}
    assert same.slowest == same.failed == ((7.0, "b"), (5.0, "a"))
    assert (other_class.inputs, other_day.day) == ("n=3", 20_001)


async def test_only_the_most_notable_tasks_are_named(journal: Journal) -> None:
    """A row does not grow with the number of tasks."""
    tasks = [f"t{number}" for number in range(8)]
    await create(journal, *tasks)
    await asyncio.gather(
        *(journal.append([end(task)], tally=tally(task, ran_s=number)) for number, task in enumerate(tasks))
    )
    (row,) = await journal.tallies.load()
    assert row.counts["verdict:succeeded"] == 8
    assert row.slowest == ((7.0, "t7"), (6.0, "t6"), (5.0, "t5"), (4.0, "t4"), (3.0, "t3"))


async def test_tallies_are_found_by_model_and_day_and_outlive_their_tasks(journal: Journal) -> None:
    """The case of a model's name does not matter. Old days are forgotten."""
    await create(journal, "a", "b", "c")
    await journal.append([end("a")], tally=tally("a"))
    await journal.append([end("b")], tally=tally("b", model="o/other"))
    await journal.append([end("c")], tally=tally("c", day=19_000))
    assert len(await journal.deletions.delete(["a", "b", "c"], at=10.0, upstream=False)) == 3
    assert [row.day for row in await journal.tallies.load(provider="wiro", model="O/M")] == [19_000, 20_000]
    assert [row.model for row in await journal.tallies.load(since=20_000)] == ["o/m", "o/other"]
    assert not await journal.tallies.load(provider="apikley")
    await journal.tallies.forget(before=20_000)
    assert len(await journal.tallies.load()) == 2
