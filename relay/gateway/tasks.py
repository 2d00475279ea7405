"""`Task/…`: show, list, stop and clean up tasks."""

from typing import Final

from aiohttp import hdrs, web

from relay.access.grants import Grant, TokenExpired
from relay.access.roles import Right
from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError
from relay.gateway import bodies, envelope
from relay.gateway.credentials import KEY, checked, granted, permit, permitted
from relay.gateway.entry import entry
from relay.journal.lists import Filter
from relay.web.http.auditing import notes
from relay.web.http.context import context

_BEFORE_WORK: Final = frozenset({State.SUBMITTING, State.HELD, State.QUEUED})

STOPPED_S: Final = 5.0
"""How long the answer to Cancel and Kill waits for the end of the task."""

MAX_LISTED: Final = 500
"""How far Task/List reaches: it has offsets, which cost as much as everything before them."""


async def detail(request: web.Request) -> web.Response:
    """`POST /wiro/v1/Task/Detail`, with `tasktoken` alone, or with `taskid` and a credential. Never an empty list."""
    fields = await bodies.read(request)
    token = bodies.text(fields, "tasktoken", "socketaccesstoken")
    if token:
        grant = checked(request, token)
        snapshot = await _seen(request, grant, grant.task or "")
        grant = _sent_along(request) or grant
    else:
        grant = granted(request)
        snapshot = await _seen(request, grant, _task_id(fields))
    return envelope.ok({"total": "1", "tasklist": [await _entry(request, grant, snapshot, token)]})


async def index(request: web.Request) -> web.Response:
    """`POST /wiro/v1/Task/List`: newest first; with a token, the tasks of its tag."""
    grant, fields = permitted(request, "view"), await bodies.read(request)
    if grant.task is not None:
        raise RequestError(Code.FORBIDDEN, "A token of one task cannot list tasks.")
    start, limit = bodies.number(fields, "start", 0), max(1, min(bodies.number(fields, "limit", 20), 200))
    if start + limit > MAX_LISTED:
        raise RequestError(
            Code.INVALID_INPUT, f"Request parameters [start] and [limit] reach beyond {MAX_LISTED} tasks."
        )
    where = Filter(tag=grant.tag, provider="wiro")
    model, oldest_first = bodies.text(fields, "modelName").lower(), bodies.text(fields, "order").upper() == "ASC"
    lists = context(request).tasks.lists
    page = await lists.page(where, limit=MAX_LISTED if model or oldest_first else start + limit)
    if oldest_first and page.next is not None:
        raise RequestError(
            Code.INVALID_INPUT, f"Request parameter [order] must be DESC: there are more than {MAX_LISTED} tasks."
        )
    found = [snapshot for snapshot in page.snapshots if model in snapshot.model.lower()]
    total = len(found) if model else sum((await lists.counts(where)).states.values())
    listed = (found[::-1] if oldest_first else found)[start : start + limit]
    entries = [await _entry(request, grant, snapshot) for snapshot in listed]
    return envelope.ok({"total": str(total), "tasklist": entries})


async def cancel(request: web.Request) -> web.Response:
    """`POST /wiro/v1/Task/Cancel`: stop a task that waits in a queue."""
    grant, snapshot = await _to_stop(request)
    if snapshot.state not in _BEFORE_WORK:
        return envelope.refusal(1, "Task is not in a cancellable state.")
    return await _stop(request, grant, snapshot)


async def kill(request: web.Request) -> web.Response:
    """`POST /wiro/v1/Task/Kill`: stop a task, in a queue or not."""
    grant, snapshot = await _to_stop(request)
    if snapshot.done is not None:
        return envelope.refusal(1, "Task could not be killed: task is not running")
    return await _stop(request, grant, snapshot)


async def delete_files(request: web.Request) -> web.Response:
    """`POST /wiro/v1/Task/InputOutputDelete`: delete a task that has ended, here and at Wiro."""
    fields = await bodies.read(request)
    task = _task_id(fields) or _named_task(request, fields)
    await _seen(request, permitted(request, "admin"), task, "admin")
    notes(request).task = task
    await context(request).tasks.delete(task, cancel=False, upstream=True)
    return envelope.ok({})


async def _to_stop(request: web.Request) -> tuple[Grant, Snapshot]:
    """Return the caller and the task: a token in the body says which task it is, the header who may stop it."""
    fields = await bodies.read(request)
    task = _task_id(fields) or _named_task(request, fields)
    grant = permitted(request, "cancel")
    snapshot = await _seen(request, grant, task, "cancel")
    notes(request).task = snapshot.id
    if not grant.is_key:
        context(request).rate_limits.cancels.spend((grant.task, grant.tag), context(request).clock())
    return grant, snapshot


async def _stop(request: web.Request, grant: Grant, snapshot: Snapshot) -> web.Response:
    """Stop a task, and respond when it has ended, or after a while as if it had: the end will follow."""
    tasks = context(request).tasks
    await tasks.cancel(snapshot.id, "key" if grant.is_key else "viewer")
    ended = await tasks.wait(snapshot.id, STOPPED_S)
    return envelope.ok({"tasklist": [await _entry(request, grant, ended)]})


async def _seen(request: web.Request, grant: Grant, task: str, right: Right = "view") -> Snapshot:
    """
    Return a task that the caller may see, or do `right` with.

    Raises:
        RequestError: there is none, or the caller may not.
    """
    if not task:
        raise RequestError(Code.INVALID_INPUT, envelope.NO_ID)
    await permit(context(request), grant, right, task)
    return await context(request).tasks.snapshot(task)


async def _entry(request: web.Request, grant: Grant, snapshot: Snapshot, token: str = "") -> dict[str, object]:
    """Return the entry of a task, with the token that the caller has presented, else with a new one."""
    here = context(request)
    if not token:
        token, _ = here.access.mint(snapshot.id, scope="view", ttl_s=here.config.token_ttl_s)
    parameters: dict[str, object] = {}
    if grant.allows("input", snapshot.id, snapshot.tags):
        parameters = dict((await here.tasks.stored_task(snapshot.id)).input)
    return entry(snapshot, token=token, parameters=parameters)


def _sent_along(request: web.Request) -> Grant | None:
    """
    Return what the credential in the header allows, which is sent although the token in the body is enough.

    Raises:
        RequestError: it is invalid. One that has expired is ignored: its app has still the right to watch the task.
    """
    if hdrs.AUTHORIZATION not in request.headers and KEY not in request.headers:
        return None
    try:
        return granted(request)
    except TokenExpired:
        return None


def _task_id(fields: bodies.Fields) -> str:
    return bodies.text(fields, "taskid", "id")


def _named_task(request: web.Request, fields: bodies.Fields) -> str:
    """Return the task of the token in a body; empty if there is none."""
    token = bodies.text(fields, "socketaccesstoken", "tasktoken")
    return (checked(request, token).task or "") if token else ""
