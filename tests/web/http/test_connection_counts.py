"""Counts of connections in total and by client address."""

from ipaddress import ip_network

import pytest

from relay.web.http.connection_counts import ConnectionCounts, counted_address


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
