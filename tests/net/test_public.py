"""Which IP addresses are on the internet."""

import pytest

from relay.net.public import is_public


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_addresses_on_the_internet(address: str) -> None:
    """Also those in the form of IPv6 that stand for one of IPv4."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "::127.0.0.1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1"),
    ],
)
def test_addresses_that_are_not(address: str) -> None:
    """Including those of IPv4 in the forms of IPv6: mapped, compatible, NAT64 and 6to4."""
    assert not is_public(address)


def test_a_name_is_not_an_address() -> None:
    """It has to be resolved first."""
    with pytest.raises(ValueError, match="localhost"):
        is_public("localhost")
