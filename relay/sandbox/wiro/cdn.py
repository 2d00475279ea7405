"""
Serve files: outputs of tasks (`/cdn/<folder>/<n>.png` or `.webm`), uploaded files, and the cover pictures of models.

Knowing the random folder name is the permission to read its files.
"""

import asyncio
import re
import time
from dataclasses import dataclass

from aiohttp import web

from relay.sandbox.shared import pictures
from relay.sandbox.wiro.file_store import FileStore
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
        status = 403 if _expired(task) else task.faults.cdn_status
        if status != 200:
            return web.Response(status=status, text="AccessDenied", headers=_HEADERS)
        if suffix == "webm":
            return await _clip(request)
        return await _picture(request, f"{self.seed}:{task.identity.index}:{number}", task.identity.size)


async def sample_file(request: web.Request, name: str) -> web.StreamResponse:
    """Serve a picture seeded by the file's name, or a video if its name ends in .webm or .mp4."""
    if name.endswith((".webm", ".mp4")):
        return await _clip(request)
    return await _picture(request, name, pictures.scaled(1, 1))


async def _clip(request: web.Request) -> web.Response:
    return _ranged(request, await asyncio.to_thread(pictures.CLIP_PATH.read_bytes), "video/webm")


async def _picture(request: web.Request, seed: str, size: tuple[int, int]) -> web.Response:
    return _ranged(request, await asyncio.to_thread(pictures.draw, seed, *size), "image/png")


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


def _ranged(request: web.Request, data: bytes, content_type: str) -> web.Response:
    """Return the whole body, or the part that the `Range` header asks for."""
    requested = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not requested or not (requested[1] or requested[2]):
        return web.Response(body=data, content_type=content_type, headers=_HEADERS)
    if requested[1]:
        first, last = int(requested[1]), min(int(requested[2] or len(data)), len(data) - 1)
    else:
        first, last = max(0, len(data) - int(requested[2])), len(data) - 1
    if first > last:
        return web.Response(status=416, headers={**_HEADERS, "Content-Range": f"bytes */{len(data)}"})
    headers = {**_HEADERS, "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return web.Response(status=206, body=data[first : last + 1], content_type=content_type, headers=headers)
