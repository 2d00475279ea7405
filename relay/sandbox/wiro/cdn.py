"""
The files that tasks have made, `/cdn/<folder>/<n>.png` or `.webm`, those that were sent, and the covers of the models.
"""

import asyncio
import re
import time
from dataclasses import dataclass

from aiohttp import web

from relay.sandbox.recording.playback import Stage
from relay.sandbox.shared import pictures
from relay.sandbox.wiro.file_store import Shelf
from relay.sandbox.wiro.tasks import Ledger, Task

_HEADERS = {"Access-Control-Allow-Origin": "*", "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True, slots=True)
class Cdn:
    """Serves the files of the ledger's tasks and those on the shelf; the folder's name is the permission."""

    ledger: Ledger
    shelf: Shelf
    seed: int
    stage: Stage | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one file."""
        performance = None if self.stage is None else self.stage.owner_of(request.match_info["folder"])
        if self.stage is None or performance is None:
            return await self._serve(request)
        name = request.match_info["name"]

        async def proper() -> web.StreamResponse:
            return await _drawn(request, name)

        return await self.stage.answer(request, "cdn", performance, proper, name)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["folder"] == "covers":
            return await _drawn(request, request.match_info["name"])
        if sent := self.shelf.get(request.match_info["folder"]):
            file, path = sent
            return web.FileResponse(path, headers={**_HEADERS, "Content-Type": file.content_type})
        task = self.ledger.in_folder(request.match_info["folder"])
        number, _, suffix = request.match_info["name"].partition(".")
        if task is None or not _made(task, number, suffix):
            return web.Response(status=404, text="Not Found", headers=_HEADERS)
        await asyncio.sleep(task.faults.cdn_delay_s)
        status = 403 if _expired(task) else task.faults.cdn_status
        if status != 200:
            return web.Response(status=status, text="AccessDenied", headers=_HEADERS)
        if suffix == "webm":
            return _ranged(request, await asyncio.to_thread(pictures.CLIP_PATH.read_bytes), "video/webm")
        seed = f"{self.seed}:{task.identity.index}:{number}"
        return _ranged(request, await asyncio.to_thread(pictures.draw, seed, *task.identity.size), "image/png")


async def _drawn(request: web.Request, name: str) -> web.StreamResponse:
    """Serve a picture, or a film if the name says so: the cover of a model, or a file of a recorded task."""
    if name.endswith((".webm", ".mp4")):
        return _ranged(request, await asyncio.to_thread(pictures.CLIP_PATH.read_bytes), "video/webm")
    return _ranged(request, await asyncio.to_thread(pictures.draw, name, *pictures.scaled(1, 1)), "image/png")


def _made(task: Task, number: str, suffix: str) -> bool:
    return (
        task.verdict == "success"
        and not task.record.files_deleted
        and suffix == {"image": "png", "video": "webm", "chat": ""}[task.identity.model.kind]
        and number.isdecimal()
        and int(number) < task.identity.images
    )


def _expired(task: Task) -> bool:
    after_s, ended = task.faults.cdn_expires_s, task.record.clock.get("postprocessendtime", 0)
    return after_s is not None and time.time() >= ended + after_s


def _ranged(request: web.Request, data: bytes, content_type: str) -> web.Response:
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not asked or not (asked[1] or asked[2]):
        return web.Response(body=data, content_type=content_type, headers=_HEADERS)
    if asked[1]:
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    else:
        first, last = max(0, len(data) - int(asked[2])), len(data) - 1
    if first > last:
        return web.Response(status=416, headers={**_HEADERS, "Content-Range": f"bytes */{len(data)}"})
    headers = {**_HEADERS, "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return web.Response(status=206, body=data[first : last + 1], content_type=content_type, headers=headers)
