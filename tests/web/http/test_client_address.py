"""
The address of the client, with and without proxies.

`ip_addresses` is tested here too.
"""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from relay.web.http.client_address import client_address
from relay.web.http.connection_counts import ConnectionCounts, counted_address


@pytest.mark.parametrize(
    ("forwarded", "trusted", "found"),
    [
        ("", (), "127.0.0.1"),
        ("203.0.113.9", (), "127.0.0.1"),
        ("203.0.113.9", ("127.0.0.1",), "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", ("127.0.0.0/8",), "203.0.113.9"),
        ("203.0.113.9, 10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "203.0.113.9"),
        ("10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "10.0.0.7"),
        ("nonsense, 203.0.113.9", ("127.0.0.1", "203.0.113.9"), "nonsense"),
        ("203.0.113.9:5678", ("127.0.0.1",), "203.0.113.9"),
        ("[2001:db8::1]:5678", ("127.0.0.1",), "2001:db8::1"),
        ("[2001:db8::1]", ("127.0.0.1",), "2001:db8::1"),
        ("2001:DB8::1", ("127.0.0.1",), "2001:db8::1"),
        ("203.0.113.9, 10.0.0.7:80, [fd00::7]:443", ("127.0.0.1", "10.0.0.0/8", "fd00::/8"), "203.0.113.9"),
        ("::ffff:203.0.113.9", ("127.0.0.1",), "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "203.0.113.9"),
        ("203.0.113.9, unknown", ("127.0.0.1",), "unknown"),
        ("x" * 8000, ("127.0.0.1",), "x" * 45),
    ],
)
def test_the_client_is_the_first_hop_that_is_not_a_trusted_proxy(
    forwarded: str, trusted: tuple[str, ...], found: str
) -> None:
    """Entries beyond that hop can be forged."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="127.0.0.1")
    assert client_address(request, [ip_network(network) for network in trusted]) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("6.6.6.6", "203.0.113.9"), "203.0.113.9"),
        (("6.6.6.6, 6.6.6.7", "203.0.113.9, 10.0.0.7"), "203.0.113.9"),
        (("203.0.113.9", "10.0.0.7", "10.0.0.8"), "203.0.113.9"),
        (("203.0.113.9", ""), "203.0.113.9"),
    ],
)
def test_header_lines_are_one_list(lines: tuple[str, ...], found: str) -> None:
    """HAProxy's `option forwardfor` adds a line after the one that the client sent."""
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="127.0.0.1")
    assert client_address(request, [ip_network("127.0.0.1"), ip_network("10.0.0.0/8")]) == found


def test_clients_without_an_address_are_counted_together() -> None:
    """A proxy may report a different text for each connection."""
    counts = ConnectionCounts(10, 3)
    admitted = [counts.add(counted_address(f"client-{number}")) for number in range(8)]
    assert admitted == [True] * 3 + [False] * 5
    assert [
        counted_address(""),
        counted_address("127.0.0.1:80"),
        counted_address("10.0.0.7", (ip_network("10.0.0.0/8"),)),
    ] == [None] * 3
    assert counted_address("203.0.113.9") == counted_address("::ffff:203.0.113.9") == counted_address("203.0.113.9:1")
    assert counted_address("2001:db8::1") == counted_address("[2001:db8::2]:80")
