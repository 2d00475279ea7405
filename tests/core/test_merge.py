"""Output that is merged before it is written."""

import pytest

from relay.core.events import Event, Progress, Source, State, Submit
from relay.core.merge import MERGE_S, OutputMerger
from relay.core.signals import Part
from relay.core.snapshot import Snapshot, begin


@pytest.fixture
def snapshot() -> Snapshot:
    data = Submit(model="o/m", provider="wiro")
    return begin(
        Event(type="submit", task="t", seq=1, state=State.SUBMITTING, at=1.0, source=Source.RELAY, data=data), "epoch"
    )


def part(text: str) -> tuple[Part, ...]:
    return (Part(kind="answer", text=text),)


def test_the_first_output_is_due_at_once_and_the_next_one_later(snapshot: Snapshot) -> None:
    """Progress and answer each have their own interval."""
    merger = OutputMerger(10.0)
    assert merger.next_deadline() is None
    merger.add_parts(part("a"))
    assert merger.next_deadline() == 10.0
    assert len(merger.take_due(snapshot, 10.0)) == 1
    assert merger.next_deadline() is None

    merger.add_parts(part("ab"))
    merger.add_progress(Progress(percent=5.0), None)
    assert merger.next_deadline() == 10.0
    assert len(merger.take_due(snapshot, 10.05)) == 1
    assert merger.next_deadline() == 10.0 + MERGE_S
    assert len(merger.take_due(snapshot, 10.0 + MERGE_S)) == 1


def test_output_that_changes_nothing_is_not_written(snapshot: Snapshot) -> None:
    """It does not delay the next one either."""
    merger = OutputMerger(10.0)
    merger.add_parts(())
    assert merger.take_due(snapshot, 10.0) == []
    merger.add_parts(part("a"))
    assert merger.next_deadline() == 10.0


def test_all_output_can_be_taken_before_it_is_due(snapshot: Snapshot) -> None:
    """The latest of each kind."""
    merger = OutputMerger(10.0)
    for percent in (1.0, 2.0, 3.0):
        merger.add_progress(Progress(percent=percent), None)
        merger.add_parts(part("x" * int(percent)))
    found = merger.take_all(snapshot, 9.0)
    assert [type(each).__name__ for each in found] == ["ProgressOutput", "AppendOutput"]
    assert merger.take_all(snapshot, 9.0) == []
