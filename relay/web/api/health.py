"""Whether the process lives, and whether it should be sent new requests."""

from aiohttp import web

from relay.web.http.answers import json_answer
from relay.web.http.context import context


async def live(_request: web.Request) -> web.Response:
    """`GET /livez`: the event loop answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: new tasks are taken, the store is usable and in its place, and viewers find file descriptors."""
    parts = context(request)
    if parts.draining:
        status = "draining"
    elif not parts.gate.has_room():
        status = "few file descriptors are left"
    else:
        status = await parts.journal.check() or "ok"
    body = {"status": status, "following": parts.tasks.following, "viewers": parts.hub.viewers}
    return json_answer(body, 200 if status == "ok" else 503)
