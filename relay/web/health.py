"""Whether the process lives, and whether it should be sent new requests."""

from aiohttp import web

from relay.web.answers import json_answer
from relay.web.context import context


async def live(_request: web.Request) -> web.Response:
    """`GET /livez`: the event loop answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: it takes new tasks, the store answers, and there are file descriptors for viewers."""
    parts = context(request)
    status = "ok"
    if parts.draining:
        status = "draining"
    elif not parts.gate.has_room():
        status = "few file descriptors are left"
    else:
        try:
            await parts.journal.read("", after=0, limit=1)
        except OSError:
            status = "the store does not answer"
    body = {"status": status, "following": parts.tasks.following, "viewers": parts.hub.viewers}
    return json_answer(body, 200 if status == "ok" else 503)
