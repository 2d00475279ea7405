"""Which addresses are those of the public internet."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.net.public_address import is_public


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *(
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
        ),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:0808:0808::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "fc00::1", "fd12::1", "fec0::1"),
        *("fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "ff02::1", "100::1", "5f00::1"),
        *("localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", ""),
    ],
)
def test_other_addresses_and_names_are_not_public(address: str) -> None:
    """In whatever form they are written."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address: str) -> None:
    """Also an IPv4 address behind NAT64, whose last four bytes are the address that is reached."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_not_public(address: IPv4Address) -> None:
    """In any form that carries an IPv4 address in IPv6."""
    if not address.is_global or address.is_multicast:
        assert not is_public(str(address))
        assert not is_public(f"::ffff:{address}")
        assert not is_public(f"64:ff9b::{address}")


@given(st.ip_addresses(v=6))
def test_what_python_calls_private_is_not_public_in_ipv6(address: IPv6Address) -> None:
    """Python may call more addresses public than the registry does."""
    if is_public(str(address)):
        assert address.is_global or address.ipv4_mapped is not None
