"""
Serve files: outputs of tasks (`/cdn/<folder>/<n>.png` or `.webm`), uploaded files, and the cover pictures of models.

Knowing the random folder name is the permission to read its files.
"""

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web

from relay.sandbox.shared import pictures
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.file_store import FileStore
from relay.sandbox.wiro.served_file import ServedFile
from relay.sandbox.wiro.tasks import Task, Tasks

_HEADERS = {"Access-Control-Allow-Origin": "*", "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
_SUFFIXES = {"image": "png", "video": "webm", "chat": ""}


@dataclass(frozen=True, slots=True)
class Cdn:
    """Serves the files of tasks and of the file store."""

    tasks: Tasks
    files: FileStore
    seed: int

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one file."""
        folder, name = request.match_info["folder"], request.match_info["name"]
        if folder == "covers":
            return await sample_file(request, name)
        if uploaded := self.files.get(folder):
            file, path = uploaded
            return web.FileResponse(path, headers={**_HEADERS, "Content-Type": file.content_type})
        task = self.tasks.in_folder(folder)
        number, _, suffix = name.partition(".")
        if task is None or not _exists(task, number, suffix):
            return web.Response(status=404, text="Not Found", headers=_HEADERS)
        await asyncio.sleep(task.faults.cdn_delay_s)
        asked = task.files_asked[name] = task.files_asked.get(name, 0) + 1
        status = 403 if _expired(task) else task.faults.cdn_status
        if asked <= task.faults.cdn_misses:
            status = 404
        if status != 200:
            return web.Response(status=status, text="AccessDenied", headers=_HEADERS)
        breaks = asked <= task.faults.cdn_misses + task.faults.cdn_breaks
        return await (await self._file(task, number, suffix)).send(request, dict(_HEADERS), task.faults, breaks=breaks)

    async def _file(self, task: Task, number: str, suffix: str) -> ServedFile:
        if suffix == "webm":
            data, content_type = await asyncio.to_thread(pictures.CLIP_PATH.read_bytes), "video/webm"
        else:
            seed = f"{self.seed}:{task.identity.index}:{number}"
            data, content_type = await asyncio.to_thread(pictures.draw, seed, *task.identity.size), "image/png"
        return ServedFile(data=data, size=task.faults.cdn_bytes or len(data), content_type=content_type)


async def sample_file(request: web.Request, name: str) -> web.StreamResponse:
    """Serve a picture seeded by the file's name, or a video if its name ends in .webm or .mp4."""
    if name.endswith((".webm", ".mp4")):
        data, content_type = await asyncio.to_thread(pictures.CLIP_PATH.read_bytes), "video/webm"
    else:
        data, content_type = await asyncio.to_thread(pictures.draw, name, *pictures.scaled(1, 1)), "image/png"
    file = ServedFile(data=data, size=len(data), content_type=content_type)
    return await file.send(request, dict(_HEADERS), Faults(), breaks=False)


def _exists(task: Task, number: str, suffix: str) -> bool:
    return (
        task.verdict == "success"
        and not task.record.files_deleted
        and suffix == _SUFFIXES[task.identity.model.kind]
        and number.isdecimal()
        and int(number) < task.identity.images
    )


def _expired(task: Task) -> bool:
    after_s, ended = task.faults.cdn_expires_s, task.record.times.get("postprocessendtime", 0)
    return after_s is not None and time.time() >= ended + after_s
