"""
Check the origin of browser pages, and set the response headers for browsers (CORS, caching, sniffing).

A request without `Origin` does not come from a page of another origin and passes; its credential decides what it may
do. The relay uses no cookies, so cross-site request forgery is not possible.
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
from relay.web.http.request_ids import HEADER, REQUEST_ID

_CORS_HEADERS = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "DELETE, GET, POST",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, "
    "X-API-Key, X-Nonce, X-Signature",
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}

API_PATHS = ("/v1/", "/wiro/v1")
"""The beginnings of the paths whose responses are for programs and depend on a credential."""

COMMON_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", hdrs.SERVER: "relay"}
"""Set on every response. `Server` does not disclose libraries and their versions."""


def is_allowed(config: Config, origin: str, host: str) -> bool:
    """Return whether pages of `origin` may use the relay that was addressed as `host`."""
    if any(origin_matches(allowed, origin) for allowed in config.allowed_origins):
        return True
    try:
        page = urlsplit(origin)
    except ValueError:  # for example an unclosed bracket
        return False
    # Browsers send an origin in exactly this form (https://www.rfc-editor.org/rfc/rfc6454#section-6.2).
    if not origin.isascii() or not page.netloc or origin != f"{page.scheme}://{page.netloc}":
        return False
    return same_address(page, host) or page.netloc == urlsplit(str(config.public_url or "")).netloc


@web.middleware
async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject pages of origins that are not allowed, and answer the preflight requests of the others."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or not local_path(request).startswith(API_PATHS):
        return await handler(request)
    if not is_allowed(context(request).config, origin, request.host):
        context(request).counts.proxy_sign("origin_refused")
        raise RequestError(
            Code.FORBIDDEN, "The origin of this page is not allowed. Add it to RELAY_ALLOWED_ORIGINS to allow it."
        )
    if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        return web.Response(status=204, headers=_CORS_HEADERS)
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that control what browsers may do with a response."""
    headers = response.headers
    headers.update(COMMON_HEADERS)
    if REQUEST_ID in request:
        headers[HEADER] = request[REQUEST_ID]
    if local_path(request).startswith("/static/"):
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        headers["Timing-Allow-Origin"] = "*"  # pages may measure how long the client took to load
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        return
    _forbid_caching(request, headers)
    headers[hdrs.VARY] = "Origin, Accept-Encoding"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and is_allowed(context(request).config, origin, request.host):
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Preference-Applied, Retry-After, X-Request-Id"


def _forbid_caching(request: web.Request, headers: CIMultiDict[str]) -> None:
    """
    Forbid caches to store responses that depend on a credential.

    Shared caches do not store responses to requests with `Authorization`
    (https://www.rfc-editor.org/rfc/rfc9111#section-3.5), but they do not recognize a token in the URL, and a browser's
    own cache stores both.
    """
    if hdrs.CACHE_CONTROL not in headers:
        if local_path(request).startswith(API_PATHS):
            headers[hdrs.CACHE_CONTROL] = "no-store"
    elif "token" in request.query and "immutable" not in headers[hdrs.CACHE_CONTROL]:  # a kept result never changes
        headers[hdrs.CACHE_CONTROL] += ", no-store"
