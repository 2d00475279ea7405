"""Serve the pages. They get their token from the URL fragment, which browsers do not send."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from functools import cache

from aiohttp import hdrs, web

from relay.web.http.context import context
from relay.web.static_files import SCRIPTS, STATIC

_EARLY = (STATIC / "dist" / "early.js").read_text(encoding="utf-8").strip()
"""The one script that is inside a page. It requests the task's state while the page's own script is loading."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A page with the present names of its scripts."""

    html: bytes
    scripts: str
    """Sources of scripts, for the Content-Security-Policy."""


@cache
def _page(name: str) -> _Page:
    html = (STATIC / "pages" / f"{name}.html").read_text(encoding="utf-8")
    for short, script in SCRIPTS.items():
        html = html.replace(f"static/dist/{short}.js", f"static/dist/{script}")
    sources = "'self'"
    if "{early}" in html:
        html = html.replace("{early}", f"<script>{_EARLY}</script>")
        sources += f" 'sha256-{b64encode(hashlib.sha256(_EARLY.encode()).digest()).decode()}'"
    return _Page(html.encode(), sources)


def _response(request: web.Request, name: str, frame_ancestors: str) -> web.Response:
    page = _page(name)
    media = context(request).config.media_sources
    policy = (
        f"default-src 'none'; script-src {page.scripts}; connect-src 'self'; "
        f"img-src 'self' blob: data: {media}; media-src 'self' blob: data: {media}; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {frame_ancestors}"
    )
    headers = {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-cache"}
    return web.Response(body=page.html, content_type="text/html", charset="utf-8", headers=headers)


async def dashboard(request: web.Request) -> web.Response:
    """`GET /`: the dashboard, which lists all tasks."""
    return _response(request, "dashboard", "'none'")


async def insights(request: web.Request) -> web.Response:
    """`GET /insights`: statistics of the tasks of each model."""
    return _response(request, "insights", "'none'")


async def webhooks(request: web.Request) -> web.Response:
    """`GET /webhooks`: what has become of webhooks."""
    return _response(request, "webhooks", "'none'")


async def task(request: web.Request) -> web.Response:
    """`GET /t/{id}`: the page of a task."""
    return _response(request, "task", "'none'")


async def tag(request: web.Request) -> web.Response:
    """`GET /b/{tag}`: the tasks of a tag, for their owner."""
    return _response(request, "tag", "'none'")


async def inspect(request: web.Request) -> web.Response:
    """`GET /inspect/{id}`: the inspector, which shows the messages of a task."""
    return _response(request, "inspect", "'none'")


async def embed(request: web.Request) -> web.Response:
    """`GET /embed/{id}`: the page that other sites embed in an iframe."""
    return _response(request, "embed", context(request).config.frame_ancestors)
