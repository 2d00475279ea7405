"""Who asked: the address of the peer, or of who stands behind proxies that we trust."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from aiohttp import web


def peer(request: web.Request, trusted: Sequence[str]) -> str:
    """
    Return the address of the first hop, from ours outwards, that is no trusted proxy.

    What lies beyond it in X-Forwarded-For can be anybody's invention.

    Args:
        request: who asks.
        trusted: addresses or networks of proxies.
    """
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    nearest = request.remote or ""
    while hops and _is_in(nearest, trusted):
        nearest = hops.pop()
    return nearest


def _is_in(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network, strict=False) for network in networks)
