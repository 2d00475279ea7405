"""The offset of a platform's clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.platform_clock import PROMPT_S, PlatformClock

T0 = 1_700_000_000.0
offsets = st.floats(-90_000, 90_000)


@given(offsets, st.lists(st.tuples(st.floats(0, 500), st.floats(0.01, 0.4)), min_size=1, max_size=10))
def test_runs_with_fast_answers_give_the_offset_to_a_second(offset_s: float, runs: list[tuple[float, float]]) -> None:
    """The platform counts whole seconds. No correction exceeds the offset."""
    clock = PlatformClock()
    for at, answered_s in runs:
        dated = math.floor(T0 + at + answered_s / 2 + offset_s)
        clock.observe(dated, after=T0 + at, before=T0 + at + answered_s)
    assert abs(clock.offset_s - offset_s) <= 1.5
    assert abs(clock.offset_s) <= abs(offset_s) + 1.0


@given(offsets, st.lists(st.tuples(st.floats(0, 500), st.floats(0, 1)), min_size=1, max_size=10))
def test_frames_give_it_nearly_as_well(offset_s: float, frames: list[tuple[float, float]]) -> None:
    """They arrive shortly after the stages that they announce."""
    clock = PlatformClock()
    for at, delay_s in frames:
        arrived = T0 + at + delay_s
        clock.observe(math.floor(T0 + at + offset_s), after=arrived - PROMPT_S, before=arrived)
    assert abs(clock.offset_s - offset_s) <= PROMPT_S


def test_whole_seconds_alone_are_not_an_offset() -> None:
    """The clocks count as equal as long as they may be."""
    clock = PlatformClock()
    for at in (0.9, 1.99, 5.0):
        clock.observe(math.floor(T0 + at), after=T0 + at, before=T0 + at + 0.1)
    assert clock.offset_s == 0.0


def test_a_record_alone_shows_a_clock_that_is_ahead() -> None:
    """It cannot contain a time in the future."""
    clock = PlatformClock()
    clock.observe(T0 + 600, before=T0)
    assert clock.offset_s == 600
    clock.observe(T0 - 5000, before=T0)
    assert clock.offset_s == 600


def test_a_clock_that_was_set_is_noticed() -> None:
    """An observation that contradicts the earlier ones replaces them."""
    clock = PlatformClock()
    clock.observe(T0 + 600, after=T0, before=T0 + 0.2)
    clock.observe(T0 + 100, after=T0 + 100, before=T0 + 100.2)
    assert clock.offset_s == 0.0


@pytest.mark.parametrize("date", [T0 - 600, T0 + 600])
def test_a_date_header_counts_only_while_nothing_better_is_known(date: float) -> None:
    """It may be that of a proxy."""
    clock = PlatformClock()
    clock.observe(T0 - 9000, before=T0)
    clock.hint(date, after=T0, before=T0 + 0.2)
    assert abs(clock.offset_s - (date - T0)) <= 1
    clock.observe(T0, after=T0, before=T0 + 0.2)
    assert clock.offset_s == 0.0


def test_an_impossible_interval_says_nothing() -> None:
    """An event cannot have happened before the start of its interval."""
    clock = PlatformClock()
    clock.observe(T0 + 600, after=T0 + 5, before=T0)
    assert clock.offset_s == 0.0
