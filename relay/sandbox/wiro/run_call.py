"""Handle POST /Run/{owner}/{model}: parse the request, start a task or refuse it, and apply faults to the response."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.shared.context import Context
from relay.sandbox.shared.fault_counts import FaultCounts
from relay.sandbox.switches.directives import directives
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault, Refusal
from relay.sandbox.wiro import bodies, catalogue, envelope
from relay.sandbox.wiro.file_store import FileStore
from relay.sandbox.wiro.random_faults import RandomFaults
from relay.sandbox.wiro.requests import Field, RunRequest
from relay.sandbox.wiro.task_starter import TaskStarter
from relay.sandbox.wiro.tasks import Task, Tasks

STARTED: Final = web.RequestKey("task", Task)
"""The key under which a request holds the task that it started."""

_INVALID_BODY: Final = Refusal(code=0, message="Request parameters are invalid.")
_UNKNOWN_MODEL: Final = Refusal(code=1, message="slug-owner-project-not-exist")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One Run request, parsed."""

    request: web.Request
    account: str
    fields: tuple[Field, ...] = ()
    faults: Faults

    @property
    def slug(self) -> str:
        return f"{self.request.match_info['owner']}/{self.request.match_info['model']}"


class RunCall:
    """Handles Runs."""

    def __init__(
        self, context: Context, tasks: Tasks, files: FileStore, starter: TaskStarter, random_faults: RandomFaults
    ) -> None:
        self._context = context
        self._tasks = tasks
        self._files = files
        self._starter = starter
        self._random_faults = random_faults
        self._fault_counts = FaultCounts()

    async def handle(self, request: web.Request, account: str) -> web.Response:
        """Answer one Run."""
        switches = self._context.next_run.take()
        queued = self._context.faults.with_switches(switches)
        try:
            fields = await bodies.read(request, files=self._files, faults=queued)
        except bodies.InvalidBody:
            return self._refuse(_Run(request=request, account=account, faults=queued), _INVALID_BODY)
        try:
            faults = queued.with_switches(directives(field.value for field in fields if isinstance(field.value, str)))
        except ConfigError as error:
            run = _Run(request=request, account=account, fields=fields, faults=queued)
            return self._refuse(run, Refusal(code=0, message=str(error)))
        run = _Run(request=request, account=account, fields=fields, faults=faults)
        fault, takes_effect = self._fault(run, queued="run_http" in switches)
        if fault is None:
            return self._start(run, answered=True)
        proper = None
        if takes_effect:
            proper = self._start(run, answered=False)
        else:
            self._log(run)
        return await envelope.faulty(
            request, fault, proper, closing=self._context.closing, retry_after_s=faults.retry_after_s
        )

    def _fault(self, run: _Run, *, queued: bool) -> tuple[HttpFault | None, bool]:
        """Return the fault that hits a Run, if any, and whether the Run takes effect."""
        faults = run.faults
        if fault := self._fault_counts.take(f"{run.slug} {run.fields}", faults.run_http, queued=queued):
            return fault, fault.takes_effect if faults.run_http_started is None else faults.run_http_started
        random = self._random_faults.next_call()
        return (random.fault, random.takes_effect) if random else (None, True)

    def _start(self, run: _Run, *, answered: bool) -> web.Response:
        """Start a task or refuse the Run; `answered` is false when a fault replaces the response."""
        if run.faults.run_error:
            return self._refuse(run, run.faults.run_error, answered=answered)
        model = catalogue.find(*run.slug.split("/"))
        if model is None:
            return self._refuse(run, _UNKNOWN_MODEL, answered=answered)
        values = bodies.values(run.fields)
        if refusal := self._starter.refusal(run.account, model, values):
            return self._refuse(run, refusal, answered=answered)
        task = self._starter.start(run.account, model, values, host=run.request.host, faults=run.faults)
        run.request[STARTED] = task
        self._log(run, task_id=task.id)
        return _started(task)

    def _refuse(self, run: _Run, refusal: Refusal, *, answered: bool = True) -> web.Response:
        self._log(run, refused=refusal.code if answered else None)
        return envelope.error(refusal.code, refusal.message)

    def _log(self, run: _Run, *, task_id: str | None = None, refused: int | None = None) -> None:
        self._tasks.log_run(
            RunRequest(
                model=run.slug,
                content_type=run.request.content_type,
                fields=run.fields,
                task_id=task_id,
                refused=refused,
            )
        )


def _started(task: Task) -> web.Response:
    fields: dict[str, object] = {
        "taskid": int(task.id) if task.faults.run_taskid == "number" else task.id,
        "socketaccesstoken": None if task.faults.run_token_missing else task.token,
    }
    return envelope.ok(fields if task.faults.run_envelope == "flat" else {"data": fields})
