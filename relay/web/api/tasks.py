"""The REST calls on tasks: each reads its request, asks a use case, and writes the answer."""

import orjson
from aiohttp import hdrs, web

from relay.core.events import State
from relay.errors import UpstreamUnclear
from relay.tasks.starting import Started
from relay.web.api.bodies import AttachBody, EventsQuery, ListQuery, TagTokenBody, TokenBody, page_cursor
from relay.web.api.links import links
from relay.web.api.uploads import read_start
from relay.web.http.answers import json_answer
from relay.web.http.context import context
from relay.web.http.credentials import granted, require, require_key
from relay.web.http.json_body import read_object
from relay.web.http.problems import answer, of_upstream
from relay.web.http.queries import read_query
from relay.web.live.sse import stream, wants_stream


async def start(request: web.Request) -> web.Response:
    """`POST /v1/tasks`: 201 when the upstream took it, 202 while it has not, else a problem that names the task."""
    grant = require_key(request, context(request).rates.starts)
    body, wish, idempotency = await read_start(request, grant.key_digest)
    started = await context(request).tasks.start(wish, idempotency)
    if started.refusal is not None and not isinstance(started.refusal, UpstreamUnclear):
        return answer(of_upstream(started.refusal, started.snapshot.id))
    taken = started.refusal is None and started.snapshot.state not in (State.SUBMITTING, State.HELD)
    return _started(request, started, 201 if taken else 202, body.ttl)


async def attach(request: web.Request) -> web.Response:
    """`POST /v1/tasks/attach`: 201 for a task that is followed from now on, 200 for one that was before."""
    require_key(request, context(request).rates.starts)
    body = AttachBody.model_validate(await read_object(request))
    started = await context(request).tasks.attach(body.wish())
    return _started(request, started, 201 if started.made else 200, body.ttl)


def _started(request: web.Request, started: Started, status: int, ttl_s: int | None) -> web.Response:
    parts, task = context(request), started.snapshot.id
    token, _ = parts.access.mint(task, scope="view", ttl_s=ttl_s or parts.config.token_ttl_s)
    made = {"task": started.snapshot, "token": token, "links": links(parts.config, task, token)}
    if started.refusal is not None:
        made["unconfirmed"] = started.refusal.detail
    response = json_answer(made, status)
    response.headers[hdrs.LOCATION] = links(parts.config, task, token)["self"]
    return response


async def index(request: web.Request) -> web.Response:
    """`GET /v1/tasks`: for keys, and for the tokens of the tag that is asked for."""
    grant = granted(request)
    query = read_query(request, ListQuery)
    if grant.tag is None or grant.tag != query.tag or "view" not in grant.scopes:
        require_key(request)
    page = await context(request).tasks.page(query.where(), after=query.after(), limit=query.limit)
    return json_answer({"tasks": page.snapshots, "next": page_cursor(page.next) if page.next else None})


async def show(request: web.Request) -> web.Response:
    """`GET /v1/tasks/{id}`."""
    task = request.match_info["id"]
    await require(request, "view", task)
    return json_answer(await context(request).tasks.snapshot(task))


async def show_input(request: web.Request) -> web.Response:
    """`GET /v1/tasks/{id}/input`: what the task was started with."""
    task = request.match_info["id"]
    await require(request, "input", task)
    record = await context(request).tasks.stored_task(task)
    files = [
        {
            "input": file.input,
            "filename": file.filename,
            "content_type": file.content_type,
            "size": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in record.files
    ]
    return json_answer({"input": record.input, "files": files, "metadata": record.metadata})


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/events`: a stretch of the log, or a stream for who asks for one."""
    task = request.match_info["id"]
    grant = await require(request, "view", task)
    parts = context(request)
    snapshot = await parts.tasks.snapshot(task)
    if wants_stream(request):
        return await stream(request, snapshot, grant)
    query = read_query(request, EventsQuery)
    history = await parts.journal.read(task, after=query.after, limit=query.limit)
    more = len(history.entries) == query.limit
    body = b'{"epoch":%b,"events":[%b],"first_seq":%d,"next":%b}' % (
        orjson.dumps(parts.journal.epoch),
        b",".join(entry.body for entry in history.entries),
        history.first_seq,
        b"%d" % history.entries[-1].seq if more else b"null",
    )
    return web.Response(body=body, content_type="application/json")


async def cancel(request: web.Request) -> web.Response:
    """`POST /v1/tasks/{id}/cancel`."""
    task = request.match_info["id"]
    grant = await require(request, "cancel", task)
    if not grant.is_key:
        context(request).rates.cancels.spend((grant.task, grant.tag), context(request).clock())
    snapshot = await context(request).tasks.cancel(task, "key" if grant.is_key else "viewer")
    return json_answer(snapshot, 202)


async def mint(request: web.Request) -> web.Response:
    """`POST /v1/tasks/{id}/tokens`."""
    require_key(request, context(request).rates.mints)
    parts, task = context(request), request.match_info["id"]
    await parts.tasks.snapshot(task)
    body = TokenBody.model_validate(await read_object(request, required=False))
    token, expires_at = parts.access.mint(task, scope=body.scope, ttl_s=body.ttl or parts.config.token_ttl_s)
    return json_answer({"token": token, "expires_at": expires_at, "links": links(parts.config, task, token)})


async def mint_for_tag(request: web.Request) -> web.Response:
    """`POST /v1/tokens`."""
    require_key(request, context(request).rates.mints)
    parts = context(request)
    body = TagTokenBody.model_validate(await read_object(request))
    token, expires_at = parts.access.mint_tag(body.tag, scope=body.scope, ttl_s=body.ttl or parts.config.token_ttl_s)
    return json_answer({"token": token, "expires_at": expires_at})
