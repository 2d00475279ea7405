"""
Notice a reverse proxy that is not configured as docs/reverse-proxies.md describes.

The relay cannot see the proxy, only what arrives. Each sign may have another cause, so it is counted and not refused.
"""

from collections.abc import Iterator, Sequence

from aiohttp import HttpVersion11, hdrs, web

from relay.web.http.ip_addresses import Network, is_in, parse_address

_FORWARDED = ("X-Forwarded-For", hdrs.FORWARDED)


def proxy_signs(request: web.Request, trusted: Sequence[Network]) -> Iterator[str]:
    """
    Yield the signs that a request shows.

    - `upgrade_missing`: a request for a WebSocket without `Upgrade`. Proxies remove it by default.
    - `forwarded_untrusted`: a proxy reports a client address, and RELAY_TRUSTED_PROXIES does not have the proxy.
    - `stream_http_1_0`: an event stream over HTTP/1.0, as nginx asks for by default. Proxies buffer it.
    - `browser_poll`: the client script polls. It does so where neither WebSockets nor event streams get through.

    Args:
        request: the client's request.
        trusted: networks of trusted proxies.
    """
    headers = request.headers
    if any(name in headers for name in _FORWARDED):
        nearest = parse_address(request.remote or "")
        if nearest is None or not is_in(nearest, trusted):
            yield "forwarded_untrusted"
    if request.path.endswith("/ws"):
        if request.method == hdrs.METH_GET and hdrs.UPGRADE not in headers:
            yield "upgrade_missing"
    elif request.path.endswith("/events"):
        streams = "text/event-stream" in headers.get(hdrs.ACCEPT, "").lower()
        if streams and request.version < HttpVersion11:
            yield "stream_http_1_0"
        elif not streams and request.path.endswith("/v1/events") and "Sec-Fetch-Mode" in headers:
            yield "browser_poll"
