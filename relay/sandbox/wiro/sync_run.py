"""
Handle POST /Run/{owner}/{model}/sync of gen-2: a Run whose response comes at the end of the task, or as an event
stream.

Wiro documents neither the fields of `start` nor the snapshots of tasks that are not language models:
https://wiro.ai/docs/run-a-model
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.shared.json_response import json_response
from relay.sandbox.wiro import envelope
from relay.sandbox.wiro.answers import segment_list
from relay.sandbox.wiro.run_call import STARTED
from relay.sandbox.wiro.tasks import Task

_KEEP_ALIVE_S: Final = 15.0


class SyncRunCall:
    """Handles synchronous Runs. A task continues when its client disconnects."""

    def __init__(self, run: Callable[[web.Request, str], Awaitable[web.Response]], *, wait_s: float) -> None:
        self._run = run
        self._wait_s = wait_s

    async def handle(self, request: web.Request, account: str) -> web.StreamResponse:
        """Start a task and wait for its end, for at most `wait_s` seconds."""
        response = await self._run(request, account)
        task = request.get(STARTED)
        if task is None:
            return response
        if request.query.get("stream") == "true" or "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, task)
        try:
            async with asyncio.timeout(self._wait_s):
                await task.until(lambda task: task.verdict)
        except TimeoutError:
            error = {"code": 0, "message": "The task has not ended in time."}
            return json_response({"result": False, "errors": [error], **_ids(task)}, status=504)
        return envelope.ok(_task_list(task))

    async def _stream(self, request: web.Request, task: Task) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await stream.prepare(request)
        await stream.write(_event("start", _ids(task)))
        try:
            async with asyncio.timeout(self._wait_s):
                await _send_snapshots(stream, task)
        except TimeoutError:
            return stream
        await stream.write(_event("done", {"result": True, "errors": [], **_task_list(task)}))
        return stream


async def _send_snapshots(stream: web.StreamResponse, task: Task) -> None:
    """Send a snapshot after each change until the task ends."""
    while not task.verdict:
        snapshot = _snapshot(task)
        await stream.write(_event("task_output", snapshot))
        while not await _changed(task, snapshot):
            await stream.write(b": keep-alive\n\n")


async def _changed(task: Task, snapshot: Mapping[str, object]) -> bool:
    """Wait until a task ends or differs from a snapshot; return False if it does neither for 15 seconds."""
    try:
        async with asyncio.timeout(_KEEP_ALIVE_S):
            await task.until(lambda task: task.verdict or _snapshot(task) != snapshot)
    except TimeoutError:
        return False
    return True


def _snapshot(task: Task) -> dict[str, object]:
    fields: dict[str, object] = {"id": task.id, "status": task.status, "pexit": None}
    if task.identity.model.kind == "chat":
        return fields | {"segments": segment_list(task.record.segments)}
    return fields | {"debugoutput": task.record.stdout}


def _ids(task: Task) -> dict[str, object]:
    return {"taskid": task.id, "socketaccesstoken": task.token}


def _task_list(task: Task) -> dict[str, object]:
    return {"total": "1", "tasklist": [task.list_entry()]}


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
