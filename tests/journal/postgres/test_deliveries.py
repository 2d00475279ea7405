"""Entries reach the listeners once, whichever way they come."""

from relay.journal.entries import Appended, Entry
from relay.journal.postgres.deliveries import Deliveries
from tests.journal.postgres.cluster import body


def appended(*seqs: int, final: bool = False) -> Appended:
    entries = tuple(Entry.parse(body("t", seq, final=final and seq == seqs[-1])) for seq in seqs)
    return Appended(task="t", entries=entries)


def test_an_entry_is_not_delivered_again() -> None:
    """A commit may overlap with what was delivered; one that is known completely is dropped."""
    deliveries, heard = Deliveries(), list[Appended]()
    deliveries.add(heard.extend)
    deliveries.publish([appended(1, 2)])
    deliveries.publish([appended(1, 2)])
    deliveries.publish([appended(2, 3)])

    assert [[entry.seq for entry in each.entries] for each in heard] == [[1, 2], [3]]
    assert deliveries.last_seq("t") == 3


def test_what_is_remembered_of_a_task_ends_with_it() -> None:
    """The memory is bounded by the tasks that have not ended."""
    deliveries = Deliveries()
    deliveries.publish([appended(1, 2)])
    deliveries.publish([appended(3, final=True)])

    assert deliveries.last_seq("t") is None


def test_a_reset_forgets_what_was_delivered() -> None:
    """In another history, a log may go on with a lower seq."""
    deliveries, heard = Deliveries(), list[Appended]()
    resets: list[int | None] = []
    deliveries.add(heard.extend, lambda: resets.append(deliveries.last_seq("t")))
    deliveries.publish([appended(1, 2, 3)])
    deliveries.reset()
    deliveries.publish([appended(3)])

    assert resets == [None]
    assert [each.entries[-1].seq for each in heard] == [3, 3]
