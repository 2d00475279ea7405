"""Serve the pages, scripts and styles. Pages get their token from the URL fragment, which browsers do not send."""

from pathlib import Path

from aiohttp import hdrs, web

import relay
from relay.web.http.context import context


def static_folder() -> Path:
    """Return the folder of the static files: inside the installed package, or next to it in a checkout."""
    package = Path(relay.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


STATIC = static_folder()
FILES = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}
"""Paths by URL. A URL that is not listed is not served, so none can lead outside the folder."""


def _page(request: web.Request, name: str, frame_ancestors: str) -> web.FileResponse:
    media = context(request).config.media_sources
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' blob: data: {media}; media-src 'self' blob: data: {media}; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {frame_ancestors}"
    )
    headers = {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-cache"}
    return web.FileResponse(STATIC / "pages" / name, headers=headers)


async def file(request: web.Request) -> web.FileResponse:
    """`GET /static/…`: a script, a style sheet or an image."""
    path = FILES.get(request.match_info["path"])
    if path is None:  # FileResponse would not return a problem
        raise web.HTTPNotFound
    return web.FileResponse(path)


async def dashboard(request: web.Request) -> web.FileResponse:
    """`GET /`: the dashboard, which lists all tasks."""
    return _page(request, "dashboard.html", "'none'")


async def webhooks(request: web.Request) -> web.FileResponse:
    """`GET /webhooks`: what has become of webhooks."""
    return _page(request, "webhooks.html", "'none'")


async def task(request: web.Request) -> web.FileResponse:
    """`GET /t/{id}`: the page of a task."""
    return _page(request, "task.html", "'none'")


async def inspect(request: web.Request) -> web.FileResponse:
    """`GET /inspect/{id}`: the inspector, which shows the messages of a task."""
    return _page(request, "inspect.html", "'none'")


async def embed(request: web.Request) -> web.FileResponse:
    """`GET /embed/{id}`: the page that other sites embed in an iframe."""
    return _page(request, "embed.html", context(request).config.frame_ancestors)
