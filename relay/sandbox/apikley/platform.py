"""The simulated Apikley as a whole: its calls, and their routes in the server."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.apikley import envelope
from relay.sandbox.apikley.auth import authorized
from relay.sandbox.apikley.input import Input, InvalidInput, read
from relay.sandbox.apikley.job_runner import JobRunner
from relay.sandbox.apikley.jobs import Job, Jobs
from relay.sandbox.apikley.record import record
from relay.sandbox.shared import pictures
from relay.sandbox.shared.context import Context
from relay.sandbox.shared.fault_counts import FaultCounts
from relay.sandbox.shared.http_faults import faulty_response
from relay.sandbox.switches.directives import directives
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault

Call = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FILE_HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=3600"}


class Interceptor:
    """Wraps the handlers of Apikley's calls. This one does nothing; a recording answers some calls itself."""

    def call(self, _channel: str, call: Call) -> Call:
        """Wrap the handler of a call. The channel is its path, such as jobs/createTask."""
        return call


class Apikley:
    """The simulated Apikley."""

    def __init__(self, context: Context) -> None:
        self.jobs = Jobs()
        self._context = context
        self._runner = JobRunner(speed=context.speed)
        self._fault_counts = FaultCounts()

    def add_routes(self, app: web.Application, interceptor: Interceptor) -> None:
        """Add the routes to an application, the handlers of calls wrapped by the interceptor."""
        app.router.add_post("/api/v1/jobs/createTask", _authorized(interceptor.call("jobs/createTask", self._create)))
        app.router.add_get("/api/v1/jobs/recordInfo", _authorized(interceptor.call("jobs/recordInfo", self._record)))
        app.router.add_get("/api/v1/chat/credit", _authorized(interceptor.call("chat/credit", self._credit)))
        app.router.add_get("/cdn/apikley/{folder}/{name}", self._file)

    async def close(self) -> None:
        """Stop all jobs and callbacks."""
        await self._runner.close()

    async def _create(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            body: object = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = raw.decode(errors="replace")
        try:
            given = read(body)
            switches = self._context.next_run.take()
            faults = self._context.faults.with_switches({**switches, **directives([given.prompt])})
        except (InvalidInput, ConfigError) as error:
            return self._refuse(body, 422, str(error), self._context.faults)
        fault = self._fault_counts.take(str(body), faults.run_http, queued="run_http" in switches)
        if fault is None:
            return self._start(request, given, faults)
        takes_effect = fault.takes_effect if faults.run_http_started is None else faults.run_http_started
        proper = None
        if takes_effect:
            proper = self._start(request, given, faults)
        else:
            self.jobs.log(body)
        return await self._faulty(request, fault, proper, faults)

    def _start(self, request: web.Request, given: Input, faults: Faults) -> web.Response:
        if faults.run_error is not None:
            return self._refuse(given.body, faults.run_error.code, faults.run_error.message, faults)
        now, index = time.time(), len(self.jobs.by_id) + 1
        job = Job(
            id=f"task_bytedance_{int(now * 1000)}{index:03d}",
            folder=secrets.token_hex(16),
            index=index,
            body=given.body,
            images=given.max_images,
            image_size=given.image_size,
            callback_url=given.callback_url,
            files_url=f"http://{request.host}/cdn/apikley",
            faults=faults,
            created_at=now,
            changed_at=now,
        )
        self.jobs.by_id[job.id] = job
        self.jobs.log(given.body, job_id=job.id)
        self._runner.start(job)
        return envelope.ok({"taskId": job.id})

    async def _record(self, request: web.Request) -> web.Response:
        job = self.jobs.by_id.get(request.query.get("taskId", ""))
        if job is None:
            return envelope.record_error(422, "recordInfo is null", self._context.faults)
        job.records_read += 1
        job.notify()
        faults, number = job.faults, job.records_read
        if number <= faults.detail_empty_polls:
            return envelope.record_error(422, "recordInfo is null", faults)
        proper = envelope.record_ok(record(job), faults)
        if faults.detail_http and number <= faults.detail_empty_polls + faults.detail_http.count:
            return await self._faulty(request, faults.detail_http, proper, faults)
        if faults.detail_error is not None:
            return envelope.record_error(faults.detail_error.code, faults.detail_error.message, faults)
        return proper

    async def _credit(self, _request: web.Request) -> web.Response:
        return envelope.ok(1000.0)

    async def _file(self, request: web.Request) -> web.Response:
        job = self.jobs.in_folder(request.match_info["folder"])
        number, _, suffix = request.match_info["name"].partition(".")
        if job is None or not _exists(job, number, suffix):
            return web.Response(status=404, text="Not Found", headers=_FILE_HEADERS)
        await asyncio.sleep(job.faults.cdn_delay_s)
        if job.faults.cdn_status != 200:
            return web.Response(status=job.faults.cdn_status, text="AccessDenied", headers=_FILE_HEADERS)
        seed = f"apikley:{self._context.seed}:{job.index}:{number}"
        picture = await asyncio.to_thread(pictures.draw, seed, *job.size)
        return web.Response(body=picture, content_type="image/png", headers=_FILE_HEADERS)

    def _refuse(self, body: object, code: int, message: str, faults: Faults) -> web.Response:
        self.jobs.log(body, refused=code)
        return envelope.error(code, message, faults)

    async def _faulty(
        self, request: web.Request, fault: HttpFault, proper: web.Response | None, faults: Faults
    ) -> web.Response:
        return await faulty_response(
            request,
            fault,
            proper=proper,
            error=envelope.http_error,
            retry_after_s=faults.retry_after_s,
            closing=self._context.closing,
        )


def _authorized(call: Call) -> Call:
    """Refuse calls without the account's key."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await call(request) if authorized(request) else envelope.unauthorized()

    return handle


def _exists(job: Job, number: str, suffix: str) -> bool:
    return job.state == "success" and suffix == "png" and number.isdecimal() and int(number) < job.images
