"""
The contract of a journal about the deletion of tasks (relay/journal/deletions.py), tested with every backend.

Covers memory_deletions, and deletions of the SQLite and the PostgreSQL journal.
"""

import math

import pytest

from relay.core.events import Done, Event, Source, State, Submit
from relay.core.upstream import UpstreamTask
from relay.journal.base import Claim, Journal, StoredTask
from relay.journal.deletions import Tombstone
from relay.journal.entries import History
from relay.journal.lists import Filter
from tests.postgres.fixtures import ON_POSTGRES

pytestmark = pytest.mark.parametrize("made", ["memory", "sqlite", "shared", ON_POSTGRES], indirect=True)


async def begin(journal: Journal, task: str, *, at: float = 1.0) -> None:
    """Add a task with an idempotency key."""
    stored = StoredTask(
        id=task,
        provider="wiro",
        model="o/m",
        created_at=1.5,
        tags=("t",),
        input={"prompt": "private"},
        metadata={},
        upstream=UpstreamTask(upstream_id=f"up-{task}", socket_token=None),
        hook=f"hook-{task}",
    )
    data = Submit(model="o/m", provider="wiro", tags=("t",))
    first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.5, source=Source.RELAY, data=data)
    claim = Claim(key=f"key-{task}", digest="digest", task=task, at=at)
    assert (await journal.create(stored, first, claim=claim, expired_before=at)).winner is None


async def end(journal: Journal, task: str) -> None:
    """Add a task that has ended."""
    await begin(journal, task)
    done = Done(verdict="succeeded")
    last = Event(type="done", task=task, seq=2, state=State.SUCCEEDED, at=2.5, source=Source.RELAY, data=done)
    await journal.append([last])


async def test_a_deleted_task_leaves_a_tombstone_and_nothing_else(journal: Journal) -> None:
    """No call finds it, and other tasks are unchanged. Repeated, the call has no effect."""
    await end(journal, "a")
    await end(journal, "b")
    for at in (10.0, 11.0):
        assert await journal.deletions.delete(["a", "unknown"], at=at, upstream=True) == ("a",)

    assert await journal.deletions.find("a") == Tombstone(task="a", at=10.0, upstream=True)
    assert await journal.deletions.find("b") is None
    assert (await journal.stored_task("a"), await journal.snapshot("a")) == (None, None)
    assert await journal.read("a", after=0, limit=5) == History(entries=(), first_seq=0)
    assert await journal.find_hook("wiro", "hook-a") is None
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id="up-a", socket_token=None)) is None
    for where in (Filter(), Filter(tag="t"), Filter(words=("m",))):
        assert [place.id for place in await journal.page(where, after=None, limit=5)] == ["b"]
    assert (await journal.stored_task("b")) is not None
    assert await journal.deletions.delete(["b"], at=12.0, upstream=False) == ("b",)
    assert await journal.page(Filter(words=("m",)), after=None, limit=5) == ()


async def test_a_task_that_runs_is_not_deleted(journal: Journal) -> None:
    """It is left out of the result."""
    await begin(journal, "runs")
    await end(journal, "ended")
    assert await journal.deletions.delete(["runs", "ended"], at=10.0, upstream=False) == ("ended",)
    assert await journal.snapshot("runs") is not None
    assert await journal.deletions.find("runs") is None


async def test_listeners_learn_which_tasks_were_deleted(journal: Journal) -> None:
    """A call that deletes nothing does not call them."""
    heard: list[tuple[str, ...]] = []
    journal.listen(lambda _: None, deleted=lambda tasks: heard.append(tuple(tasks)))
    await end(journal, "a")
    assert await journal.deletions.delete(["unknown"], at=10.0, upstream=False) == ()
    assert await journal.deletions.delete(["a", "unknown"], at=10.0, upstream=False) == ("a",)
    assert heard == [("a",)]


async def test_the_key_of_a_deleted_task_stays_in_use(journal: Journal) -> None:
    """Until it has expired, or the tombstone is removed."""
    await end(journal, "a")
    await journal.deletions.delete(["a"], at=10.0, upstream=False)
    kept = Claim(key="key-a", digest="digest", task="a", at=1.0)
    assert await journal.find_claim("key-a") == kept

    stored = StoredTask(id="b", provider="wiro", model="o/m", created_at=3.0, input={}, metadata={})
    data = Submit(model="o/m", provider="wiro")
    first = Event(type="submit", task="b", seq=1, state=State.SUBMITTING, at=3.0, source=Source.RELAY, data=data)
    newer = Claim(key="key-a", digest="digest", task="b", at=20.0)
    assert (await journal.create(stored, first, claim=newer, expired_before=-math.inf)).winner == kept
    assert (await journal.create(stored, first, claim=newer, expired_before=15.0)).winner is None
    assert await journal.find_claim("key-a") == newer


async def test_old_tombstones_are_removed(journal: Journal) -> None:
    """The oldest first, up to a limit, with the keys of their tasks."""
    for number, task in enumerate("abc"):
        await end(journal, task)
        await journal.deletions.delete([task], at=10.0 + number, upstream=False)
    assert await journal.deletions.forget(deleted_before=12.0, limit=1) == 1
    assert (await journal.deletions.find("a"), await journal.find_claim("key-a")) == (None, None)
    assert await journal.find_claim("key-b") is not None
    assert await journal.deletions.forget(deleted_before=12.0, limit=5) == 1
    assert await journal.deletions.forget(deleted_before=12.0, limit=5) == 0
    assert await journal.deletions.find("c") is not None


async def test_listeners_are_told_what_was_deleted(journal: Journal) -> None:
    """After the commit; pruned tasks are not reported, and a listener that was removed hears nothing."""
    told: list[str] = []
    stop = journal.listen(lambda _appended: None, deleted=told.extend)
    for task in "ab":
        await end(journal, task)
    await journal.deletions.delete(["a"], at=10.0, upstream=False)
    assert set(told) == {"a"}
    await journal.prune(ended_before=1e9, limit=5)
    stop()
    await end(journal, "c")
    await journal.deletions.delete(["c"], at=10.0, upstream=False)
    assert set(told) == {"a"}
