"""The routes below `/wiro/v1`, and what turns errors into Wiro's envelope."""

from collections.abc import Mapping
from functools import wraps
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from relay.errors import RequestError, UpstreamError
from relay.gateway import envelope, files, runs, socket, tasks
from relay.gateway.tools import TOOLS, Asks, Tools, passed_on
from relay.journal.audit import Action
from relay.web.http.auditing import audited

BASE: Final = "/wiro/v1"

_ACTIONS: Final[Mapping[str, Action]] = {
    "Run/{owner}/{model}": Action.START,
    "Task/Cancel": Action.CANCEL,
    "Task/Kill": Action.CANCEL,
    "Task/InputOutputDelete": Action.DELETE,
}
"""What the audit calls them."""


def add_to(app: web.Application, wiro: Asks, prefix: str) -> None:
    """
    Serve the gateway.

    Args:
        app: the relay's application.
        wiro: the platform.
        prefix: the path of RELAY_PUBLIC_URL, below which it is served as well; may be empty.
    """
    app[TOOLS] = Tools(wiro)
    app[socket.SOCKETS] = set()
    app.on_shutdown.append(socket.close_all)
    for base in dict.fromkeys((BASE, prefix + BASE)):
        app.add_routes(_routes(base))


def _routes(base: str) -> list[web.RouteDef]:
    calls: dict[str, Handler] = {
        "Run/{owner}/{model}": runs.run,
        "Task/Detail": tasks.detail,
        "Task/List": tasks.index,
        "Task/Cancel": tasks.cancel,
        "Task/Kill": tasks.kill,
        "Task/InputOutputDelete": tasks.delete_files,
        "Tool/List": passed_on("List"),
        "Tool/Detail": passed_on("Detail"),
        "Tool/Explore": passed_on("Explore"),
        "File/Upload": files.upload,
        "File/FolderCreate": files.create_folder,
    }
    return [
        web.get(base, socket.serve, allow_head=False),
        *(web.post(f"{base}/{path}", _enveloped(handler, _ACTIONS.get(path))) for path, handler in calls.items()),
        web.route(hdrs.METH_ANY, f"{base}/{{rest:.*}}", _unknown),
    ]


def _enveloped(handler: Handler, action: Action | None) -> Handler:
    """Return a handler that answers errors as Wiro does, and whose calls are in the audit if they are an action."""

    @wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request) if action is None else await audited(request, action, handler)
        except RequestError as error:
            return envelope.of_request_error(error)
        except UpstreamError as error:
            return envelope.of_upstream_error(error)

    return handle


async def _unknown(_request: web.Request) -> web.Response:
    return envelope.refusal(0, "Error parsing url.", status=404)
