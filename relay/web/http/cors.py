"""
Which pages may use the relay from a browser, and the headers that say so.

A request without Origin is no browser page and passes: what it may do is decided by its credential. No cookie
authorises anything here, so there is nothing for a foreign page to ride on.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from relay.config import Config
from relay.errors import Code, RequestError
from relay.net.origin import origin_matches, same_address
from relay.web.http.base_path import local_path
from relay.web.http.context import context

_CORS_HEADERS = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}

ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", hdrs.SERVER: "relay"}
"""What is on every answer of ours. The name of the server says nothing of its parts and their versions."""


def may_use(config: Config, origin: str, host: str) -> bool:
    """Say whether pages of `origin` may use a relay that was addressed as `host`."""
    if any(origin_matches(allowed, origin) for allowed in config.allowed_origins):
        return True
    try:
        page = urlsplit(origin)
    except ValueError:  # an open bracket, for one
        return False
    # Exactly as it was sent, which no browser does but in this way.
    if not origin.isascii() or not page.netloc or origin != f"{page.scheme}://{page.netloc}":
        return False
    return same_address(page, host) or page.netloc == urlsplit(str(config.public_url or "")).netloc


@web.middleware
async def origins(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign pages, and answer the browser's preflight for the others."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or not local_path(request).startswith("/v1/"):
        return await handler(request)
    if not may_use(context(request).config, origin, request.host):
        raise RequestError(Code.FORBIDDEN, "Pages of this origin may not use the relay; see RELAY_ALLOWED_ORIGINS.")
    if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        return web.Response(status=204, headers=_CORS_HEADERS)
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Say on every answer what a browser may do with it."""
    headers = response.headers
    headers.update(ALWAYS)
    if local_path(request).startswith("/static/"):
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        headers["Timing-Allow-Origin"] = "*"  # a page that loads the client may see how long that took
        headers[hdrs.CACHE_CONTROL] = "no-cache"  # kept, but asked for: modules of two versions do not fit together
        return
    _forbid_storing(request, headers)
    headers[hdrs.VARY] = "Origin"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and may_use(context(request).config, origin, request.host):
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Retry-After"


def _forbid_storing(request: web.Request, headers: CIMultiDict[str]) -> None:
    """
    Have no cache keep what a credential opened, or was refused.

    A shared cache must not store answers to `Authorization` (RFC 9111 section 3.5); of a token in the address it knows
    nothing, and a browser's own cache stores both.
    """
    if hdrs.CACHE_CONTROL not in headers:
        if local_path(request).startswith("/v1/"):
            headers[hdrs.CACHE_CONTROL] = "no-store"
    elif "token" in request.query:
        headers[hdrs.CACHE_CONTROL] += ", no-store"
