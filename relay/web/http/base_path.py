"""
Serve the relay under a path of a site, such as `https://example.com/relay/`.

A proxy may strip the prefix or pass it on. Both work: every route exists with and without the prefix, and code that
depends on the path uses the path without it.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from relay.config import Config
from relay.web.http.context import context


def prefix(config: Config) -> str:
    """Return the path of `RELAY_PUBLIC_URL` without a trailing slash. Empty for the root."""
    return urlsplit(str(config.public_url or "")).path.rstrip("/")


def local_path(request: web.Request) -> str:
    """Return the path of a request without the prefix."""
    base = prefix(context(request).config)
    return request.path.removeprefix(base) if base and request.path.startswith(f"{base}/") else request.path


async def remove_slash(request: web.Request) -> web.Response:
    """Redirect `/t/ID/` to `/t/ID`. The location is relative because a proxy may have stripped a prefix."""
    return _redirect(request, "../" + request.rel_url.raw_path.rstrip("/").rpartition("/")[2])


async def add_slash(request: web.Request) -> web.Response:
    """Redirect `/relay` to `/relay/`: the URLs in the dashboard are relative to its folder."""
    return _redirect(request, request.rel_url.raw_path.rpartition("/")[2] + "/")


def _redirect(request: web.Request, location: str) -> web.Response:
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return web.Response(status=308, headers={hdrs.LOCATION: location + query})
