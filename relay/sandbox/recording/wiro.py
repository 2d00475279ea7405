"""
Answer Wiro's calls from a recording.

A recorded task accepts any input, and its model need not exist. Calls that the recording has no response for are
answered from the task's record.
"""

import time
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.recording.lines import TaskLines
from relay.sandbox.recording.placeholders import Scope
from relay.sandbox.recording.playback import Playback
from relay.sandbox.recording.recorded_task import PlatformCallback, RecordedTask
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import bodies, catalogue, envelope
from relay.sandbox.wiro.cdn import sample_file
from relay.sandbox.wiro.middleware import Call
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.platform import Handler, Interceptor, Wiro
from relay.sandbox.wiro.record import STAGE_TIMES, Identity, Record
from relay.sandbox.wiro.requests import Field, RunRequest
from relay.sandbox.wiro.steps import TERMINAL
from relay.sandbox.wiro.task_starter import new_token
from relay.sandbox.wiro.tasks import Task

_QUEUED: Final = ("task_queue", "task_error")


class RecordedWiro(Interceptor):
    """Puts a recording in front of Wiro's calls, socket and files."""

    def __init__(self, playback: Playback, wiro: Wiro) -> None:
        self._playback = playback
        self._tasks = wiro.tasks
        self._socket = wiro.socket
        self._files = wiro.files
        self._first_id = int(time.time())

    def call(self, channel: str, call: Call) -> Call:
        """Return a call that the recording answers if it has a response."""

        async def handle(request: web.Request, account: str) -> web.StreamResponse:
            if channel == "Run":
                return await self._run(request, account, call)
            task = await self._task(request) if channel.startswith("Task/") else None

            async def proper() -> web.StreamResponse:
                if task is not None and channel in ("Task/Cancel", "Task/Kill"):
                    return await self._stop(task, channel)
                if channel == "Tool/Detail" and (tool := await self._tool(request)) is not None:
                    return envelope.ok({"total": "1", "tool": [tool]})
                return await call(request, account)

            return await self._playback.respond(request, channel, task, proper)

        return handle

    def socket(self, handler: Handler) -> Handler:
        """Return a handler that the recording can refuse connections for."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._playback.connect(request, lambda: handler(request))

        return handle

    def file(self, handler: Handler) -> Handler:
        """Return a handler that also serves the files of recorded tasks."""

        async def handle(request: web.Request) -> web.StreamResponse:
            task = self._playback.in_folder(request.match_info["folder"])
            if task is None:
                return await handler(request)
            name = request.match_info["name"]
            return await self._playback.respond(request, "cdn", task, lambda: sample_file(request, name), name)

        return handle

    async def _run(self, request: web.Request, account: str, call: Call) -> web.StreamResponse:
        try:
            fields = await bodies.read(request, files=self._files)
        except bodies.InvalidBody:
            fields = ()
        if (refused := await self._playback.refuse_start(request, "Run")) is not None:
            self._log(request, fields, None)
            return refused
        slug = f"{request.match_info['owner']}/{request.match_info['model']}"
        lines = self._playback.next_task("wiro", slug)
        if lines is None:
            return await self._playback.respond_to_start(request, "Run", None, lambda: call(request, account))
        task = self._start(request, account, lines, fields)
        self._log(request, fields, task.id)

        async def proper() -> web.StreamResponse:
            return envelope.ok({"taskid": task.id, "socketaccesstoken": task.token})

        return await self._playback.respond_to_start(request, "Run", task, proper)

    def _start(self, request: web.Request, account: str, lines: TaskLines, fields: tuple[Field, ...]) -> RecordedTask:
        index = len(self._tasks.by_id) + 1
        identity = _identity(request, fields, id_=str(self._first_id + index), index=index)
        record = Record(status="task_queue", times={})
        task = Task(identity=identity, account=account, steps=(), record=record, entry={})
        self._tasks.add(task)
        recorded = self._playback.start_task(
            lines,
            task_id=task.id,
            token=task.token,
            host=request.host,
            callback_url=identity.callback_url,
            first_record=lambda scope: _first_record(identity, scope),
            callback=_callback,
        )
        task.entry = recorded.timeline.entry
        recorded.timeline.on_change = task.notify
        return recorded

    async def _stop(self, task: RecordedTask, channel: str) -> web.Response:
        entry, scope = task.timeline.entry, task.timeline.scope
        queued = entry.get("status") in _QUEUED
        if channel == "Task/Cancel" and not queued:
            return envelope.error(1, "Task is not in a cancellable state.")
        if channel == "Task/Kill" and (queued or entry.get("status") in TERMINAL):
            return envelope.error(1, "Task could not be killed: task is not running")
        entry |= {"status": "task_cancel", "canceltime": str(int(scope.clock.now()))}
        await task.timeline.stop()
        frame = {"type": "task_cancel", "id": task.id, "tasktoken": task.token, "message": None, "result": True}
        self._socket.send(task.token, orjson.dumps(frame).decode())
        return envelope.ok({"tasklist": [entry]})

    async def _task(self, request: web.Request) -> RecordedTask | None:
        values = await bodies.read_values(request)
        names = (bodies.text(values, name) for name in ("taskid", "tasktoken", "socketaccesstoken"))
        return self._playback.find(*names)

    async def _tool(self, request: web.Request) -> dict[str, object] | None:
        """Return a catalogue entry for a model that only the recording has, otherwise None."""
        values = await bodies.read_values(request)
        owner, project = bodies.text(values, "slugowner"), bodies.text(values, "slugproject")
        if catalogue.find(owner, project) is not None or not self._playback.has_model(f"{owner}/{project}"):
            return None
        return {"id": "1", "title": project, "slugowner": owner, "slugproject": project, "parameters": None}

    def _log(self, request: web.Request, fields: tuple[Field, ...], task_id: str | None) -> None:
        model = f"{request.match_info['owner']}/{request.match_info['model']}"
        self._tasks.log_run(RunRequest(model=model, content_type=request.content_type, fields=fields, task_id=task_id))


def _identity(request: web.Request, fields: tuple[Field, ...], *, id_: str, index: int) -> Identity:
    values = bodies.values(fields)
    return Identity(
        id=id_,
        token=new_token(),
        folder="",
        index=index,
        model=_model(request.match_info["owner"], request.match_info["model"]),
        parameters={field.name: field.value for field in fields if field.type != "file"},
        callback_url=bodies.text(values, "callbackUrl"),
        prompt=bodies.text(values, "prompt"),
        images=0,
        size=(1, 1),
        dialect="gen1",
        faults=Faults(),
        cdn_url=f"http://{request.host}/cdn",
    )


def _model(owner: str, project: str) -> Model:
    return catalogue.find(owner, project) or Model(
        id=1, owner=owner, project=project, kind="image", title=project, description="", inputs=(), cps=0, computing_s=1
    )


def _first_record(identity: Identity, scope: Scope) -> dict[str, object]:
    return {
        "id": identity.id,
        "socketaccesstoken": identity.token,
        "parameters": dict(identity.parameters),
        "status": "task_queue",
        "pexit": None,
        "debugoutput": "",
        "debugerror": "",
        "createtime": str(int(scope.clock.now())),
        **dict.fromkeys(STAGE_TIMES.values(), "0"),
        "modelslugowner": identity.model.owner,
        "modelslugproject": identity.model.project,
        "outputs": [],
    }


def _callback(entry: dict[str, object]) -> PlatformCallback:
    return PlatformCallback(body={"result": True, "errors": [], "total": "1", "tasklist": [entry]}, headers={})
