"""Find the address of the client: the address of the connection, or the one that trusted proxies report."""

from collections.abc import Sequence

from aiohttp import web

from relay.web.http.ip_addresses import Network, is_in, parse_address

LONGEST_CHARS = 45
"""The length of the longest IP address. Other values are cut to this length, because clients can forge them."""


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """
    Return the address of the first hop, seen from the relay, that is not a trusted proxy.

    Entries of `X-Forwarded-For` beyond that hop can be forged. A proxy may add a header line instead of extending the
    existing one; the lines are one list (https://www.rfc-editor.org/rfc/rfc9110#section-5.3).

    Args:
        request: the client's request.
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
