"""
Tell addresses of the public internet from all others, which a URL of a stranger must not lead to.

The networks are those of the registries of special-purpose addresses, https://www.iana.org/assignments/iana-ipv4-special-registry
and https://www.iana.org/assignments/iana-ipv6-special-registry. `ipaddress.is_global` differs between Python versions.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_NOT_PUBLIC_4: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)

_PUBLIC_6: Final = ip_network("2000::/3")

_NOT_PUBLIC_6: Final = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # Teredo and other protocols
            "2001:db8::/32",
            "2002::/16",  # 6to4: the relay that it leads through decides where it goes
            "3fff::/20",
        ),
    )
)

_NAT64: Final = ip_network("64:ff9b::/96")
"""The prefix of RFC 6052: the last 32 bits are the IPv4 address that is reached."""


def is_public(text: str) -> bool:
    """Return whether this is an IP address of the public internet. One with a zone (`fe80::1%eth0`) is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        embedded = IPv4Address(address.packed[-4:]) if address in _NAT64 else address.ipv4_mapped
        if embedded is None:
            return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)
        address = embedded
    return not any(address in network for network in _NOT_PUBLIC_4)
