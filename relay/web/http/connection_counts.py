"""How many there are at once, in all and from each address. What becomes of one too many is not decided here."""

from ipaddress import ip_network

from relay.web.http.ip_addresses import Network, is_in, parse_address

_NEIGHBOURS_BITS = 64
"""An IPv6 customer has this much of an address for himself: whoever has one has 2**64."""

UNKNOWN = "unknown"


class Crowd:
    """A count that knows its limits. Whoever entered leaves once."""

    def __init__(self, limit: int, limit_of_one: int) -> None:
        """
        Args:
            limit: how many there may be.
            limit_of_one: how many of one address.
        """
        self._limit = limit
        self._limit_of_one = limit_of_one
        self._of: dict[str, int] = {}
        self.size = 0

    def __repr__(self) -> str:
        return f"<Crowd {self.size} of {len(self._of)} addresses>"

    def enter(self, who: str | None) -> bool:
        """Count one more, if there is room; `who` is null where only the whole is counted."""
        if self.size >= self._limit or (who is not None and self._of.get(who, 0) >= self._limit_of_one):
            return False
        self.size += 1
        if who is not None:
            self._of[who] = self._of.get(who, 0) + 1
        return True

    def leave(self, who: str | None) -> None:
        """Count one less."""
        self.size -= 1
        if who is None:
            return
        if self._of[who] == 1:
            del self._of[who]
        else:
            self._of[who] -= 1


def counted_as(address: str, exempt: tuple[Network, ...] = ()) -> str | None:
    """
    Return as whom an address counts; null for one that stands for many.

    Loopback does: from there come a proxy that nobody named and the tools of this machine, and no stranger. All clients
    whose proxy names something else than an address count as one.

    Args:
        address: whose; empty for a socket that has none.
        exempt: networks that stand for many as well.
    """
    if not address:
        return None
    found = parse_address(address)
    if found is None:
        return UNKNOWN
    if found.is_loopback or is_in(found, exempt):
        return None
    return str(ip_network((found, _NEIGHBOURS_BITS), strict=False) if found.version == 6 else found)
