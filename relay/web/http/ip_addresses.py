"""Parse IP addresses in the spellings that sockets and proxies use."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([^:]*):[0-9]+")
"""Some proxies add the port: `192.0.2.1:5678`, `[2001:db8::1]:5678` (https://www.rfc-editor.org/rfc/rfc7239#section-6)."""


def parse_address(text: str) -> Address | None:
    """Parse an address with or without a port. Return None for anything else. IPv4-mapped IPv6 becomes IPv4."""
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of these networks."""
    return any(address in network for network in networks)
