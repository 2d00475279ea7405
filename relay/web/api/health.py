"""`GET /livez` and `GET /readyz`: the health checks of load balancers and orchestrators."""

from aiohttp import web

from relay.web.api.responses import Liveness, Readiness
from relay.web.http.context import context
from relay.web.http.json_body import json_response


async def live(_request: web.Request) -> web.Response:
    """`GET /livez`: the event loop responds."""
    return json_response(Liveness(status="ok"))


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: new tasks are accepted, the store is usable, and file descriptors are left for viewers."""
    here = context(request)
    if here.tasks.draining:
        status = "draining"
    elif not here.gate.has_room():
        status = "few file descriptors are left"
    else:
        status = await here.tasks.check_store() or "ok"
    readiness = Readiness(status=status, following=here.tasks.following, viewers=here.hub.viewers)
    return json_response(readiness, 200 if status == "ok" else 503)
