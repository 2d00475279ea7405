"""A stored snapshot is never too old, and tasks that run side by side do not renew theirs at the same time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.base import SNAPSHOT_EVERY
from relay.tasks.snapshot_points import snapshot_due


@given(task=st.text(st.characters(codec="utf-8")), before=st.integers(1, 10**9))
def test_each_stretch_of_that_many_events_has_one_point(task: str, before: int) -> None:
    due = [seq for seq in range(before, before + SNAPSHOT_EVERY) if snapshot_due(task, seq, seq + 1)]
    assert len(due) == 1


@given(task=st.text(st.characters(codec="utf-8")), before=st.integers(1, 10**9), sizes=st.lists(st.integers(1, 99)))
def test_events_that_are_committed_together_pass_the_points_that_they_contain(
    task: str, before: int, sizes: list[int]
) -> None:
    for size in sizes:
        alone = any(snapshot_due(task, seq, seq + 1) for seq in range(before, before + size))
        assert snapshot_due(task, before, before + size) == alone
        before += size


def test_tasks_that_run_side_by_side_have_different_points() -> None:
    """At most a few of 100 tasks renew their snapshots with the same event."""
    points = Counter(
        next(seq for seq in range(SNAPSHOT_EVERY) if snapshot_due(f"task-{number}", seq, seq + 1))
        for number in range(100)
    )
    assert max(points.values()) <= 5
