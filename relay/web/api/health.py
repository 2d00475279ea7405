"""`GET /livez` and `GET /readyz`: the health checks of load balancers and orchestrators."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from aiohttp import web

from relay.config import Config
from relay.web.api.responses import Liveness, Readiness
from relay.web.http.context import context
from relay.web.http.json_body import json_response

_DISK_TIMEOUT_S: Final = 1.0
"""A network file system may not respond."""


async def live(_request: web.Request) -> web.Response:
    """`GET /livez`: the event loop responds."""
    return json_response(Liveness(status="ok"))


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: new tasks are accepted, the store is usable, and file descriptors are left for viewers."""
    here = context(request)
    if here.tasks.draining:
        status = "draining"
    elif here.stopping:
        status = "stopping"
    elif not here.gate.has_room():
        status = "few file descriptors are left"
    else:
        status = await here.tasks.check_store() or "ok"
    readiness = Readiness(
        status=status,
        following=here.tasks.following,
        viewers=here.hub.viewers,
        files_free=here.gate.free_descriptors(),
        disk_free_bytes=await _disk_free_bytes(here.config),
    )
    return json_response(readiness, 200 if status == "ok" else 503)


async def _disk_free_bytes(config: Config) -> int | None:
    paths = [path for path in (config.sqlite_path and config.sqlite_path.parent, config.spool_path) if path is not None]
    try:
        async with asyncio.timeout(_DISK_TIMEOUT_S):
            return await asyncio.to_thread(_least_free_bytes, paths)
    except (OSError, TimeoutError):
        return None


def _least_free_bytes(paths: list[Path]) -> int | None:
    return min((shutil.disk_usage(path).free for path in paths), default=None)
