"""
Serve the scripts and other static files.

`make bundle` writes the scripts into static/dist/: one per page, with its styles. Their names change with their
content, so browsers keep them for ever. Everything else that refers to them is revalidated.
"""

import json
from pathlib import Path

from aiohttp import hdrs, web

import relay
from relay.web.http.file_response import FileResponse

_YEAR_S = 31_536_000
_MODULE_AGE_S = 300


def static_folder() -> Path:
    """Return the folder of the static files: inside the installed package, or next to it in a checkout."""
    package = Path(relay.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


STATIC = static_folder()
SCRIPTS: dict[str, str] = json.loads((STATIC / "dist" / "manifest.json").read_bytes())["scripts"]
"""The file names of the scripts by their short names, such as `task`."""

VERSIONED = f"relay@{'.'.join(relay.__version__.split('.')[:2])}.js"
"""The client under a name that has the version, for pages that check its integrity."""

_COMPRESSED = frozenset({".br", ".gz"})
FILES = {
    path.relative_to(STATIC).as_posix(): path
    for path in STATIC.rglob("*")
    if path.is_file() and path.suffix not in _COMPRESSED
} | {VERSIONED: STATIC / "dist" / SCRIPTS["relay"]}
"""Paths by URL. A URL that is not listed is not served, so none can lead outside the folder."""

_IMMUTABLE = frozenset(f"dist/{name}" for name in SCRIPTS.values())
_MODULES = frozenset({"relay.js", "elements.js", VERSIONED})


async def file(request: web.Request) -> web.StreamResponse:
    """`GET /static/…`: a script or an image, compressed if a compressed copy is beside it."""
    name = request.match_info["path"]
    path = FILES.get(name)
    if path is None:  # FileResponse would not return a problem
        return _other_version(name)
    return FileResponse(path, headers={hdrs.CACHE_CONTROL: _caching(name)})


def _caching(name: str) -> str:
    if name in _IMMUTABLE:
        return f"public, max-age={_YEAR_S}, immutable"
    return f"public, max-age={_MODULE_AGE_S}" if name in _MODULES else "no-cache"


def _other_version(name: str) -> web.Response:
    """
    Redirect from a script of another version to the one of this version.

    While nodes are upgraded one after the other, a page may come from one version and its script from another.
    """
    script = SCRIPTS.get(name.removeprefix("dist/").split(".")[0])
    if script is None or not name.startswith("dist/") or not name.endswith(".js"):
        raise web.HTTPNotFound
    return web.Response(status=307, headers={hdrs.LOCATION: script, hdrs.CACHE_CONTROL: "no-cache"})
