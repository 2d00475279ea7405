"""The static pages. Whatever they show they fetch with a token out of the address's fragment, which no server sees."""

from pathlib import Path

from aiohttp import hdrs, web

import relay
from relay.web.frames import is_unwelcome
from relay.web.http.context import context


def static_folder() -> Path:
    """Return where the static files are: inside the installed package, or beside it in a checkout."""
    package = Path(relay.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


STATIC = static_folder()
FILES = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}
"""By name, so that no name can lead out of the folder."""


def _page(request: web.Request, name: str, frame_ancestors: str) -> web.FileResponse:
    config = context(request).config
    media = config.media_sources
    if is_unwelcome(request, frame_ancestors, str(config.public_url or "")):
        # Its words are for everybody, it has no script, and whoever put a button over it would gain nothing.
        name, frame_ancestors = "pages/unframed.html", "*"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' blob: data: {media}; media-src 'self' blob: data: {media}; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {frame_ancestors}"
    )
    headers = {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-cache"}
    return web.FileResponse(STATIC / name, headers=headers)


async def file(request: web.Request) -> web.FileResponse:
    """`GET /static/…`: a module, a style, a picture."""
    path = FILES.get(request.match_info["path"])
    if path is None:  # FileResponse would answer by itself, and not with a problem
        raise web.HTTPNotFound
    return web.FileResponse(path)


async def board(request: web.Request) -> web.FileResponse:
    """`GET /`: all tasks, for who has a key."""
    return _page(request, "pages/dashboard.html", "'none'")


async def task(request: web.Request) -> web.FileResponse:
    """`GET /t/{id}`: one task."""
    return _page(request, "pages/task.html", "'none'")


async def inspect(request: web.Request) -> web.FileResponse:
    """`GET /inspect/{id}`: one task as the relay tells it, message by message."""
    return _page(request, "pages/inspect.html", "'none'")


async def embed(request: web.Request) -> web.FileResponse:
    """`GET /embed/{id}`: one task, for somebody else's page."""
    return _page(request, "pages/embed.html", context(request).config.frame_ancestors)
