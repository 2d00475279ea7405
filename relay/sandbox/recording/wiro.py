"""
Wiro's calls in front of which a recording stands.

A task of a recording takes whatever it is sent: its model need not exist. Calls that the recording does not answer are
answered from the task's record.
"""

import secrets
import string
import time
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.recording.lines import TaskScript
from relay.sandbox.recording.placeholders import Scope
from relay.sandbox.recording.playback import Stage
from relay.sandbox.recording.recorded_task import Notice, Performance
from relay.sandbox.shared import http_faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import bodies, catalogue
from relay.sandbox.wiro.file_store import Shelf
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.record import STAGE_TIMES, Identity, Record
from relay.sandbox.wiro.steps import TERMINAL
from relay.sandbox.wiro.task_socket import Audience
from relay.sandbox.wiro.tasks import Field, Ledger, RunRequest, Task

Call = Callable[[web.Request, str], Awaitable[web.StreamResponse]]

_WAITING: Final = ("task_queue", "task_error")
_LETTERS = string.ascii_letters + string.digits


class RecordedWiro:
    """Puts a recording in front of calls."""

    def __init__(self, stage: Stage, ledger: Ledger, audience: Audience, shelf: Shelf) -> None:
        self._stage = stage
        self._ledger = ledger
        self._audience = audience
        self._shelf = shelf
        self._first_id = int(time.time())

    def wrap(self, channel: str, call: Call) -> Call:
        """Return a call that is answered by the recording where it has something to say."""

        async def handle(request: web.Request, account: str) -> web.StreamResponse:
            if channel == "Run":
                return await self._run(request, account, call)
            performance = await self._performance(request) if channel.startswith("Task/") else None

            async def proper() -> web.StreamResponse:
                if performance is not None and channel in ("Task/Cancel", "Task/Kill"):
                    return await self._stop(performance, channel)
                if channel == "Tool/Detail" and (tool := await self._tool(request)) is not None:
                    return http_faults.ok({"total": "1", "tool": [tool]})
                return await call(request, account)

            return await self._stage.answer(request, channel, performance, proper)

        return handle

    async def _run(self, request: web.Request, account: str, call: Call) -> web.StreamResponse:
        slug = f"{request.match_info['owner']}/{request.match_info['model']}"
        try:
            fields = await bodies.read(request, shelf=self._shelf)
        except bodies.BadBody:
            fields = ()
        if (refused := await self._stage.refused(request, "Run")) is not None:
            self._note(request, slug, fields, None)
            return refused
        script = self._stage.next_task("wiro", slug)
        if script is None:
            return await self._stage.started(request, "Run", None, lambda: call(request, account))
        performance = self._begin(request, account, script, fields)
        self._note(request, slug, fields, performance.id)

        async def proper() -> web.StreamResponse:
            return http_faults.ok({"taskid": performance.id, "socketaccesstoken": performance.token})

        return await self._stage.started(request, "Run", performance, proper)

    def _begin(self, request: web.Request, account: str, script: TaskScript, fields: tuple[Field, ...]) -> Performance:
        index = len(self._ledger.tasks) + 1
        values = bodies.values(fields)
        model = _model(request.match_info["owner"], request.match_info["model"])
        identity = Identity(
            id=str(self._first_id + index),
            token="".join(secrets.choice(_LETTERS) for _ in range(30)),
            folder="",
            index=index,
            model=model,
            parameters={each.name: each.value for each in fields if each.type != "file"},
            callback_url=bodies.text(values, "callbackUrl"),
            prompt=bodies.text(values, "prompt"),
            images=0,
            size=(1, 1),
            dialect="gen1",
            faults=Faults(),
            cdn_url=f"http://{request.host}/cdn",
        )
        record = Record(status="task_queue", clock={})
        task = Task(identity=identity, account=account, script=(), record=record, entry={})
        self._ledger.add(task)
        performance = self._stage.begin(
            script,
            task_id=task.id,
            token=task.token,
            host=request.host,
            callback_url=identity.callback_url,
            first=lambda scope: _first(identity, scope),
            notice=_notice,
        )
        task.entry = performance.play.entry
        performance.play.changed = task.stir
        return performance

    async def _stop(self, performance: Performance, channel: str) -> web.Response:
        entry, scope = performance.play.entry, performance.play.scope
        waits = entry.get("status") in _WAITING
        if channel == "Task/Cancel" and not waits:
            return http_faults.refused(1, "Task is not in a cancellable state.")
        if channel == "Task/Kill" and (waits or entry.get("status") in TERMINAL):
            return http_faults.refused(1, "Task could not be killed: task is not running")
        entry |= {"status": "task_cancel", "canceltime": str(int(scope.clock.now()))}
        await performance.play.stop()
        frame = {"type": "task_cancel", "id": performance.id, "tasktoken": performance.token}
        self._audience.send(performance.token, orjson.dumps(frame | {"message": None, "result": True}).decode())
        return http_faults.ok({"tasklist": [entry]})

    async def _performance(self, request: web.Request) -> Performance | None:
        values = await bodies.mapping(request)
        return self._stage.find(*(bodies.text(values, name) for name in ("taskid", "tasktoken", "socketaccesstoken")))

    async def _tool(self, request: web.Request) -> dict[str, object] | None:
        """Return a catalogue entry for a model that the recording has and the sandbox does not, else null."""
        values = await bodies.mapping(request)
        owner, project = bodies.text(values, "slugowner"), bodies.text(values, "slugproject")
        if catalogue.find(owner, project) is not None or not self._stage.knows(f"{owner}/{project}"):
            return None
        return {"id": "1", "title": project, "slugowner": owner, "slugproject": project, "parameters": None}

    def _note(self, request: web.Request, slug: str, fields: tuple[Field, ...], task_id: str | None) -> None:
        self._ledger.note(RunRequest(model=slug, content_type=request.content_type, fields=fields, task_id=task_id))


def _model(owner: str, project: str) -> Model:
    known = catalogue.find(owner, project)
    return known or Model(
        id=1, owner=owner, project=project, kind="image", title=project, description="", inputs=(), cps=0, computing_s=1
    )


def _first(identity: Identity, scope: Scope) -> dict[str, object]:
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


def _notice(entry: dict[str, object]) -> Notice:
    return Notice(body={"result": True, "errors": [], "total": "1", "tasklist": [entry]}, headers={})
