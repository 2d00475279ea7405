"""The counters of hot paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.counting import WINDOW_S, Histogram, LabeledCounter, RecentMaximum


@given(st.lists(st.floats(0, 100)))
def test_every_value_is_in_the_bucket_that_its_bounds_say(values: list[float]) -> None:
    """A bound is inclusive, and the last bucket takes the rest."""
    histogram = Histogram((1.0, 10.0))
    for value in values:
        histogram.observe(value)

    below = sum(value <= 1 for value in values), sum(1 < value <= 10 for value in values)
    assert histogram.counts == [*below, len(values) - sum(below)]
    assert histogram.total == pytest.approx(sum(values))  # from Python 3.12 on, sum() corrects rounding errors


def test_a_recent_maximum_forgets_what_is_two_windows_old() -> None:
    """It remembers a value for one window at least."""
    now = 0.0
    recent = RecentMaximum(lambda: now)
    recent.observe(5.0)
    assert recent.value == 5.0

    now = WINDOW_S - 1
    recent.observe(1.0)
    now = 2 * WINDOW_S - 1
    assert recent.value == 5.0
    recent.observe(2.0)  # begins another window
    assert recent.value == 5.0

    now += WINDOW_S
    assert recent.value == 2.0
    recent.observe(0.5)
    assert recent.value == 2.0
    now += 2 * WINDOW_S
    assert recent.value == 0.0
    recent.observe(0.1)
    assert recent.value == 0.1


def test_a_tally_has_0_for_what_was_not_counted() -> None:
    """Reading adds nothing."""
    tally = LabeledCounter()
    assert tally["a", "b"] == 0
    tally["a", "b"] += 1
    assert tally == {("a", "b"): 1}
