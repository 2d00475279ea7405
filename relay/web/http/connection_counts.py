"""Count connections or viewers, in total and per client address, and enforce the limits."""

from collections.abc import Iterable
from ipaddress import ip_network

from relay.web.http.ip_addresses import Network, is_in, parse_address

_IPV6_PREFIX_BITS = 64
"""An IPv6 customer usually gets a whole /64, so all its addresses count as one."""

UNKNOWN = "unknown"


class ConnectionCounts:
    """Counts in total and per client address, with a limit for each."""

    def __init__(self, limit: int, address_limit: int) -> None:
        """
        Args:
            limit: the limit in total.
            address_limit: the limit for one address.
        """
        self.limit = limit
        self._address_limit = address_limit
        self._by_address: dict[str, int] = {}
        self.total = 0

    def __repr__(self) -> str:
        return f"<ConnectionCounts {self.total} from {len(self._by_address)} addresses>"

    def add(self, address: str | None) -> bool:
        """Count one more and return True, or return False at a limit. None counts in the total only."""
        if self.total >= self.limit:
            return False
        if address is not None:
            if self._by_address.get(address, 0) >= self._address_limit:
                return False
            self._by_address[address] = self._by_address.get(address, 0) + 1
        self.total += 1
        return True

    def remove(self, address: str | None) -> None:
        """Count one less. Call it once for each `add` that returned True."""
        self.total -= 1
        if address is None:
            return
        if self._by_address[address] == 1:
            del self._by_address[address]
        else:
            self._by_address[address] -= 1


def counted_address(address: str, proxies: Iterable[Network] = ()) -> str | None:
    """
    Return the key under which a client address is counted, or None if it stands for many clients.

    Loopback addresses stand for many: local tools and proxies that are not configured as trusted connect from there.
    Clients whose proxy reports something other than an address share the key `UNKNOWN`.

    Args:
        address: the client address. Empty for a socket without one.
        proxies: networks of trusted proxies, which stand for many clients.
    """
    if not address:
        return None
    parsed = parse_address(address)
    if parsed is None:
        return UNKNOWN
    if parsed.is_loopback or is_in(parsed, proxies):
        return None
    return str(ip_network((parsed, _IPV6_PREFIX_BITS), strict=False) if parsed.version == 6 else parsed)
