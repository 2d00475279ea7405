"""The parts that only count: crowds, buckets, the patience with a body. No clock, no socket."""

from ipaddress import ip_network

import pytest

from relay.backoff import Bucket
from relay.errors import Code, RequestError
from relay.web.http.connection_counts import Crowd, counted_as
from relay.web.http.min_rate import FLOOR_BYTES_S, Pace
from relay.web.http.rate_limits import Rate


def test_a_crowd_has_room_for_so_many_in_all() -> None:
    """One too many is not counted; when one has left there is a place again."""
    crowd = Crowd(2, 2)
    assert [crowd.enter(who) for who in ("a", None, "b")] == [True, True, False]
    crowd.leave(None)
    assert crowd.enter("b")
    assert crowd.size == 2


def test_a_crowd_has_room_for_so_many_of_one_address() -> None:
    """Others come in beside it, and it comes in again when one of its own has left."""
    crowd = Crowd(10, 2)
    assert [crowd.enter("a") for _ in range(3)] == [True, True, False]
    assert crowd.enter("b")
    crowd.leave("a")
    assert [crowd.enter("a") for _ in range(2)] == [True, False]


def test_a_crowd_remembers_nobody_who_has_left() -> None:
    """Addresses come without end: of those that are gone nothing is kept."""
    crowd = Crowd(10, 2)
    for number in range(1000):
        assert crowd.enter(f"address-{number}")
        crowd.leave(f"address-{number}")
    assert (crowd.size, crowd._of) == (0, {})


@pytest.mark.parametrize(
    ("address", "who"),
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
def test_who_counts_as_whom(address: str, who: str | None) -> None:
    """An IPv6 customer is one however many addresses he has; loopback and named proxies stand for many."""
    assert counted_as(address, (ip_network("10.1.0.0/16"),)) == who


def test_a_bucket_gives_so_many_at_once_and_then_as_they_come_back() -> None:
    """And says how long it is until the next."""
    bucket = Bucket(3, 0.5, now=100.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0, 0, 0, 2.0, 2.0]
    assert bucket.take(101.0) == pytest.approx(1.0)
    assert bucket.take(102.0) == 0
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 2.0]


def test_a_clock_that_goes_back_fills_no_bucket_and_empties_none() -> None:
    """A machine's time can be set back."""
    bucket = Bucket(2, 1.0, now=100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) == 0
    assert bucket.take(50.0) == pytest.approx(1.0)


def test_each_key_has_its_own_rate() -> None:
    """One that is used too much takes nothing from the others; the refusal says how long to wait."""
    rate = Rate(2, "starts")
    rate.spend(0, 100.0)
    rate.spend(0, 100.0)
    with pytest.raises(RequestError) as caught:
        rate.spend(0, 100.0)
    assert caught.value.code is Code.RATE_LIMITED
    assert caught.value.retry_after_s == pytest.approx(30.0)
    rate.spend(1, 100.0)
    rate.spend(0, 131.0)


def test_a_body_may_pause_for_so_long() -> None:
    """Whatever came before: a pause is a pause."""
    pace = Pace(30.0)
    assert pace.patience_s == 30.0
    pace.came(10**9)
    assert pace.patience_s == 30.0


def test_a_body_that_trickles_has_an_end() -> None:
    """A byte after each twenty seconds is within the pause, and is not waited for without end."""
    pace, waits = Pace(30.0), 0
    while pace.patience_s > 20.0:
        pace.waited(20.0)
        pace.came(1)
        waits += 1
    assert waits == 1


def test_a_body_that_brings_enough_may_take_as_long_as_it_needs() -> None:
    """At the least speed an upload of a gigabyte would take weeks, and none is cut off for that."""
    pace = Pace(30.0)
    for _ in range(1000):
        pace.waited(20.0)
        pace.came(20 * FLOOR_BYTES_S)
    assert pace.patience_s == 30.0
