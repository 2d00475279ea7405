"""Counts, rate limits and minimum rates alone, without a clock or a socket."""

from ipaddress import ip_network

import pytest

from relay.backoff import Bucket
from relay.errors import Code, RequestError
from relay.web.http.connection_counts import ConnectionCounts, counted_address
from relay.web.http.min_rate import MIN_BYTES_PER_S, MinRate
from relay.web.http.rate_limits import RateLimit


def test_the_total_is_limited() -> None:
    """An addition beyond the limit is refused; after a removal there is room again."""
    counts = ConnectionCounts(2, 2)
    assert [counts.add(address) for address in ("a", None, "b")] == [True, True, False]
    counts.remove(None)
    assert counts.add("b")
    assert counts.total == 2


def test_the_count_of_one_address_is_limited() -> None:
    """Other addresses are not affected, and a removal makes room for the same address."""
    counts = ConnectionCounts(10, 2)
    assert [counts.add("a") for _ in range(3)] == [True, True, False]
    assert counts.add("b")
    counts.remove("a")
    assert [counts.add("a") for _ in range(2)] == [True, False]


def test_addresses_without_connections_use_no_memory() -> None:
    """Removing the last connection of an address forgets the address."""
    counts = ConnectionCounts(10, 2)
    for number in range(1000):
        assert counts.add(f"address-{number}")
        counts.remove(f"address-{number}")
    assert (counts.total, counts._by_address) == (0, {})


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.1.2.3", None),
        ("10.2.2.3", "10.2.2.3"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", None),
    ],
)
def test_the_key_of_an_address(address: str, counted: str | None) -> None:
    """An IPv6 /64 counts as one address. Loopback and trusted proxies are not counted by address."""
    assert counted_address(address, (ip_network("10.1.0.0/16"),)) == counted


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


def test_each_key_has_its_own_rate_limit() -> None:
    """A key that exceeds its limit does not affect others, and the refusal says when to retry."""
    limit = RateLimit(2, "starts", "API key")
    limit.spend(0, 100.0)
    limit.spend(0, 100.0)
    with pytest.raises(RequestError) as caught:
        limit.spend(0, 100.0)
    assert caught.value.code is Code.RATE_LIMITED
    assert caught.value.retry_after_s == pytest.approx(30.0)
    limit.spend(1, 100.0)
    limit.spend(0, 131.0)


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
