"""Histograms on a logarithmic scale: quantiles, also of the samples above a value."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.history.distribution import Distribution, bucket_of, scaled


def of(*values: float) -> Distribution:
    weights: dict[float, float] = {}
    for value in values:
        weights[bucket_of(value)] = weights.get(bucket_of(value), 0) + 1
    return Distribution.of(weights, len(values))


@given(st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=50), st.floats(0.0, 1.0))
def test_a_quantile_is_within_the_samples(values: list[float], share: float) -> None:
    """To the width of a bucket."""
    found = of(*values).quantile(share)
    assert found is not None
    assert min(values) * 0.97 <= found <= max(values) * 1.03


@given(
    st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=50), st.floats(0.0, 1e6), st.floats(0, 1)
)
def test_a_quantile_beyond_a_value_is_above_it(values: list[float], beyond: float, share: float) -> None:
    """A task that has lasted so long does not end in the past."""
    found = of(*values).quantile_beyond(beyond, share)
    assert found is None or found >= beyond * 0.999999
    if beyond > max(values) * 1.03:
        assert found is None


def test_quantiles_of_many_samples_are_those_of_the_samples() -> None:
    """Half are below the median, nine of ten below p90; of those above 8, half are below 9."""
    values = [random.Random(4).uniform(0, 10) for _ in range(1)] + [number / 500 for number in range(1, 5000)]
    found = of(*values)
    assert found.quantile(0.5) == pytest.approx(5, rel=0.02)
    assert found.quantile(0.9) == pytest.approx(9, rel=0.02)
    assert found.quantile_beyond(8, 0.5) == pytest.approx(9, rel=0.02)


def test_few_samples_widen_the_range() -> None:
    """The next of three samples exceeds all of them with a probability of one quarter."""
    assert of(1, 2, 3).quantile(0.9) == pytest.approx(3, rel=0.02)
    assert of(1, 2, 3).quantile(0.5) == pytest.approx(2, rel=0.02)


def test_a_scaled_bucket_is_that_of_the_scaled_value() -> None:
    """Scaling moves a bucket by a fraction."""
    assert scaled(bucket_of(3.0), 2.0) == pytest.approx(bucket_of(6.0), abs=1)
