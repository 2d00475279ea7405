"""
`/sandbox/…`: the desk from which people and tests look at the truth and turn the switches. No key: it is on loopback.

    GET  /sandbox/tasks     every task as it really is, and every Run that was received
    POST /sandbox/faults    {"next": {"exit": 1}} or {"next": [{…}, {…}]}: switches for the next Runs, one each;
                            {"next_file": …}: for the next calls about files
    POST /sandbox/release   {"taskid": "…"}: let a task go on that holds
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.tasks import Ledger, RunRequest, Task


@dataclass(frozen=True, slots=True)
class Desk:
    """Shows the ledger and changes what its tasks will meet."""

    ledger: Ledger
    faults: Faults

    async def tasks(self, _request: web.Request) -> web.Response:
        """Show the truth."""
        started = {run.task_id: run for run in self.ledger.runs if run.task_id}
        return _json(
            {
                "tasks": [self._task(task, started.get(task.id)) for task in self.ledger.tasks.values()],
                "runs": [_run(run) for run in self.ledger.runs],
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Queue switches for the next Runs."""
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _json({"error": "the body is not JSON"}, status=400)
        match body:
            case {"next": [*_] | dict() as given}:
                queue, queued = self.queue, self.ledger.next_switches
            case {"next_file": [*_] | dict() as given}:
                queue, queued = self.queue_file, self.ledger.next_file_switches
            case _:
                return _json({"error": 'the body is {"next": {switch: value}}, or a list of these'}, status=400)
        try:
            for entry in [given] if isinstance(given, dict) else given:
                queue(entry if isinstance(entry, dict) else {str(entry): ""})
        except ConfigError as error:
            return _json({"error": str(error)}, status=400)
        return _json({"queued": len(queued)})

    def queue(self, switches: Mapping[str, object]) -> None:
        """
        Set switches for the next Run that has none queued yet.

        Raises:
            ConfigError: there is no such switch, or it takes another kind of value.
        """
        self.ledger.next_switches.append(self._checked(switches))

    def queue_file(self, switches: Mapping[str, object]) -> None:
        """
        Set switches for the next call about files that has none queued yet.

        Raises:
            ConfigError: there is no such switch, or it takes another kind of value.
        """
        self.ledger.next_file_switches.append(self._checked(switches))

    def take(self) -> Mapping[str, str]:
        """Return the switches that wait for the next Run, and have them wait no longer."""
        return self.ledger.next_switches.pop(0) if self.ledger.next_switches else {}

    def take_file(self) -> Mapping[str, str]:
        """Return the switches that wait for the next call about files, and have them wait no longer."""
        return self.ledger.next_file_switches.pop(0) if self.ledger.next_file_switches else {}

    def _checked(self, switches: Mapping[str, object]) -> dict[str, str]:
        texts = {name: _switch_text(value) for name, value in switches.items()}
        self.faults.with_switches(texts)  # refused here and now, not when the call comes
        return texts

    async def release(self, request: web.Request) -> web.Response:
        """Let a task go on that holds."""
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        task_id = body.get("taskid") if isinstance(body, dict) else None
        task = self.ledger.find(task_id=str(task_id)) if task_id else None
        if task is None:
            return _json({"error": "there is no such task"}, status=404)
        held = task.holding_at
        task.gate.set()
        return _json({"released_from": held})

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
            "runs_alike": self.ledger.alike(run) if run else 0,
            "request": _run(run) if run else None,
        }


def _run(run: RunRequest) -> dict[str, object]:
    return {
        "model": run.model,
        "content_type": run.content_type,
        "fields": [{"name": each.name, "type": each.type, "value": _value(each.value)} for each in run.fields],
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


def _switch_text(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return "|".join(str(part) for part in value)
        case _:
            return str(value)


def _json(body: Mapping[str, object], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
