"""`Run`: start a task with Wiro's request, and answer with the relay's own id and token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from relay import log
from relay.access.grants import Grant, new_jti
from relay.access.starts import StartPermit
from relay.errors import Code, FieldError, RequestError, UpstreamUnclear
from relay.files.upload import Upload
from relay.gateway import bodies, envelope
from relay.gateway.credentials import checked, permit, permitted
from relay.journal.base import Subscription
from relay.tasks.requests import Start
from relay.web.http.auditing import notes
from relay.web.http.context import context
from relay.web.http.credentials import spend_start

_CALLBACK: Final = "callbackUrl"
_EARLIER: Final = "previousTaskToken"
_NOT_INPUTS: Final = frozenset({_CALLBACK, "projectid"})
"""Fields of every Run that are no inputs of the model. The relay has its own callback and project."""

_log = log.get("gateway")


async def run(request: web.Request) -> web.Response:
    """
    `POST /wiro/v1/Run/{owner}/{model}`.

    A task that waits in the relay's queue, or whose start the platform has not confirmed, is answered like any other:
    its frames and its record say what becomes of it.
    """
    here = context(request)
    grant = permitted(request, "start")
    model = f"{request.match_info['owner']}/{request.match_info['model']}"
    permit_start = StartPermit(grant, here.models)
    permit_start.check_model(model)
    spend_start(request, grant)
    async with Upload(here.spool) as upload:
        fields = await bodies.read(request, upload)
        given = {name: value for name, value in fields.items() if name not in _NOT_INPUTS}
        wanted = Start(
            model=model,
            input=await _with_earlier(request, grant, given),
            provider="wiro",
            # Only the operator's own clients name a receiver.
            webhook=_webhook(request, bodies.text(fields, _CALLBACK)) if grant.is_key else None,
            verbatim=True,
        )
        for file in upload.files:
            permit_start.check_file(file.input)
        allowed = permit_start.apply(wanted)
        started = await here.tasks.start(replace(allowed, files=upload.hand_over()))
    task, noted = started.snapshot.id, notes(request)
    noted.task, noted.jti = task, new_jti()
    if started.refusal is not None and not isinstance(started.refusal, UpstreamUnclear):
        return envelope.of_upstream_error(started.refusal)
    ttl_s = grant.lifetime_s(here.config.token_ttl_s, here.clock())
    token, _ = here.access.mint(task, scope="view", ttl_s=ttl_s, jti=noted.jti)
    return envelope.ok({"taskid": task, "socketaccesstoken": token})


async def _with_earlier(request: web.Request, grant: Grant, given: Mapping[str, object]) -> Mapping[str, object]:
    """
    Return the input with the relay's id of the turn that it continues: clients have the token of that turn.

    Raises:
        RequestError: the token is not one of a task that the caller may see.
    """
    token = bodies.text(given, _EARLIER)
    if not token:
        return given
    try:
        task = checked(request, token).task
    except RequestError:
        task = None
    if task is None:
        wrong = FieldError(field=f"input.{_EARLIER}", message="must be the socketaccesstoken of an earlier task")
        raise RequestError(Code.INVALID_INPUT, f"Request parameter [{_EARLIER}] {wrong.message}.", fields=(wrong,))
    await permit(context(request), grant, "view", task)
    return {**given, _EARLIER: task}


def _webhook(request: web.Request, url: str) -> Subscription | None:
    """
    Return the receiver of the webhook at the end. Wiro's examples have prose in this field: only a usable URL counts.

    Wiro sends callbacks without a signature, so a receiver has to be one that the operator has allowed.
    """
    if not url:
        return None
    subscription = Subscription(url=url, events=("task.done",))
    try:
        context(request).tasks.check_receiver(subscription)
    except RequestError as error:
        _log.info("callback.ignored", reason=error.detail)
        return None
    return subscription
