"""POST /Task/…: reading, listing, stopping and emptying tasks, with the parameters that production takes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from relay.sandbox.shared import http_faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.file_store import Shelf
from relay.sandbox.wiro.task_runner import Player
from relay.sandbox.wiro.tasks import Ledger, Task

_NO_TASK = "There is no task yet."


class TaskCalls:
    """Answers the calls about tasks. A task is visible to the account that runs it, and to nobody else."""

    def __init__(self, ledger: Ledger, player: Player, shelf: Shelf, *, faults: Faults, closing: asyncio.Event) -> None:
        self._ledger = ledger
        self._player = player
        self._shelf = shelf
        self._faults = faults
        self._closing = closing

    async def detail(self, request: web.Request, account: str) -> web.Response:
        """Show one task, by `tasktoken` or `taskid`."""
        body = await self._body(request)
        if not bodies.text(body, "taskid") and not bodies.text(body, "tasktoken"):
            # The upstream's own words: it names a parameter that it does not take.
            return http_faults.refused(0, "taskid or socketaccesstoken is required")
        task = self._find(account, body, "taskid", "tasktoken")
        if task is None:
            return http_faults.refused(1, _NO_TASK)
        task.details_read += 1
        task.stir()
        faults, read = task.faults, task.details_read
        proper = self._detail(task, read)
        if faults.detail_http and read <= faults.detail_http.count:
            return await self._gone_wrong(request, task, faults.detail_http, proper)
        return proper

    def _detail(self, task: Task, read: int) -> web.Response:
        if task.faults.detail_error:
            return http_faults.refused(task.faults.detail_error.code, task.faults.detail_error.message)
        if read <= task.faults.detail_empty_polls:
            return http_faults.ok({"total": "0", "tasklist": []})
        answer = http_faults.ok({"total": "1", "tasklist": [task.shown()]})
        if task.record.ended:
            task.details_since_end += 1
        return answer

    async def list(self, request: web.Request, account: str) -> web.Response:
        """Show an account's tasks, the latest first unless asked otherwise."""
        body = await self._body(request)
        model = bodies.text(body, "modelName").lower()
        mine = [
            task
            for task in self._ledger.tasks.values()
            if task.account == account and model in task.identity.model.slug.lower()
        ]
        if bodies.text(body, "order").upper() != "ASC":
            mine.reverse()
        start, limit = _number(bodies.text(body, "start"), 0), _number(bodies.text(body, "limit"), 20)
        shown = [task.shown() for task in mine[start : start + limit]]
        return http_faults.ok({"total": str(len(mine)), "tasklist": shown})

    async def cancel(self, request: web.Request, account: str) -> web.Response:
        """Take a waiting task out of the queue."""
        body = await self._body(request)
        task = self._find(account, body, "taskid", "tasktoken")
        takes = task.faults.cancel_by if task else "taskid"
        if takes != "both" and not bodies.text(body, takes):
            return http_faults.refused(0, f"Request parameter [{takes}] required")
        if task is None:
            return http_faults.refused(1, _NO_TASK)
        if not (_waits(task) or (_in_the_gap(task) and task.faults.stop_gap == "cancel")):
            return http_faults.refused(1, "Task is not in a cancellable state.")
        return await self._stop(request, task)

    async def kill(self, request: web.Request, account: str) -> web.Response:
        """Stop a task that runs, by `taskid` or `socketaccesstoken`."""
        body = await self._body(request)
        task = self._find(account, body, "taskid", "socketaccesstoken")
        if task is None and (other := self._find(account, body, "", "tasktoken")) and other.faults.kill_by == "any":
            task = other
        if task is None and not bodies.text(body, "taskid") and not bodies.text(body, "socketaccesstoken"):
            return http_faults.refused(0, "taskid or socketaccesstoken is required")
        if task is None:
            return http_faults.refused(1, _NO_TASK)
        reason = task.faults.kill_error
        if task.record.ended or _waits(task) or (_in_the_gap(task) and task.faults.stop_gap != "kill"):
            reason = "task is not running"
        if reason:
            return http_faults.refused(1, f"Task could not be killed: {reason}")
        return await self._stop(request, task)

    async def delete_files(self, request: web.Request, account: str) -> web.Response:
        """Delete what an ended task read and made; doing it twice changes nothing."""
        task = self._find(account, await self._body(request), "", "tasktoken")
        if task is None:
            return http_faults.refused(1, "task-not-exist")
        if not task.record.ended:
            return http_faults.refused(0, "Task must be completed or cancelled before deleting files")
        task.record = replace(task.record, files_deleted=True)
        for key in task.identity.files:
            self._shelf.drop(key)
        return http_faults.ok({})

    async def _body(self, request: web.Request) -> dict[str, object]:
        return await bodies.mapping(request, self._faults)

    async def _stop(self, request: web.Request, task: Task) -> web.Response:
        task.stops_asked += 1
        fault = task.faults.stop_http
        spoiled = fault is not None and task.stops_asked <= fault.count
        if fault and spoiled and not fault.takes_effect:
            return await self._gone_wrong(request, task, fault, None)
        self._player.cancel(task)
        proper = http_faults.ok({"tasklist": [task.shown()]})
        return await self._gone_wrong(request, task, fault, proper) if fault and spoiled else proper

    async def _gone_wrong(
        self, request: web.Request, task: Task, fault: HttpFault, proper: web.Response | None
    ) -> web.Response:
        return await http_faults.gone_wrong(
            request, fault, proper, retry_after_s=task.faults.retry_after_s, closing=self._closing
        )

    def _find(self, account: str, body: Mapping[str, object], id_name: str, token_name: str) -> Task | None:
        task = self._ledger.find(task_id=bodies.text(body, id_name), token=bodies.text(body, token_name))
        return task if task and task.account == account else None


def _waits(task: Task) -> bool:
    return task.status in ("task_queue", "task_error")


def _in_the_gap(task: Task) -> bool:
    return not task.record.ended and not _waits(task) and "assigntime" not in task.record.clock


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
