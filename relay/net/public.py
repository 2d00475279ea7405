"""Tell addresses on the internet from those of private networks. Pure."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """
    Return whether an IP address is on the internet: not private, loopback, link-local, multicast or reserved.

    An IPv6 address that stands for an IPv4 address counts as that.

    Raises:
        ValueError: it is not an IP address.
    """
    found = ip_address(address.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in (found, *_embedded(found)))


def _embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that packets to an IPv6 address may reach."""
    if isinstance(address, IPv4Address):
        return ()
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:  # NAT64, and the deprecated IPv4-compatible form
        inner.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return tuple(each for each in inner if each is not None)
