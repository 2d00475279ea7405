"""POST /Run/{owner}/{model}: what is refused, what becomes a task, and how the answer may go wrong on its way back."""

import asyncio
import re
import secrets
import string
import time
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox.shared import http_faults, pictures
from relay.sandbox.shared.fault_counts import Quota
from relay.sandbox.switches.faults import Faults, directives, without_directives
from relay.sandbox.switches.values import Dialect, HttpFault, Refusal
from relay.sandbox.wiro import bodies, catalogue, input_checks, script
from relay.sandbox.wiro.file_store import File, Shelf
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.random_faults import Chance
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.task_runner import Player
from relay.sandbox.wiro.tasks import Field, Ledger, RunRequest, Task

_OWN_FIELDS = ("callbackUrl", "projectid")
_CONCURRENCY = (
    "You have reached your concurrent task limit. With your current balance of ${balance:.2f}, you can run up to "
    "{limit} tasks at the same time. Add funds to increase your limit."
)
_BALANCE_A_TASK = 10
"""Dollars of balance for each task at the same time: the limit is a tenth of it."""
STARTED = web.RequestKey("task", Task)
"""Where a request has the task that it has started."""
_NO_MODEL = Refusal(code=1, message="slug-owner-project-not-exist")


class Runs:
    """Takes orders."""

    def __init__(
        self,
        ledger: Ledger,
        player: Player,
        shelf: Shelf,
        *,
        faults: Faults,
        next_switches: Callable[[], Mapping[str, str]],
        dialect: Dialect,
        seed: int,
        concurrency: int | None,
        chance: Chance,
        closing: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._player = player
        self._shelf = shelf
        self._faults = faults
        self._next_switches = next_switches
        self._dialect = dialect
        self._seed = seed
        self._concurrency = concurrency
        self._chance = chance
        self._closing = closing
        self._quota = Quota()
        # Unlike the scripts, ids are new in each life: a relay that remembers an old task must not meet it again.
        self._first_id = int(time.time())

    async def run(self, request: web.Request, account: str) -> web.Response:
        """Answer one Run."""
        slug = f"{request.match_info['owner']}/{request.match_info['model']}"
        switches = self._next_switches()
        queued = self._faults.with_switches(switches)
        try:
            fields = await bodies.read(request, shelf=self._shelf, faults=queued)
        except bodies.BadBody:
            return self._refuse(request, slug, (), Refusal(code=0, message="Request parameters are invalid."))
        try:
            faults = queued.with_switches(directives(each.value for each in fields if isinstance(each.value, str)))
        except ConfigError as error:
            return self._refuse(request, slug, fields, Refusal(code=0, message=str(error)))
        fault, takes_effect = self._fault(slug, fields, faults, queued="run_http" in switches)
        if fault is None:
            return self._answer(request, account, slug, fields, faults, told=True)
        if not takes_effect:
            self._note(request, slug, fields)
            return await self._gone_wrong(request, fault, None, faults)
        proper = self._answer(request, account, slug, fields, faults, told=False)
        return await self._gone_wrong(request, fault, proper, faults)

    def _fault(
        self, slug: str, fields: tuple[Field, ...], faults: Faults, *, queued: bool
    ) -> tuple[HttpFault | None, bool]:
        """Return how the answer goes wrong, if it does, and whether the Run takes effect all the same."""
        if fault := self._quota.take(f"{slug} {fields}", faults.run_http, queued=queued):
            return fault, _takes_effect(fault, faults)
        mishap = self._chance.mishap()
        return (mishap.fault, mishap.takes_effect) if mishap else (None, True)

    def _answer(
        self, request: web.Request, account: str, slug: str, fields: tuple[Field, ...], faults: Faults, *, told: bool
    ) -> web.Response:
        model = catalogue.find(*slug.split("/"))
        values = bodies.values(fields)
        refusal = self._refusal(account, model, values, faults)
        if refusal is not None or model is None:
            return self._refuse(request, slug, fields, refusal or _NO_MODEL, told=told)
        request[STARTED] = task = self._start(request, account, model, values, faults)
        self._note(request, slug, fields, task_id=task.id)
        fields_of_answer: dict[str, object] = {
            "taskid": int(task.id) if faults.run_taskid == "number" else task.id,
            "socketaccesstoken": None if faults.run_token_missing else task.token,
        }
        return http_faults.ok(fields_of_answer if faults.run_envelope == "flat" else {"data": fields_of_answer})

    def _refuse(
        self, request: web.Request, slug: str, fields: tuple[Field, ...], refusal: Refusal, *, told: bool = True
    ) -> web.Response:
        self._note(request, slug, fields, refused=refusal.code if told else None)
        return http_faults.refused(refusal.code, refusal.message)

    def _refusal(
        self, account: str, model: Model | None, values: Mapping[str, object], faults: Faults
    ) -> Refusal | None:
        if faults.run_error:
            return faults.run_error
        if model is None:
            return _NO_MODEL
        if wrong := input_checks.refusal(model, values):
            return Refusal(code=0, message=wrong)
        limit = self._concurrency
        if limit is not None and self._ledger.live(account) >= limit:
            return Refusal(code=96, message=_CONCURRENCY.format(balance=_BALANCE_A_TASK * limit, limit=limit))
        return None

    def _start(
        self, request: web.Request, account: str, model: Model, values: Mapping[str, object], faults: Faults
    ) -> Task:
        index = len(self._ledger.tasks) + 1
        prompt = without_directives(bodies.text(values, "prompt"))
        images = max(1, int(bodies.text(values, "maxImages") or 1)) if model.kind == "image" else 1
        dialect = faults.dialect or self._dialect
        identity = Identity(
            id=str(self._first_id + index),
            token="".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(30)),
            folder=secrets.token_hex(16),
            index=index,
            model=model,
            parameters={
                name: _shown(name, value, request.host) for name, value in values.items() if name not in _OWN_FIELDS
            },
            files=tuple(each.key for value in values.values() for each in _files(value)),
            callback_url=bodies.text(values, "callbackUrl"),
            prompt=prompt,
            images=images,
            size=_size(bodies.text(values, "size")),
            dialect=dialect,
            faults=faults,
            cdn_url=f"http://{request.host}/cdn",
        )
        brief = script.Brief(
            seed=self._seed, index=index, model=model, prompt=prompt, images=images, dialect=dialect, faults=faults
        )
        record = Record(status="task_queue", clock={"createtime": time.time()})
        task = Task(identity=identity, account=account, script=script.write(brief), record=record)
        self._ledger.add(task)
        self._player.start(task)
        return task

    def _note(
        self,
        request: web.Request,
        slug: str,
        fields: tuple[Field, ...],
        *,
        task_id: str | None = None,
        refused: int | None = None,
    ) -> None:
        received = RunRequest(
            model=slug, content_type=request.content_type, fields=fields, task_id=task_id, refused=refused
        )
        self._ledger.note(received)

    async def _gone_wrong(
        self, request: web.Request, fault: HttpFault, proper: web.Response | None, faults: Faults
    ) -> web.Response:
        return await http_faults.gone_wrong(
            request, fault, proper, retry_after_s=faults.retry_after_s, closing=self._closing
        )


def _takes_effect(fault: HttpFault, faults: Faults) -> bool:
    return fault.takes_effect if faults.run_http_started is None else faults.run_http_started


def _files(value: object) -> list[File]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, File)]


def _shown(name: str, value: object, host: str) -> object:
    """Return a parameter as the detail echoes it: for a file its address."""
    match value:
        case File():
            suffix = PurePosixPath(value.filename).suffix
            return f"http://{host}/v1/File/{value.key}/{quote(f'{name}-{int(value.sha256[:6], 16)}{suffix}', safe='')}"
        case list():
            return [_shown(name, each, host) for each in value]
        case _:
            return value


def _size(asked: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", asked)
    return pictures.scaled(int(found[1]), int(found[2])) if found else pictures.scaled(1, 1)
