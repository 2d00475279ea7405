"""Build the web application: all routes, and what happens to every request."""

import time
from http import HTTPStatus
from logging import DEBUG, INFO

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from relay import log
from relay.access.roles import Right
from relay.journal.audit import Action
from relay.web import metrics, pages, static_files
from relay.web.api import hooks, openapi
from relay.web.api.route import Route
from relay.web.api.routes import ROUTES as API_ROUTES
from relay.web.http.auditing import NOTES, audited
from relay.web.http.base_path import add_slash, prefix, remove_slash
from relay.web.http.client_address import client_address
from relay.web.http.compression import compress
from relay.web.http.context import CONTEXT, Context, context
from relay.web.http.cors import add_headers, check_origin
from relay.web.http.credentials import GRANT, NEEDED
from relay.web.http.problems import CLIENT_DISCONNECTED, handle_errors, logged_path, route_pattern, task_in_path
from relay.web.http.proxy_signs import proxy_signs
from relay.web.http.queries import check_repeats
from relay.web.http.request_ids import bound_request_id

_log = log.get("web")


def _route(route: Route) -> web.RouteDef:
    handle = _guarded(route.handler, route.needs, route.action)
    if route.method != "get":
        return web.route(route.method.upper(), route.path, handle)
    return web.get(route.path, handle, allow_head=route.allow_head)


def _guarded(handler: Handler, needs: Right, action: Action | None = None) -> Handler:
    """Return a handler whose API keys need a right, and whose calls are in the audit as `action`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[NEEDED] = needs
        return await (handler(request) if action is None else audited(request, action, handler))

    return handle


ROUTES = (
    *map(_route, API_ROUTES),
    web.get("/openapi.json", openapi.document),
    web.post("/hooks/{provider}/{hook}", hooks.call_back),
    web.post("/hooks/{provider}/{hook}/", hooks.call_back),
    web.get("/metrics", _guarded(metrics.metrics, "view")),
    web.get("/", pages.dashboard),
    web.get("/insights", pages.insights),
    web.get("/webhooks", pages.webhooks),
    web.get("/t/{id}", pages.task),
    web.get("/b/{tag}", pages.tag),
    web.get("/inspect/{id}", pages.inspect),
    web.get("/embed/{id}", pages.embed),
    web.get("/static/{path:.*}", static_files.file),
    *(web.get(f"/{page}/{{id}}/", remove_slash) for page in ("t", "b", "inspect", "embed")),
)


def application(parts: Context) -> web.Application:
    """Return the web application that serves the parts of the relay."""
    app = web.Application(
        middlewares=[log_request, compress, handle_errors, check_origin, check_repeats],
        client_max_size=parts.config.body_limit_bytes,
    )
    app[CONTEXT] = parts
    app.on_response_prepare.extend((add_headers, close_before_restart))
    app.add_routes(ROUTES)
    if base := prefix(parts.config):
        app.add_routes([web.RouteDef(each.method, base + each.path, each.handler, each.kwargs) for each in ROUTES])
        app.router.add_get(base, add_slash)
    return app


async def close_before_restart(request: web.Request, response: web.StreamResponse) -> None:
    """Close the connection after this response if another process accepts new ones."""
    if context(request).gate.settling and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"  # aiohttp has set the headers already


def counted_method(request: web.Request) -> str:
    """Return the method of a request for the metrics: clients may invent others."""
    return request.method if request.method in hdrs.METH_ALL else "other"


@web.middleware
async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count a request when it is over, and log one line. Its path is a pattern because the URL may contain secrets."""
    began = time.monotonic()
    response: web.StreamResponse | None = None
    with bound_request_id(request):
        try:
            response = await handler(request)
            return response
        finally:
            duration_s = time.monotonic() - began
            _count_answer(request, 0 if response is None else response.status, duration_s)
            _log_answer(request, response, duration_s)


def _count_answer(request: web.Request, status: int, duration_s: float) -> None:
    """Count a request for the metrics. Without a response, its client has disconnected, and the status is 0."""
    parts = context(request)
    parts.counts.answered(counted_method(request), route_pattern(request), status, duration_s)
    for sign in proxy_signs(request, parts.config.trusted_proxies):
        parts.counts.proxy_sign(sign)


def _log_answer(request: web.Request, response: web.StreamResponse | None, duration_s: float) -> None:
    """Log the one line about a request. Without a response, its client has disconnected."""
    is_change = request.method in (hdrs.METH_POST, hdrs.METH_DELETE) or "/hooks/" in request.path
    level = INFO if is_change else DEBUG
    if not log.is_logged("web", level):  # a line that is not logged would cost a tenth of a viewer's handshake
        return
    known: dict[str, object] = {}
    if (grant := request.get(GRANT)) is not None:
        known = {"key": grant.name} if grant.is_key else {"subject": grant.subject}
    if (task := request[NOTES].task if NOTES in request else task_in_path(request)) is not None:
        known["task"] = task
    if response is not None and response.content_length is not None:
        known["body_bytes"] = response.content_length
    _log.log(
        level,
        "request.answered",
        method=request.method,
        path=logged_path(request),
        client_address=client_address(request, context(request).config.trusted_proxies),
        status=CLIENT_DISCONNECTED if response is None else response.status,
        duration_s=round(duration_s, 4),
        **known,
    )
