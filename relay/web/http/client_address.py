"""The address of the client: of the connection, or of the first hop before the proxies that are trusted."""

from collections.abc import Sequence

from aiohttp import web

from relay.web.http.ip_addresses import Network, is_in, parse_address

LONGEST_CHARS = 45
"""The longest address that there is. What stands in the place of one is cut to it: it may be the client's invention."""


def peer(request: web.Request, trusted: Sequence[Network]) -> str:
    """
    Return the address of the first hop, from the relay outwards, that is no trusted proxy.

    What lies beyond it in X-Forwarded-For can be anybody's invention. A proxy may append a line of its own to that
    header in place of extending one: the lines are one list (RFC 9110 section 5.3).

    Args:
        request: the client's.
        trusted: networks of trusted proxies.
    """
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",") if hop.strip()]
    nearest = request.remote or ""
    while hops and (address := parse_address(nearest)) is not None and is_in(address, trusted):
        nearest = _address(hops.pop())
    return nearest


def _address(hop: str) -> str:
    address = parse_address(hop)
    return hop[:LONGEST_CHARS] if address is None else str(address)
