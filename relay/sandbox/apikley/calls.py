"""
What the simulated Apikley answers, and the only place where time passes for its jobs.

Its envelope is `{code, msg, data}`, that of recordInfo `{code, message, data}`, as https://docs.apikley.ru/get-task-detail
has it. A refusal comes under HTTP 200 unless a switch says otherwise.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.apikley.callbacks import Callbacks
from relay.sandbox.apikley.input import Input, Refused, read
from relay.sandbox.apikley.jobs import Job, Jobs, State, record
from relay.sandbox.shared import http_faults, pictures
from relay.sandbox.shared.fault_counts import Quota
from relay.sandbox.switches.faults import Faults, directives
from relay.sandbox.switches.values import HttpFault

API_KEY: Final = "sandbox-apikley-key-of-no-worth"
WEBHOOK_SECRET: Final = "sandbox-apikley-webhook-secret-of-no-worth"  # noqa: S105  made up, and meant to look it

_HELD_AS: Final[dict[State, str]] = {"waiting": "task_queue", "queuing": "task_assign", "generating": "task_start"}
"""By which of the switches' stages a job holds in a state."""

_PACE: Final[tuple[tuple[State, float], ...]] = (("waiting", 0.8), ("queuing", 1.5), ("generating", 8.0))
"""How long each state lasts, in seconds at the pace of the real platform."""

_TICKS = 10

Call = Callable[[web.Request], Awaitable[web.StreamResponse]]
_HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=3600"}


class Apikley:
    """
    The simulated platform, to be put into a server.

    Args:
        faults: the position of every switch, unless a job's own say otherwise.
        next_switches: gives the switches that were queued for the next job, once.
        speed: 1.0 is a realistic pace.
        seed: of the pictures.
        closing: set when hanging calls should let go.
    """

    def __init__(
        self,
        *,
        faults: Faults,
        next_switches: Callable[[], Mapping[str, str]],
        speed: float,
        seed: int,
        closing: asyncio.Event,
    ) -> None:
        self.jobs = Jobs()
        self._faults = faults
        self._next_switches = next_switches
        self._speed = speed
        self._seed = seed
        self._closing = closing
        self._quota = Quota()
        self._callbacks = Callbacks(WEBHOOK_SECRET)
        self._playing: set[asyncio.Task[None]] = set()

    def add_routes(self, app: web.Application, wrap: Callable[[str, Call], Call]) -> None:
        """Put its addresses into an application; `wrap` may stand in front of a call of this name."""
        app.router.add_post("/api/v1/jobs/createTask", wrap("jobs/createTask", self._create))
        app.router.add_get("/api/v1/jobs/recordInfo", wrap("jobs/recordInfo", self._record))
        app.router.add_get("/api/v1/chat/credit", wrap("chat/credit", self._credit))
        app.router.add_get("/cdn/apikley/{folder}/{name}", self._file)

    async def close(self) -> None:
        """Stop playing."""
        playing = list(self._playing)
        for each in playing:
            each.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        await self._callbacks.close()

    async def _create(self, request: web.Request) -> web.Response:
        if not authorized(request):
            return no_key()
        raw = await request.read()
        try:
            body: object = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = raw.decode(errors="replace")
        try:
            wish = read(body)
            switches = self._next_switches()
            faults = self._faults.with_switches({**switches, **directives([wish.prompt])})
        except (Refused, ConfigError) as error:
            return self._refuse(body, 422, str(error), self._faults)
        fault = self._quota.take(str(body), faults.run_http, queued="run_http" in switches)
        if fault is None:
            return self._answer(request, wish, body, faults)
        takes_effect = fault.takes_effect if faults.run_http_started is None else faults.run_http_started
        if not takes_effect:
            self.jobs.note(body)
        proper = self._answer(request, wish, body, faults) if takes_effect else None
        return await self._gone_wrong(request, fault, proper, faults)

    def _answer(self, request: web.Request, wish: Input, body: object, faults: Faults) -> web.Response:
        if faults.run_error is not None:
            return self._refuse(body, faults.run_error.code, faults.run_error.message, faults)
        now, index = time.time(), len(self.jobs.by_id) + 1
        job = Job(
            id=f"task_bytedance_{int(now * 1000)}{index:03d}",
            folder=secrets.token_hex(16),
            index=index,
            body=wish.body,
            images=wish.max_images,
            image_size=wish.image_size,
            callback_url=wish.callback_url,
            files_url=f"http://{request.host}/cdn/apikley",
            faults=faults,
            made_at=now,
            changed_at=now,
        )
        self.jobs.by_id[job.id] = job
        self.jobs.note(body, job_id=job.id)
        playing = asyncio.create_task(self._play(job), name=f"sandbox job {job.id}")
        self._playing.add(playing)
        playing.add_done_callback(self._playing.discard)
        return said({"taskId": job.id})

    async def _record(self, request: web.Request) -> web.Response:
        if not authorized(request):
            return no_key()
        job = self.jobs.by_id.get(request.query.get("taskId", ""))
        if job is None:
            return _record_refused(422, "recordInfo is null", self._faults)
        job.records_read += 1
        job.stir()
        faults = job.faults
        if job.records_read <= faults.detail_empty_polls:
            return _record_refused(422, "recordInfo is null", faults)
        if faults.detail_http and job.records_read <= faults.detail_http.count + faults.detail_empty_polls:
            return await self._gone_wrong(request, faults.detail_http, said_of_record(record(job), faults), faults)
        if faults.detail_error is not None:
            return _record_refused(faults.detail_error.code, faults.detail_error.message, faults)
        return said_of_record(record(job), faults)

    async def _credit(self, request: web.Request) -> web.Response:
        return said(1000.0) if authorized(request) else no_key()

    async def _file(self, request: web.Request) -> web.Response:
        job = self.jobs.in_folder(request.match_info["folder"])
        number, _, suffix = request.match_info["name"].partition(".")
        made = job is not None and job.state == "success" and suffix == "png" and number.isdecimal()
        if job is None or not made or int(number) >= job.images:
            return web.Response(status=404, text="Not Found", headers=_HEADERS)
        await asyncio.sleep(job.faults.cdn_delay_s)
        if job.faults.cdn_status != 200:
            return web.Response(status=job.faults.cdn_status, text="AccessDenied", headers=_HEADERS)
        picture = await asyncio.to_thread(pictures.draw, f"apikley:{self._seed}:{job.index}:{number}", *job.size)
        return web.Response(body=picture, content_type="image/png", headers=_HEADERS)

    async def _play(self, job: Job) -> None:
        for state, lasts_s in _PACE:
            self._enter(job, state)
            if _HELD_AS[state] in job.faults.hold_at:
                job.gate.clear()
                job.holding_at = state
                job.stir()
                await job.gate.wait()
                job.holding_at = None
            for tick in range(_TICKS):
                await asyncio.sleep(lasts_s / _TICKS / self._speed)
                if state == "generating":
                    job.percent = 100 * (tick + 1) // _TICKS
        failed = job.faults.fail is not None or job.faults.exit
        job.ended_at = time.time()
        self._enter(job, "fail" if failed else "success")
        self._callbacks.send(job)

    def _enter(self, job: Job, state: State) -> None:
        job.state = state
        job.changed_at = time.time()
        job.stir()

    def _refuse(self, body: object, code: int, message: str, faults: Faults) -> web.Response:
        self.jobs.note(body, refused=code)
        return _refused(code, message, faults)

    async def _gone_wrong(
        self, request: web.Request, fault: HttpFault, proper: web.Response | None, faults: Faults
    ) -> web.Response:
        if fault.kind == "envelope":
            return _envelope(fault.status, "Something went wrong.", None, status=fault.status)
        return await http_faults.gone_wrong(
            request, fault, proper, retry_after_s=faults.retry_after_s, closing=self._closing
        )


def authorized(request: web.Request) -> bool:
    """Return whether a call has the account's key."""
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {API_KEY}".encode())


def no_key() -> web.Response:
    """Refuse a call without the account's key."""
    return _envelope(401, "You do not have access permissions", None)


def said(data: object) -> web.Response:
    """Answer that it worked."""
    return _envelope(200, "success", data)


def said_of_record(data: object, faults: Faults) -> web.Response:
    """Answer recordInfo, whose envelope has its text under another name than createTask's."""
    return _envelope(200, "success", data, text_name=_text_name(faults))


def _refused(code: int, message: str, faults: Faults, *, text_name: str = "msg") -> web.Response:
    answer = _envelope(code, message, None, status=code if faults.code_as_status else 200, text_name=text_name)
    if faults.retry_after_s is not None:
        answer.headers["Retry-After"] = str(faults.retry_after_s)
    return answer


def _record_refused(code: int, message: str, faults: Faults) -> web.Response:
    return _refused(code, message, faults, text_name=_text_name(faults))


def _text_name(faults: Faults) -> str:
    return "msg" if faults.spelling == "kie" else "message"


def _envelope(code: int, message: str, data: object, *, status: int = 200, text_name: str = "msg") -> web.Response:
    body = http_faults.encoded({"code": code, text_name: message, "data": data})
    return web.Response(status=status, body=body, content_type="application/json")
