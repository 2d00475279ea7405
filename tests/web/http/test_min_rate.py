"""The minimum rate of request bodies."""

from relay.web.http.min_rate import MIN_BYTES_PER_S, MinRate


def test_the_timeout_is_the_longest_pause() -> None:
    """However much has been received before."""
    rate = MinRate(30.0)
    assert rate.timeout_s == 30.0
    rate.add_received(10**9)
    assert rate.timeout_s == 30.0


def test_a_body_that_trickles_is_cut_off() -> None:
    """One byte every 20 s stays within the longest pause, but not within the minimum rate."""
    rate, waits = MinRate(30.0), 0
    while rate.timeout_s > 20.0:
        rate.add_wait(20.0)
        rate.add_received(1)
        waits += 1
    assert waits == 1


def test_a_body_at_the_minimum_rate_may_take_any_time() -> None:
    """The total time grows with the bytes received."""
    rate = MinRate(30.0)
    for _ in range(1000):
        rate.add_wait(20.0)
        rate.add_received(20 * MIN_BYTES_PER_S)
    assert rate.timeout_s == 30.0
