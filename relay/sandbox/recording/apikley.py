"""Answer Apikley's calls from a recording. A recorded job accepts any model and any input."""

import time

import orjson
from aiohttp import web

from relay.sandbox.apikley import envelope
from relay.sandbox.apikley.auth import WEBHOOK_SECRET, signature_headers
from relay.sandbox.apikley.callbacks import callback_body
from relay.sandbox.apikley.platform import Apikley, Call, Interceptor
from relay.sandbox.recording.placeholders import Scope
from relay.sandbox.recording.playback import Playback
from relay.sandbox.recording.recorded_task import PlatformCallback
from relay.sandbox.switches.faults import Faults


class RecordedApikley(Interceptor):
    """Puts a recording in front of Apikley's calls."""

    def __init__(self, playback: Playback, apikley: Apikley) -> None:
        self._playback = playback
        self._jobs = apikley.jobs

    def call(self, channel: str, call: Call) -> Call:
        """Return a call that the recording answers if it has a response."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if channel == "jobs/createTask":
                return await self._create(request, call)
            job = self._playback.find(request.query.get("taskId", "")) if channel == "jobs/recordInfo" else None

            async def proper() -> web.StreamResponse:
                return await call(request) if job is None else envelope.record_ok(job.timeline.entry, Faults())

            return await self._playback.respond(request, channel, job, proper)

        return handle

    async def _create(self, request: web.Request, call: Call) -> web.StreamResponse:
        body = _json_object(await request.read())
        if (refused := await self._playback.refuse_start(request, "jobs/createTask")) is not None:
            self._jobs.log(body)
            return refused
        model, callback_url = body.get("model"), body.get("callBackUrl")
        lines = self._playback.next_task("apikley", model if isinstance(model, str) else "")
        if lines is None:
            return await self._playback.respond_to_start(request, "jobs/createTask", None, lambda: call(request))
        job_id = f"task_script_{int(time.time() * 1000)}{len(self._jobs.created):03d}"
        job = self._playback.start_task(
            lines,
            task_id=job_id,
            token=job_id,  # Apikley has no socket and so no token
            host=request.host,
            callback_url=callback_url if isinstance(callback_url, str) else "",
            first_record=lambda scope: _first_record(job_id, body, scope),
            callback=_callback,
        )
        self._jobs.log(body, job_id=job_id)

        async def proper() -> web.StreamResponse:
            return envelope.ok({"taskId": job_id})

        return await self._playback.respond_to_start(request, "jobs/createTask", job, proper)


def _first_record(job_id: str, body: dict[str, object], scope: Scope) -> dict[str, object]:
    now_ms = round(scope.clock.now() * 1000)
    return {
        "taskId": job_id,
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


def _callback(entry: dict[str, object]) -> PlatformCallback:
    body = callback_body(entry, succeeded=entry.get("state") == "success")
    headers = signature_headers(WEBHOOK_SECRET, str(entry.get("taskId")), int(time.time()))
    return PlatformCallback(body=body, headers=headers)


def _json_object(raw: bytes) -> dict[str, object]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
