"""
The relay under a path of a site, `https://example.com/relay/`.

A proxy may take the prefix away or pass it on. Both work: all addresses are served with it and without, and what
depends on an address looks at it without.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from relay.config import Config
from relay.web.http.context import context


def prefix(config: Config) -> str:
    """Return the path under which the outside sees the relay, without a slash at its end; empty for the root."""
    return urlsplit(str(config.public_url or "")).path.rstrip("/")


def local_path(request: web.Request) -> str:
    """Return the path of a request without the prefix."""
    before = prefix(context(request).config)
    return request.path.removeprefix(before) if before and request.path.startswith(f"{before}/") else request.path


async def without_slash(request: web.Request) -> web.Response:
    """Lead from `/t/ID/` to `/t/ID`, relative to where the browser is: a proxy may have taken a prefix away."""
    return _moved(request, "../" + request.rel_url.raw_path.rstrip("/").rpartition("/")[2])


async def with_slash(request: web.Request) -> web.Response:
    """Lead from `/relay` to `/relay/`: what the dashboard loads is relative to the folder that it is in."""
    return _moved(request, request.rel_url.raw_path.rpartition("/")[2] + "/")


def _moved(request: web.Request, location: str) -> web.Response:
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return web.Response(status=308, headers={hdrs.LOCATION: location + query})
