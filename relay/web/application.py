"""The application: every address of the relay and who answers it, in one table."""

import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from relay import log
from relay.web import pages
from relay.web.api import files, health, hooks, login, models, openapi
from relay.web.api import tasks as rest
from relay.web.http.base_path import prefix, with_slash, without_slash
from relay.web.http.client_address import peer
from relay.web.http.context import CONTEXT, Context, context
from relay.web.http.cors import add_headers, origins
from relay.web.http.problems import logged_path, problems
from relay.web.http.queries import repeats
from relay.web.live import events
from relay.web.live import websocket as ws

_log = log.get("web")


ROUTES = (
    web.post("/v1/tasks", rest.start),
    web.post("/v1/tasks/attach", rest.attach),
    web.get("/v1/tasks", rest.index),
    web.get("/v1/tasks/{id}", rest.show),
    web.get("/v1/tasks/{id}/input", rest.show_input),
    web.get("/v1/tasks/{id}/events", rest.events, allow_head=False),  # the hub writes without looking
    web.get("/v1/tasks/{id}/ws", ws.serve_task, allow_head=False),
    web.post("/v1/tasks/{id}/cancel", rest.cancel),
    web.post("/v1/tasks/{id}/tokens", rest.mint),
    web.post("/v1/tokens", rest.mint_for_tag),
    web.post("/v1/login", login.login),
    web.get("/v1/models", models.index),
    web.get("/v1/models/{owner}/{name}", models.show),
    web.post("/v1/files", files.upload),
    web.post("/v1/folders", files.create_folder),
    web.get("/v1/ws", ws.serve_topics, allow_head=False),
    web.get("/v1/events", events.get, allow_head=False),
    web.post("/v1/events", events.post),
    web.post("/hooks/{provider}/{hook}", hooks.call_back),
    web.post("/hooks/{provider}/{hook}/", hooks.call_back),
    web.get("/livez", health.live),
    web.get("/readyz", health.ready),
    web.get("/openapi.json", openapi.document),
    web.get("/", pages.dashboard),
    web.get("/t/{id}", pages.task),
    web.get("/inspect/{id}", pages.inspect),
    web.get("/embed/{id}", pages.embed),
    web.get("/static/{path:.*}", pages.file),
    *(web.get(f"/{page}/{{id}}/", without_slash) for page in ("t", "inspect", "embed")),
)


def application(parts: Context) -> web.Application:
    """Put the application together around the parts of the relay."""
    app = web.Application(
        middlewares=[written, problems, origins, repeats], client_max_size=parts.config.body_limit_bytes
    )
    app[CONTEXT] = parts
    app.on_response_prepare.append(add_headers)
    app.add_routes(ROUTES)
    if before := prefix(parts.config):
        app.add_routes([web.RouteDef(each.method, before + each.path, each.handler, each.kwargs) for each in ROUTES])
        app.router.add_get(before, with_slash)
    return app


@web.middleware
async def written(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write one line for each request when it is over: the pattern of its path, since an address can hold secrets."""
    began = time.monotonic()
    status = 0
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        _log.log(
            20 if request.method == hdrs.METH_POST or "/hooks/" in request.path else 10,
            "request.answered",
            method=request.method,
            path=logged_path(request),
            peer=peer(request, context(request).config.trusted_proxies),
            status=status,
            duration_s=round(time.monotonic() - began, 4),
        )
