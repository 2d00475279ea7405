"""POST /Run/{owner}/{model}: what is refused, what becomes a task, and how the answer may go wrong on its way back."""

import asyncio
import re
import secrets
import string
import time
from collections.abc import Mapping

from aiohttp import web

from relay.errors import ConfigError
from relay.sandbox import answers, bodies, models, pictures, script
from relay.sandbox.chance import Chance
from relay.sandbox.faults import Faults, directives, without_directives
from relay.sandbox.models import Model
from relay.sandbox.player import Player
from relay.sandbox.record import Identity, Record
from relay.sandbox.switches import Dialect, HttpFault, Refusal
from relay.sandbox.tasks import Field, Ledger, RunRequest, Task

_OWN_FIELDS = ("callbackUrl", "projectid")
_CONCURRENCY = (
    "You have reached your concurrent task limit. Your current limit is {limit}. "
    "Please wait for a running task to finish, or add balance to raise the limit."
)
_NO_MODEL = Refusal(code=1, message="slug-owner-project-not-exist")


class Runs:
    """Takes orders."""

    def __init__(
        self,
        ledger: Ledger,
        player: Player,
        *,
        faults: Faults,
        dialect: Dialect,
        seed: int,
        concurrency: int | None,
        chance: Chance,
        closing: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._player = player
        self._faults = faults
        self._dialect = dialect
        self._seed = seed
        self._concurrency = concurrency
        self._chance = chance
        self._closing = closing
        # Unlike the scripts, ids are new in each life: a relay that remembers an old task must not meet it again.
        self._first_id = int(time.time())

    async def run(self, request: web.Request, account: str) -> web.Response:
        """Answer one Run."""
        slug = f"{request.match_info['owner']}/{request.match_info['model']}"
        try:
            fields = await bodies.read(request)
        except bodies.BadBody:
            return self._refuse(request, slug, (), Refusal(code=0, message="Request parameters are invalid."))
        try:
            faults = self._switched(fields)
        except ConfigError as error:
            return self._refuse(request, slug, fields, Refusal(code=0, message=str(error)))
        fault, takes_effect = self._fault(slug, fields, faults)
        if fault is None:
            return self._answer(request, account, slug, fields, faults, told=True)
        if not takes_effect:
            self._note(request, slug, fields)
            return await self._gone_wrong(request, fault, None, faults)
        proper = self._answer(request, account, slug, fields, faults, told=False)
        return await self._gone_wrong(request, fault, proper, faults)

    def _fault(self, slug: str, fields: tuple[Field, ...], faults: Faults) -> tuple[HttpFault | None, bool]:
        """Return how the answer goes wrong, if it does, and whether the Run takes effect all the same."""
        fault = faults.run_http
        if fault and self._alike(slug, fields) < fault.count:
            return fault, _takes_effect(fault, faults)
        mishap = self._chance.mishap()
        return (mishap.fault, mishap.takes_effect) if mishap else (None, True)

    def _alike(self, slug: str, fields: tuple[Field, ...]) -> int:
        return sum(run.model == slug and run.fields == fields for run in self._ledger.runs)

    def _switched(self, fields: tuple[Field, ...]) -> Faults:
        queued = self._ledger.next_switches.pop(0) if self._ledger.next_switches else {}
        texts = [field.value for field in fields if isinstance(field.value, str)]
        return self._faults.with_switches({**queued, **directives(texts)})

    def _answer(
        self, request: web.Request, account: str, slug: str, fields: tuple[Field, ...], faults: Faults, *, told: bool
    ) -> web.Response:
        model = models.find(*slug.split("/"))
        values = bodies.values(fields)
        refusal = self._refusal(account, model, values, faults)
        if refusal is not None or model is None:
            return self._refuse(request, slug, fields, refusal or _NO_MODEL, told=told)
        task = self._start(request, account, model, values, faults)
        self._note(request, slug, fields, task_id=task.id)
        fields_of_answer: dict[str, object] = {
            "taskid": int(task.id) if faults.run_taskid == "number" else task.id,
            "socketaccesstoken": None if faults.run_token_missing else task.token,
        }
        return answers.ok(fields_of_answer if faults.run_envelope == "flat" else {"data": fields_of_answer})

    def _refuse(
        self, request: web.Request, slug: str, fields: tuple[Field, ...], refusal: Refusal, *, told: bool = True
    ) -> web.Response:
        self._note(request, slug, fields, refused=refusal.code if told else None)
        return answers.refused(refusal.code, refusal.message)

    def _refusal(
        self, account: str, model: Model | None, values: Mapping[str, object], faults: Faults
    ) -> Refusal | None:
        if faults.run_error:
            return faults.run_error
        if model is None:
            return _NO_MODEL
        for field in model.inputs:
            if wrong := _wrong(field, bodies.text(values, field.id)):
                return Refusal(code=0, message=f"Request parameter [{field.id}] {wrong}")
        if self._concurrency is not None and self._ledger.live(account) >= self._concurrency:
            return Refusal(code=96, message=_CONCURRENCY.format(limit=self._concurrency))
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
            parameters={name: value for name, value in values.items() if name not in _OWN_FIELDS},
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
        return await answers.gone_wrong(
            request, fault, proper, retry_after_s=faults.retry_after_s, closing=self._closing
        )


def _takes_effect(fault: HttpFault, faults: Faults) -> bool:
    return fault.takes_effect if faults.run_http_started is None else faults.run_http_started


def _wrong(field: models.Input, value: str) -> str:
    """Return what is wrong with a value, in the upstream's words, or nothing."""
    if not value:
        return "required" if field.required else ""
    if field.type != "number":
        return ""
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "must be integer or float"
    if field.least is not None and field.most is not None and not field.least <= float(value) <= field.most:
        return f"must be between {field.least} and {field.most}"
    return ""


def _size(asked: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", asked)
    return pictures.scaled(int(found[1]), int(found[2])) if found else pictures.scaled(1, 1)
