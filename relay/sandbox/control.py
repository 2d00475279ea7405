"""
The control API under `/sandbox/…`, for people and tests. It needs no key, because the sandbox listens on loopback only.

    GET  /sandbox/tasks     every Wiro task as it really is, and every Run that was received
    POST /sandbox/faults    {"next": {"exit": 1}} or {"next": [{…}, {…}]} sets switches for the next Runs, one set each;
                            {"next_file": …} does so for the next calls to the file API
    POST /sandbox/release   {"taskid": "…"} continues a task that is paused by `hold_at`
"""

from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.shared.context import Context
from relay.sandbox.shared.json_response import json_response
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.requests import RunRequest
from relay.sandbox.wiro.tasks import Task, Tasks

_WRONG_BODY: Final = (
    'the body must be {"next": {switch: value}} or {"next_file": {switch: value}}, or have a list of these'
)


@dataclass(frozen=True, slots=True)
class Control:
    """Shows the tasks and sets switches."""

    tasks: Tasks
    context: Context

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/sandbox/tasks", self._show_tasks)
        app.router.add_post("/sandbox/faults", self._set_switches)
        app.router.add_post("/sandbox/release", self._release)

    async def _show_tasks(self, _request: web.Request) -> web.Response:
        runs = {run.task_id: run for run in self.tasks.runs if run.task_id}
        return json_response(
            {
                "tasks": [self._task(task, runs.get(task.id)) for task in self.tasks.by_id.values()],
                "runs": [_run(run) for run in self.tasks.runs],
            }
        )

    async def _set_switches(self, request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _error("the body is not valid JSON")
        match body:
            case {"next": [*_] | dict() as given}:
                queue = self.context.next_run
            case {"next_file": [*_] | dict() as given}:
                queue = self.context.next_file_call
            case _:
                return _error(_WRONG_BODY)
        try:
            for switches in [given] if isinstance(given, dict) else given:
                queue.put(switches if isinstance(switches, dict) else {str(switches): ""})
        except ConfigError as error:
            return _error(str(error))
        return json_response({"queued": len(queue)})

    async def _release(self, request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        task_id = body.get("taskid") if isinstance(body, dict) else None
        task = self.tasks.find(task_id=str(task_id)) if task_id else None
        if task is None:
            return _error("there is no task with this taskid", status=404)
        stage = task.holding_at
        task.gate.set()
        return json_response({"released_from": stage})

    def _task(self, task: Task, run: RunRequest | None) -> dict[str, object]:
        return {
            "id": task.id,
            "model": task.identity.model.slug,
            "dialect": task.identity.dialect,
            "state": task.status,
            "verdict": task.verdict,
            "holding_at": task.holding_at,
            "stages": [{"stage": stage, "at": at} for stage, at in task.passed],
            "details_read": task.details_read,
            "runs_alike": self.tasks.identical_runs(run) if run else 0,
            "request": _run(run) if run else None,
        }


def _run(run: RunRequest) -> dict[str, object]:
    return {
        "model": run.model,
        "content_type": run.content_type,
        "fields": [{"name": field.name, "type": field.type, "value": _value(field.value)} for field in run.fields],
        "task": run.task_id,
    }


def _value(value: object) -> object:
    if not isinstance(value, File):
        return value
    return {
        "filename": value.filename,
        "content_type": value.content_type,
        "size": value.size,
        "sha256": value.sha256,
    }


def _error(message: str, *, status: int = 400) -> web.Response:
    return json_response({"error": message}, status=status)
