"""The calls on tasks and tokens."""

from dataclasses import replace

import orjson
from aiohttp import hdrs, web

from relay.access.grants import Grant, new_jti
from relay.access.starts import StartPermit
from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.core.status_view import status_message, status_snapshot
from relay.errors import UpstreamUnclear
from relay.metrics.trace_context import checked_traceparent
from relay.tasks.requests import Idempotency, Start
from relay.tasks.starting import Started as StartedTask
from relay.web.api.idempotency import read_idempotency
from relay.web.api.links import links
from relay.web.api.responses import (
    DeletionReport,
    Input,
    Previous,
    Started,
    StartedAgain,
    TagToken,
    TaskCounts,
    TaskList,
    Token,
    listed_task,
)
from relay.web.api.reused_files import kept_inputs, reused
from relay.web.api.task_bodies import AgainBody, AttachBody, TagTokenBody, TokenBody
from relay.web.api.task_queries import (
    CountQuery,
    DeleteQuery,
    DeleteTaggedQuery,
    EventsQuery,
    ListQuery,
    ShowQuery,
    page_cursor,
)
from relay.web.api.uploads import read_start
from relay.web.http.auditing import notes
from relay.web.http.context import context
from relay.web.http.credentials import (
    GRANT,
    granted,
    permit,
    permit_scope,
    permit_tag,
    require,
    require_key,
    require_start,
    spend_start,
)
from relay.web.http.json_body import json_response, read_object
from relay.web.http.prefer import preferred_wait_s
from relay.web.http.problems import upstream_problem
from relay.web.http.queries import read_query
from relay.web.live.slots import viewer_slot
from relay.web.live.sse import stream, wants_stream


async def start(request: web.Request) -> web.Response:
    """
    `POST /v1/tasks`: 201 if the platform accepted the task, 202 if it has not yet, else a problem with its id.

    With `Prefer: wait=N`: 201 if the task has ended, 202 after N seconds.
    """
    permit_start = StartPermit(require_start(request), context(request).models)
    body, wanted, idempotency = await read_start(request, permit_start)
    return await _start(request, wanted, idempotency, body.ttl)


async def again(request: web.Request) -> web.Response:
    """`POST /v1/tasks/{id}/again`: as a start, with the input of an earlier task and what that has cost."""
    grant, task = require_start(request), request.match_info["id"]
    await permit(context(request), grant, "start", task)
    fields = await read_object(request, required=False)
    body = AgainBody.model_validate(fields)
    repeated = await context(request).tasks.repeat(task, body.to_request(), await kept_inputs(request, task))
    permit_start = StartPermit(grant, context(request).models)
    permit_start.check_model(repeated.request.model)
    spend_start(request, grant)
    for file in repeated.files.values():
        permit_start.check_file(file.input)
    if grant.tag is not None:  # the webhook and the other tags of the earlier task are not for this credential
        tags = () if body.tags is None else repeated.request.tags
        repeated = replace(repeated, request=replace(repeated.request, tags=tags, webhook=None))
    wanted = permit_start.apply(repeated.request)
    done = repeated.earlier.done if grant.allows("view", task, repeated.earlier.tags) else None
    previous = Previous(
        task=task, cost=None if done is None else done.cost, elapsed_s=None if done is None else done.elapsed_s
    )
    idempotency = read_idempotency(request, grant, {"again": task, "body": fields})
    preferred_wait_s(request)  # reject an invalid one before the files are handed over
    async with reused(request, task, repeated.files) as upload:
        wanted = replace(wanted, files=upload.hand_over())
    return await _start(request, wanted, idempotency, body.ttl, previous)


async def _start(
    request: web.Request,
    wanted: Start,
    idempotency: Idempotency | None,
    ttl_s: int | None,
    previous: Previous | None = None,
) -> web.Response:
    """Start a task, and wait for its end if the client prefers that. `previous` is the task that it repeats."""
    tasks, wait_s, waits = context(request).tasks, preferred_wait_s(request), False
    if context(request).config.traces_url is not None:
        wanted = replace(wanted, traceparent=checked_traceparent(request.headers.get("traceparent")))
    if wait_s is None:
        started = await tasks.start(wanted, idempotency)
    else:
        with viewer_slot(request) as refusal:
            waits = refusal is None  # otherwise the preference is not applied
            started = await tasks.start(wanted, idempotency, wait_s=wait_s if waits else None)
    notes(request).task = started.snapshot.id
    if started.refusal is not None and not isinstance(started.refusal, UpstreamUnclear):
        return upstream_problem(started.refusal, started.snapshot.id)
    if waits:
        response = _started(request, started, 201 if started.snapshot.done else 202, ttl_s, previous)
        response.headers["Preference-Applied"] = f"wait={wait_s}"
        return response
    accepted = started.refusal is None and started.snapshot.state not in (State.SUBMITTING, State.HELD)
    return _started(request, started, 201 if accepted else 202, ttl_s, previous)


async def attach(request: web.Request) -> web.Response:
    """`POST /v1/tasks/attach`: 201 if the relay follows the task from now on, 200 if it did already."""
    grant = require_key(request, context(request).rate_limits.starts)
    body = AttachBody.model_validate(await read_object(request))
    started = await context(request).tasks.attach(replace(body.to_request(), started_by=grant.name))
    notes(request).task = started.snapshot.id
    return _started(request, started, 201 if started.made else 200, body.ttl)


def _started(
    request: web.Request, started: StartedTask, status: int, ttl_s: int | None, previous: Previous | None = None
) -> web.Response:
    here, task = context(request), started.snapshot.id
    jti = notes(request).jti = new_jti()
    ttl_s = request[GRANT].lifetime_s(ttl_s or here.config.token_ttl_s, here.clock())
    grant = request[GRANT]
    scope = "view:status" if grant.status_only else "view"
    token, _ = here.access.mint(task, scope=scope, ttl_s=ttl_s, jti=jti)
    body: Started = {"task": _shown(grant, started.snapshot), "token": token, "links": links(here.config, task, token)}
    if started.refusal is not None:
        body["unconfirmed"] = started.refusal.detail
    response = json_response(body if previous is None else StartedAgain(**body, previous=previous), status)
    response.headers[hdrs.LOCATION] = body["links"]["self"]
    return response


async def index(request: web.Request) -> web.Response:
    """`GET /v1/tasks`, with an API key, or with the token of a tag for the tasks of that tag."""
    grant = granted(request)
    query = read_query(request, ListQuery)
    query.tag = _listed_tag(request, grant, query.tag)
    lists = context(request).tasks.lists
    page = await lists.page(query.to_filter(), order=query.order, after=query.after(), limit=query.limit)
    shown = [_shown(grant, snapshot) for snapshot in page.snapshots]
    body = TaskList(tasks=shown, next=page_cursor(page.next, query.order) if page.next else None)
    if grant.is_key or "input" in grant.scopes:
        prompts = await lists.prompts(page.snapshots)
        body["tasks"] = [listed_task(snapshot, prompts.get(snapshot.id)) for snapshot in shown]
    if grant.is_key and (node := context(request).config.node) is not None:
        body["node"] = node
    return json_response(body)


async def counts(request: web.Request) -> web.Response:
    """`GET /v1/tasks/counts`, for those that may list the tasks."""
    grant = granted(request)
    query = read_query(request, CountQuery)
    query.tag = _listed_tag(request, grant, query.tag)
    found = await context(request).tasks.lists.counts(query.to_filter())
    body: TaskCounts = {
        "states": {state.value: count for state, count in found.states.items()},
        "stalled": found.stalled,
        "at_least": found.at_least,
    }
    return json_response(body)


def _listed_tag(request: web.Request, grant: Grant, tag: str | None) -> str | None:
    """
    Require the right to list tasks; return the tag whose tasks are listed. A key that is bound to a tag lists this one.

    Raises:
        RequestError: the request has neither an API key nor the token of the tag whose tasks it lists.
    """
    if grant.is_key:
        require_key(request, bound=True)
        if grant.tag is None or tag is None:
            return grant.tag or tag
        permit_tag(grant, "view", tag)
    elif tag is None or not grant.allows_tag("view:status", tag):
        require_key(request)
    return tag


async def show(request: web.Request) -> web.Response:
    """`GET /v1/tasks/{id}`; with `wait`, when the task has ended or after that time."""
    tasks, task = context(request).tasks, request.match_info["id"]
    grant = await require(request, "view:status", task)
    wait_s = read_query(request, ShowQuery).wait
    if wait_s:
        with viewer_slot(request) as refusal:
            if refusal is None:
                return json_response(_shown(grant, await tasks.wait(task, wait_s)))
    return json_response(_shown(grant, await tasks.snapshot(task)))


def _shown(grant: Grant, snapshot: Snapshot) -> Snapshot:
    """Return what a caller sees of a task's state."""
    return status_snapshot(snapshot) if grant.status_only else snapshot


async def show_input(request: web.Request) -> web.Response:
    """`GET /v1/tasks/{id}/input`: what the task was started with."""
    task = request.match_info["id"]
    await require(request, "input", task)
    stored = await context(request).tasks.stored_task(task)
    body: Input = {
        "input": stored.input,
        "files": [
            {
                "input": file.input,
                "filename": file.filename,
                "content_type": file.content_type,
                "size": file.size_bytes,
                "sha256": file.sha256,
            }
            for file in stored.files
        ],
        "metadata": stored.metadata,
    }
    return json_response(body)


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/events`: a page of the log, or a stream with `Accept: text/event-stream`."""
    task = request.match_info["id"]
    grant = await require(request, "view:status", task)
    tasks = context(request).tasks
    snapshot = await tasks.snapshot(task)
    if wants_stream(request):
        return await stream(request, snapshot, grant)
    query = read_query(request, EventsQuery)
    history = await tasks.events(task, after=query.after, limit=query.limit)
    is_full = len(history.entries) == query.limit
    # `responses.History`, put together from events that are stored as JSON.
    body = b'{"epoch":%b,"events":[%b],"first_seq":%d,"next":%b}' % (
        orjson.dumps(tasks.epoch),
        b",".join(status_message(entry.body) if grant.status_only else entry.body for entry in history.entries),
        history.first_seq,
        b"%d" % history.entries[-1].seq if is_full else b"null",
    )
    return web.Response(body=body, content_type="application/json")


async def cancel(request: web.Request) -> web.Response:
    """`POST /v1/tasks/{id}/cancel`."""
    task = request.match_info["id"]
    grant = await require(request, "cancel", task)
    if not grant.is_key:
        context(request).rate_limits.cancels.spend((grant.task, grant.tag), context(request).clock())
    snapshot = await context(request).tasks.cancel(task, "key" if grant.is_key else "viewer")
    return json_response(_shown(grant, snapshot), 202)


async def delete(request: web.Request) -> web.Response:
    """`DELETE /v1/tasks/{id}`."""
    require_key(request)
    query = read_query(request, DeleteQuery)
    await context(request).tasks.delete(request.match_info["id"], cancel=query.cancel, upstream=query.upstream)
    return web.Response(status=204)


async def delete_tagged(request: web.Request) -> web.Response:
    """`DELETE /v1/tasks?tag=…`."""
    require_key(request)
    query = read_query(request, DeleteTaggedQuery)
    notes(request).tag = query.tag
    report = await context(request).tasks.delete_tagged(query.tag, cancel=query.cancel, upstream=query.upstream)
    notes(request).count = report.deleted
    body: DeletionReport = {
        "tag": query.tag,
        "deleted": report.deleted,
        "running": report.running,
        "failed": [{"task": task, "detail": detail} for task, detail in report.failed.items()],
        "complete": report.complete,
    }
    return json_response(body)


async def mint(request: web.Request) -> web.Response:
    """`POST /v1/tasks/{id}/tokens`."""
    here, task = context(request), request.match_info["id"]
    grant = require_key(request, here.rate_limits.mints, bound=True)
    await permit(here, grant, "view", task)
    await here.tasks.snapshot(task)
    body = TokenBody.model_validate(await read_object(request, required=False))
    permit_scope(grant, body.scope)
    jti, ttl_s = new_jti(), body.ttl or here.config.token_ttl_s
    token, expires_at = here.access.mint(task, scope=body.scope, ttl_s=ttl_s, jti=jti)
    notes(request).jti = jti
    return json_response(Token(token=token, expires_at=expires_at, jti=jti, links=links(here.config, task, token)))


async def mint_for_tag(request: web.Request) -> web.Response:
    """`POST /v1/tokens`."""
    here = context(request)
    grant = require_key(request, here.rate_limits.mints, bound=True)
    body = TagTokenBody.model_validate(await read_object(request))
    permit_tag(grant, "view", body.tag)
    permit_scope(grant, body.scope)
    jti, ttl_s = new_jti(), body.ttl or here.config.token_ttl_s
    token, expires_at = here.access.mint_tag(
        body.tag, scope=body.scope, ttl_s=ttl_s, jti=jti, rules=body.rules(), key=grant.name
    )
    notes(request).jti, notes(request).tag = jti, body.tag
    return json_response(TagToken(token=token, expires_at=expires_at, jti=jti))
