"""Which live text a record already contains. How that completes a log is tested in test_lifecycle.py."""

from relay.core import log_overlap
from relay.core.log_overlap import IN_FLIGHT_S, LogOverlap
from relay.core.signals import Record


def record(stdout: str) -> Record:
    return Record(phase="open", status="x", stdout=stdout)


def test_a_record_waits_for_frames_in_flight() -> None:
    """One without text does not: there is nothing that could arrive twice."""
    overlap = LogOverlap()
    overlap.start(10.0)
    assert overlap.needs_record

    overlap.add_record(record("a\n"), asked_at=10.1, now=10.2)
    assert overlap.due_at == 10.2 + IN_FLIGHT_S
    overlap.add_record(record(""), asked_at=10.3, now=10.4)
    assert overlap.due_at == 10.4


def test_a_record_that_was_requested_before_the_opening_is_ignored() -> None:
    """It may lack what an earlier stream has brought."""
    overlap = LogOverlap()
    overlap.start(10.0)
    overlap.add_record(record("a\n"), asked_at=9.9, now=10.2)
    assert overlap.needs_record


def test_too_much_live_text_ends_the_comparison() -> None:
    """The memory of a task is bounded; its log is completed when it ends."""
    overlap = LogOverlap()
    overlap.start(10.0)
    overlap.add_live("stdout", "x" * log_overlap._MAX_LIVE_UNITS, 10.1)
    assert overlap.active
    overlap.add_live("stdout", "x", 10.2)
    assert not overlap.active
