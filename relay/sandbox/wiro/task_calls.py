"""Handle POST /Task/…: show, list, stop and clean up tasks, with the parameters that production accepts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from relay.sandbox.shared.context import Context
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro import bodies, envelope
from relay.sandbox.wiro.file_store import FileStore
from relay.sandbox.wiro.task_runner import TaskRunner
from relay.sandbox.wiro.tasks import Task, Tasks

_NO_TASK: Final = "There is no task yet."
_NO_ID: Final = "taskid or socketaccesstoken is required"
"""Wiro's own message, although Task/Detail accepts `tasktoken` and not `socketaccesstoken`."""


class TaskCalls:
    """Calls about tasks. Only the account that started a task can use it."""

    def __init__(self, context: Context, tasks: Tasks, runner: TaskRunner, files: FileStore) -> None:
        self._context = context
        self._tasks = tasks
        self._runner = runner
        self._files = files

    async def detail(self, request: web.Request, account: str) -> web.Response:
        """Return one task, by `tasktoken` or `taskid`."""
        body = await self._body(request)
        if not bodies.text(body, "taskid") and not bodies.text(body, "tasktoken"):
            return envelope.error(0, _NO_ID)
        task = self._find(account, body, "taskid", "tasktoken")
        if task is None:
            return envelope.error(1, _NO_TASK)
        task.details_read += 1
        task.notify()
        fault, number = task.faults.detail_http, task.details_read
        proper = _detail(task, number)
        if fault and number <= fault.count:
            return await self._faulty(request, task, fault, proper)
        return proper

    async def list(self, request: web.Request, account: str) -> web.Response:
        """Return the tasks of an account, latest first unless `order` is ASC."""
        body = await self._body(request)
        model = bodies.text(body, "modelName").lower()
        tasks = [
            task
            for task in self._tasks.by_id.values()
            if task.account == account and model in task.identity.model.slug.lower()
        ]
        if bodies.text(body, "order").upper() != "ASC":
            tasks.reverse()
        start, limit = _number(bodies.text(body, "start"), 0), _number(bodies.text(body, "limit"), 20)
        page = [task.list_entry() for task in tasks[start : start + limit]]
        return envelope.ok({"total": str(len(tasks)), "tasklist": page})

    async def cancel(self, request: web.Request, account: str) -> web.Response:
        """Cancel a task that waits in the queue."""
        body = await self._body(request)
        task = self._find(account, body, "taskid", "tasktoken")
        parameter = task.faults.cancel_by if task else "taskid"
        if parameter != "both" and not bodies.text(body, parameter):
            return envelope.error(0, f"Request parameter [{parameter}] required")
        if task is None:
            return envelope.error(1, _NO_TASK)
        if not (_queued(task) or (_in_gap(task) and task.faults.stop_gap == "cancel")):
            return envelope.error(1, "Task is not in a cancellable state.")
        return await self._stop(request, task)

    async def kill(self, request: web.Request, account: str) -> web.Response:
        """Stop a task that runs, by `taskid` or `socketaccesstoken`."""
        body = await self._body(request)
        task = self._find(account, body, "taskid", "socketaccesstoken")
        if task is None and (other := self._find(account, body, "", "tasktoken")) and other.faults.kill_by == "any":
            task = other
        if task is None and not bodies.text(body, "taskid") and not bodies.text(body, "socketaccesstoken"):
            return envelope.error(0, _NO_ID)
        if task is None:
            return envelope.error(1, _NO_TASK)
        reason = task.faults.kill_error
        if task.record.ended or _queued(task) or (_in_gap(task) and task.faults.stop_gap != "kill"):
            reason = "task is not running"
        if reason:
            return envelope.error(1, f"Task could not be killed: {reason}")
        return await self._stop(request, task)

    async def delete_files(self, request: web.Request, account: str) -> web.Response:
        """Delete the inputs and outputs of a task that has ended. Deleting them again has no effect."""
        task = self._find(account, await self._body(request), "", "tasktoken")
        if task is None:
            return envelope.error(1, "task-not-exist")
        if not task.record.ended:
            return envelope.error(0, "Task must be completed or cancelled before deleting files")
        task.record = replace(task.record, files_deleted=True)
        for key in task.identity.files:
            self._files.delete(key)
        return envelope.ok({})

    async def _body(self, request: web.Request) -> dict[str, object]:
        return await bodies.read_values(request, self._context.faults)

    async def _stop(self, request: web.Request, task: Task) -> web.Response:
        task.stops_asked += 1
        fault = task.faults.stop_http
        if fault is None or task.stops_asked > fault.count:
            return self._stopped(task)
        proper = self._stopped(task) if fault.takes_effect else None
        return await self._faulty(request, task, fault, proper)

    def _stopped(self, task: Task) -> web.Response:
        self._runner.cancel(task)
        return envelope.ok({"tasklist": [task.list_entry()]})

    async def _faulty(
        self, request: web.Request, task: Task, fault: HttpFault, proper: web.Response | None
    ) -> web.Response:
        return await envelope.faulty(
            request, fault, proper, closing=self._context.closing, retry_after_s=task.faults.retry_after_s
        )

    def _find(self, account: str, body: Mapping[str, object], id_name: str, token_name: str) -> Task | None:
        task = self._tasks.find(task_id=bodies.text(body, id_name), token=bodies.text(body, token_name))
        return task if task and task.account == account else None


def _detail(task: Task, number: int) -> web.Response:
    """Return the response to the n-th Task/Detail call."""
    if task.faults.detail_error:
        return envelope.error(task.faults.detail_error.code, task.faults.detail_error.message)
    if number <= task.faults.detail_empty_polls:
        return envelope.ok({"total": "0", "tasklist": []})
    response = envelope.ok({"total": "1", "tasklist": [task.list_entry()]})
    if task.record.ended:
        task.details_since_end += 1
    return response


def _queued(task: Task) -> bool:
    return task.status in ("task_queue", "task_error")


def _in_gap(task: Task) -> bool:
    """Return whether a task is between accept and assign."""
    return not task.record.ended and not _queued(task) and "assigntime" not in task.record.times


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
