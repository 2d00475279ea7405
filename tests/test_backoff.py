"""Token buckets."""

import pytest

from relay.backoff import Bucket


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    """A refusal returns the seconds until the next token."""
    bucket = Bucket(3, 0.5, now=100.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0, 0, 0, 2.0, 2.0]
    assert bucket.take(101.0) == pytest.approx(1.0)
    assert bucket.take(102.0) == 0
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 2.0]


def test_a_clock_that_is_set_back_does_not_change_a_bucket() -> None:
    """No token is added or taken for the negative time."""
    bucket = Bucket(2, 1.0, now=100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) == 0
    assert bucket.take(50.0) == pytest.approx(1.0)
