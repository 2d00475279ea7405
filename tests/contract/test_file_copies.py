"""
The contract of a journal about copies of files (relay/journal/file_copies.py), tested with every backend.

Covers memory_copies, and copies of the SQLite and the PostgreSQL journal.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.events import Done, Event, Output, Source, State, Submit
from relay.core.upstream import File
from relay.errors import Fenced
from relay.journal.base import Journal, StoredTask
from relay.journal.file_copies import CopyState, FileCopy, copies_of, copies_of_files, spooled_path
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.sqlite import SQLiteJournal
from tests.journal.postgres.membership import join

OUTPUTS = (
    Output(content_type="image/png", name="ä.png", size=7, url="https://cdn.example/0.png"),
    Output(content_type="raw", content={"answer": ["Hello."]}),
    Output(content_type="video/mp4", url="https://cdn.example/1.mp4?signature=x"),
)


async def end(
    journal: Journal, task: str, outputs: tuple[Output, ...] = OUTPUTS, files: tuple[File, ...] = ()
) -> tuple[FileCopy, ...]:
    """Write a task that has ended with results, and return the copies to make."""
    stored = StoredTask(id=task, provider="wiro", model="o/m", created_at=1.5, input={}, metadata={})
    submit, done = Submit(model="o/m", provider="wiro"), Done(verdict="succeeded")
    first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=1.5, source=Source.RELAY, data=submit)
    last = Event(type="done", task=task, seq=2, state=State.SUCCEEDED, at=2.5, source=Source.RELAY, data=done)
    await journal.create(stored, first)
    copies = copies_of_files(task, "wiro", files) + copies_of(task, "wiro", outputs)
    await journal.append([last], copies=copies)
    return copies


async def test_files_are_copied_and_answers_are_not(journal: Journal) -> None:
    """In the order of the results, with the number of each."""
    copies = await end(journal, "a")
    assert [copy.part for copy in copies] == ["outputs/0", "outputs/2"]
    assert await journal.copies.of_task("a") == copies
    assert await journal.copies.find("a", "outputs/2") == copies[1]
    assert await journal.copies.find("a", "outputs/1") is None
    assert await journal.copies.find("b", "outputs/0") is None


async def test_more_than_ten_results_are_in_order(journal: Journal) -> None:
    """Also if their parts are compared as texts in the store."""
    copies = await end(journal, "a", OUTPUTS[:1] * 12)
    assert await journal.copies.of_task("a") == copies


async def test_a_copy_is_claimed_once(journal: Journal) -> None:
    """Then it is not due any more."""
    first, second = await end(journal, "a")
    assert await journal.copies.due_at() == 0.0
    (claimed,) = await journal.copies.claim(10.0, limit=1)
    (other,) = await journal.copies.claim(10.0, limit=5)
    assert {claimed.part, other.part} == {first.part, second.part}
    assert claimed.owner is not None
    assert replace(claimed, owner=None) in (first, second)
    assert await journal.copies.claim(10.0, limit=5) == ()
    assert await journal.copies.due_at() is None


async def test_the_last_copy_that_is_settled_completes_the_task(journal: Journal) -> None:
    """Whether it is kept or has failed."""
    await end(journal, "a")
    await end(journal, "b")
    claimed = {(copy.task, copy.part): copy for copy in await journal.copies.claim(10.0, limit=9)}
    kept = replace(
        claimed["a", "outputs/0"], state=CopyState.KEPT, size_bytes=9, sha256="ab" * 32, kept_at=11.0, attempts=1
    )
    assert await journal.copies.settle(kept) is False
    failed = replace(claimed["a", "outputs/2"], state=CopyState.FAILED, reason="HTTP 404", attempts=7)
    assert await journal.copies.settle(failed) is True
    assert await journal.copies.of_task("a") == (replace(kept, owner=None), replace(failed, owner=None))
    assert await journal.copies.size_bytes() == 9


async def test_a_copy_is_tried_again_later(journal: Journal) -> None:
    """It is not due before."""
    await end(journal, "a", OUTPUTS[:1])
    (claimed,) = await journal.copies.claim(10.0, limit=9)
    later = replace(claimed, attempts=1, reason="HTTP 404", next_at=20.0)
    assert await journal.copies.settle(later) is False
    assert await journal.copies.due_at() == 20.0
    assert await journal.copies.claim(19.0, limit=9) == ()
    (again,) = await journal.copies.claim(20.0, limit=9)
    assert replace(again, owner=None) == replace(later, owner=None)


async def test_only_the_owner_settles_a_copy(journal: Journal) -> None:
    """Nothing is stored otherwise."""
    (copy,) = await end(journal, "a", OUTPUTS[:1])
    kept = replace(copy, state=CopyState.KEPT, kept_at=11.0, attempts=1)
    with pytest.raises(Fenced):
        await journal.copies.settle(kept)
    await journal.copies.claim(10.0, limit=1)
    with pytest.raises(Fenced):
        await journal.copies.settle(replace(kept, owner="77"))
    with pytest.raises(Fenced):
        await journal.copies.settle(replace(kept, task="b", owner="77"))
    (stored,) = await journal.copies.of_task("a")
    assert stored.state is CopyState.WAITING


async def test_the_oldest_copies_expire(journal: Journal) -> None:
    """They are claimed to be deleted; their rows stay and say why."""
    await end(journal, "a", OUTPUTS[:1] * 3)
    for number, copy in enumerate(await journal.copies.claim(10.0, limit=9)):
        await journal.copies.settle(replace(copy, state=CopyState.KEPT, size_bytes=5, kept_at=20.0 + number))
    assert await journal.copies.expire(kept_before=20.0, limit=9, reason="too old") == 0
    assert await journal.copies.expire(kept_before=30.0, limit=2, reason="too old") == 2
    assert await journal.copies.size_bytes() == 5
    claimed = await journal.copies.claim(30.0, limit=9)
    assert sorted(copy.kept_at or 0.0 for copy in claimed) == [20.0, 21.0]
    assert {(copy.state, copy.reason) for copy in claimed} == {(CopyState.EXPIRING, "too old")}
    for copy in claimed:
        await journal.copies.settle(replace(copy, state=CopyState.REMOVED))
    states = [copy.state for copy in await journal.copies.of_task("a")]
    assert sorted(states) == ["kept", "removed", "removed"]


async def test_copies_go_with_their_task(journal: Journal) -> None:
    """Their rows stay until the files are deleted, also if a copy was being made."""
    await end(journal, "a", OUTPUTS[:1] * 2)
    (held,) = await journal.copies.claim(10.0, limit=1)
    assert await journal.prune(ended_before=100.0, limit=9) == ("a",)
    assert await journal.copies.of_task("a") == ()
    (orphan,) = await journal.copies.claim(10.0, limit=9)
    assert orphan.state is CopyState.ORPHANED
    await journal.copies.forget(orphan)
    assert await journal.copies.find("a", orphan.part) is None

    await journal.copies.settle(replace(held, state=CopyState.KEPT, size_bytes=5, kept_at=11.0, attempts=1))
    (late,) = await journal.copies.claim(11.0, limit=9)
    assert (late.part, late.state) == (held.part, CopyState.ORPHANED)
    assert await journal.copies.size_bytes() == 0


async def test_copies_of_other_tasks_stay(journal: Journal) -> None:
    """When a task is deleted, only its files are."""
    await end(journal, "a", OUTPUTS[:1])
    copies = await end(journal, "b", OUTPUTS[:1])
    assert await journal.deletions.delete(["a"], at=10.0, upstream=False) == ("a",)
    assert await journal.copies.of_task("a") == ()
    assert await journal.copies.of_task("b") == copies


async def test_uploaded_files_stay_in_the_spool_until_they_are_copied(journal: Journal) -> None:
    """They belong to the node that has them, also after an attempt that failed."""
    file = File(
        input="image", filename="a.png", content_type="image/png", size_bytes=7, sha256="ab" * 32, path=Path("up", "0")
    )
    (copy,) = copies_of_files("a", "wiro", (file,))
    assert (copy.part, spooled_path(copy), copy.sha256) == ("inputs/0", Path("up", "0"), "ab" * 32)
    await end(journal, "a", OUTPUTS[:1], files=(file,))
    assert [replace(each, owner=None) for each in await journal.copies.spooled()] == [copy]
    (claimed,) = [each for each in await journal.copies.claim(10.0, limit=9) if spooled_path(each)]
    await journal.copies.settle(replace(claimed, attempts=1, next_at=20.0))
    assert len(await journal.copies.spooled()) == 1
    (again,) = await journal.copies.claim(20.0, limit=9)
    await journal.copies.settle(replace(again, state=CopyState.KEPT, kept_at=21.0, attempts=2))
    assert await journal.copies.spooled() == ()


async def test_an_uploaded_file_is_copied_by_the_node_that_has_it(database: str) -> None:
    """Another one takes over only when that node has stopped: a shared spool may have the file."""
    file = File(
        input="image", filename="a.png", content_type="image/png", size_bytes=7, sha256="ab" * 32, path=Path("up", "0")
    )
    one, other = (PostgresJournal(database, join=join) for _ in range(2))
    await one.open(lock=True)
    await other.open(lock=True)
    await end(one, "a", (), files=(file,))
    assert await other.copies.claim(10.0, limit=9) == ()
    (claimed,) = await one.copies.claim(10.0, limit=9)
    await one.copies.settle(replace(claimed, attempts=1, next_at=20.0))
    assert await other.copies.claim(20.0, limit=9) == ()
    await other._opened().errands.run("UPDATE nodes SET alive = false WHERE id = $1", int(one.node))
    assert len(await other.copies.claim(20.0, limit=9)) == 1
    await one.close()
    await other.close()


async def test_the_next_process_has_the_claims_of_one_that_was_killed(tmp_path: Path) -> None:
    """As when the process was killed, which leaves the claims in the file."""
    path = tmp_path / "relay.db"
    first = SQLiteJournal(path)
    await first.open(lock=True)
    await end(first, "a", OUTPUTS[:1])
    assert len(await first.copies.claim(10.0, limit=9)) == 1
    await first.close()
    second = SQLiteJournal(path)
    await second.open(lock=True)
    assert len(await second.copies.claim(10.0, limit=9)) == 1
    await second.close()


async def test_the_claims_of_a_dead_node_are_free(database: str) -> None:
    """A living node keeps its own, and what it settles late is refused."""
    one, other = (PostgresJournal(database, join=join) for _ in range(2))
    await one.open(lock=True)
    await other.open(lock=True)
    await end(one, "a", OUTPUTS[:1])
    (claimed,) = await one.copies.claim(10.0, limit=9)
    assert await other.copies.due_at() is None
    assert await other.copies.claim(10.0, limit=9) == ()
    await other._opened().errands.run("UPDATE nodes SET alive = false WHERE id = $1", int(one.node))
    assert await other.copies.due_at() == 0.0
    (taken,) = await other.copies.claim(10.0, limit=9)
    assert taken.part == claimed.part
    with pytest.raises(Fenced):
        await one.copies.settle(replace(claimed, state=CopyState.KEPT, kept_at=11.0, attempts=1))
    assert await other.copies.settle(replace(taken, state=CopyState.KEPT, kept_at=11.0, attempts=1)) is True
    await one.close()
    await other.close()


async def test_a_claim_whose_answer_was_lost_is_claimed_again(database: str) -> None:
    """And an answer to `settle` that was lost does no harm."""
    journal = PostgresJournal(database, join=join)
    await journal.open(lock=True)
    await end(journal, "a", OUTPUTS[:1])
    await journal.copies.claim(10.0, limit=9)
    journal.copies._held.clear()
    (again,) = await journal.copies.claim(10.0, limit=9)
    kept = replace(again, state=CopyState.KEPT, kept_at=11.0, attempts=1)
    assert [await journal.copies.settle(kept) for _ in range(2)] == [True, True]
    await journal.close()
