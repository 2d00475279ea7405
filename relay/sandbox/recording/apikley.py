"""Apikley's calls in front of which a recording stands. A job of a recording takes any model and any input."""

import time
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from relay.sandbox.apikley.callbacks import signed_headers
from relay.sandbox.apikley.calls import authorized, no_key, said, said_of_record
from relay.sandbox.apikley.jobs import Jobs
from relay.sandbox.recording.placeholders import Scope
from relay.sandbox.recording.playback import Stage
from relay.sandbox.recording.recorded_task import Notice
from relay.sandbox.switches.faults import Faults

Call = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RecordedApikley:
    """Puts a recording in front of calls; `secret` signs its callbacks."""

    def __init__(self, stage: Stage, jobs: Jobs, secret: str) -> None:
        self._stage = stage
        self._jobs = jobs
        self._secret = secret

    def wrap(self, channel: str, call: Call) -> Call:
        """Return a call that is answered by the recording where it has something to say."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if not authorized(request):
                return no_key()
            if channel == "jobs/createTask":
                return await self._create(request, call)
            performance = self._stage.find(request.query.get("taskId", "")) if channel == "jobs/recordInfo" else None

            async def proper() -> web.StreamResponse:
                if performance is None:
                    return await call(request)
                return said_of_record(performance.play.entry, Faults())

            return await self._stage.answer(request, channel, performance, proper)

        return handle

    async def _create(self, request: web.Request, call: Call) -> web.StreamResponse:
        body = _body(await request.read())
        if (refused := await self._stage.refused(request, "jobs/createTask")) is not None:
            self._jobs.note(body)
            return refused
        model, callback_url = body.get("model"), body.get("callBackUrl")
        script = self._stage.next_task("apikley", model if isinstance(model, str) else "")
        if script is None:
            return await self._stage.started(request, "jobs/createTask", None, lambda: call(request))
        task_id = f"task_script_{int(time.time() * 1000)}{len(self._jobs.created):03d}"
        performance = self._stage.begin(
            script,
            task_id=task_id,
            token=task_id,  # there is no socket, so there is no other secret
            host=request.host,
            callback_url=callback_url if isinstance(callback_url, str) else "",
            first=lambda scope: _first(task_id, body, scope),
            notice=self._notice,
        )
        self._jobs.note(body, job_id=task_id)

        async def proper() -> web.StreamResponse:
            return said({"taskId": performance.id})

        return await self._stage.started(request, "jobs/createTask", performance, proper)

    def _notice(self, entry: dict[str, object]) -> Notice:
        succeeded = entry.get("state") == "success"
        body = {
            "code": 200 if succeeded else 501,
            "msg": "Playground task completed successfully." if succeeded else "Playground task failed.",
            "data": entry,
        }
        return Notice(body=body, headers=signed_headers(self._secret, str(entry.get("taskId")), int(time.time())))


def _first(task_id: str, body: dict[str, object], scope: Scope) -> dict[str, object]:
    now_ms = round(scope.clock.now() * 1000)
    return {
        "taskId": task_id,
        "model": body.get("model"),
        "state": "waiting",
        "param": orjson.dumps(body).decode(),
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "completeTime": None,
        "createTime": now_ms,
        "updateTime": now_ms,
    }


def _body(raw: bytes) -> dict[str, object]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
