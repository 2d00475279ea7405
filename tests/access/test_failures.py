"""Failed authentications are reported a few times per minute, and all of them are counted."""

from hypothesis import given
from hypothesis import strategies as st

from relay.access.failures import ADDRESSES, WINDOW_S, Failures


def test_the_first_failure_of_an_address_is_reported_at_once_and_the_others_at_the_end() -> None:
    """A new window begins with the next failure."""
    failures = Failures()
    assert not failures
    assert failures.note("a", 0.0)
    assert [failures.note(address, 1.0) for address in ("a", "a", "b")] == [False, False, True]
    assert failures.due(WINDOW_S - 0.1) == ()
    assert failures
    assert failures.due(WINDOW_S) == [("a", 2)]
    assert not failures
    assert failures.note("a", WINDOW_S + 5)
    assert failures.due(2 * WINDOW_S + 4) == ()


@given(st.lists(st.integers(0, 3 * ADDRESSES).map(str)))
def test_reports_are_few_and_their_counts_complete(addresses: list[str]) -> None:
    """However many addresses there are."""
    failures = Failures()
    at_once = [address for address in addresses if failures.note(address, 0.0)]
    later = failures.end()
    assert len(at_once) == len(set(at_once)) <= ADDRESSES
    assert len(later) <= ADDRESSES + 1
    assert len(at_once) + sum(each.times for each in later) == len(addresses)
    assert failures.end() == []
