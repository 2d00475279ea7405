"""
POST /Run/{owner}/{model}/sync of gen-2: the same Run, whose caller waits for the end, or reads a stream of events.

What `start` carries, and what the snapshots of a task have that is no language model's, is documented nowhere:
https://wiro.ai/docs/run-a-model.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.shared import http_faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.record import segment_list
from relay.sandbox.wiro.run_call import STARTED
from relay.sandbox.wiro.tasks import Task

_KEEP_ALIVE_S: Final = 15.0


class SyncRuns:
    """Answers synchronous Runs. A caller that leaves does not stop its task."""

    def __init__(self, run: Callable[[web.Request, str], Awaitable[web.Response]], faults: Faults) -> None:
        self._run = run
        self._wait_s = faults.sync_wait_s

    async def run(self, request: web.Request, account: str) -> web.StreamResponse:
        """Start a task and wait for its end."""
        started = await self._run(request, account)
        task = request.get(STARTED)
        if task is None:
            return started
        if request.query.get("stream") == "true" or "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, task)
        try:
            async with asyncio.timeout(self._wait_s):
                await task.until(lambda task: task.verdict)
        except TimeoutError:
            fields = {"taskid": task.id, "socketaccesstoken": task.token}
            errors = [{"code": 0, "message": "The task has not ended in time."}]
            body = orjson.dumps({"result": False, "errors": errors, **fields})
            return web.Response(status=504, body=body, content_type="application/json")
        return http_faults.ok(_whole(task))

    async def _stream(self, request: web.Request, task: Task) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await stream.prepare(request)
        await stream.write(_event("start", {"taskid": task.id, "socketaccesstoken": task.token}))
        try:
            async with asyncio.timeout(self._wait_s):
                await self._follow(stream, task)
        except TimeoutError:
            return stream
        await stream.write(_event("done", {"result": True, "errors": [], **_whole(task)}))
        return stream

    async def _follow(self, stream: web.StreamResponse, task: Task) -> None:
        while not task.verdict:
            told = _snapshot(task)
            await stream.write(_event("task_output", told))
            while not await _changed(task, told):
                await stream.write(b": keep-alive\n\n")


async def _changed(task: Task, told: Mapping[str, object]) -> bool:
    """Wait until a task has something new to tell; return false when there is nothing for a while."""
    try:
        async with asyncio.timeout(_KEEP_ALIVE_S):
            await task.until(lambda task: task.verdict or _snapshot(task) != told)
    except TimeoutError:
        return False
    return True


def _snapshot(task: Task) -> dict[str, object]:
    shown: dict[str, object] = {"id": task.id, "status": task.status, "pexit": None}
    if task.identity.model.kind == "chat":
        return shown | {"segments": segment_list(task.record.segments)}
    return shown | {"debugoutput": task.record.stdout}


def _whole(task: Task) -> dict[str, object]:
    return {"total": "1", "tasklist": [task.shown()]}


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
