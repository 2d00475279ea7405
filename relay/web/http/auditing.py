"""Record the calls that the route table marks: what was done, to what, and who did it."""

import asyncio
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from relay.journal.audit import Action
from relay.web.http.client_address import client_address
from relay.web.http.context import context
from relay.web.http.credentials import GRANT
from relay.web.http.problems import CLIENT_DISCONNECTED, task_in_path
from relay.web.http.request_ids import REQUEST_ID

FIRST_ERROR = 400


@dataclass(slots=True)
class Notes:
    """What a handler adds to the entry about its call."""

    task: str | None = None
    tag: str | None = None
    jti: str | None = None
    count: int = 1


NOTES: web.RequestKey[Notes] = web.RequestKey("notes")


def notes(request: web.Request) -> Notes:
    """Return what to add to the entry about a call."""
    if NOTES not in request:
        request[NOTES] = Notes(task=task_in_path(request))
    return request[NOTES]


async def audited(request: web.Request, action: Action, handler: Handler) -> web.StreamResponse:
    """
    Call a handler, and record what it has done.

    A call that was refused is left out, unless it has created a task. A client that disconnects before its response may
    have had its effect, so that is recorded.
    """
    try:
        response = await handler(request)
    except asyncio.CancelledError:
        _record(request, action, CLIENT_DISCONNECTED)
        raise
    if response.status < FIRST_ERROR or notes(request).task != task_in_path(request):
        _record(request, action, response.status)
    return response


def _record(request: web.Request, action: Action, status: int) -> None:
    if (grant := request.get(GRANT)) is None:  # it was not authenticated
        return
    here, noted = context(request), notes(request)
    here.audit.record(
        action,
        grant,
        address=client_address(request, here.config.trusted_proxies),
        request_id=request[REQUEST_ID],
        status=status,
        task=noted.task,
        tag=noted.tag,
        jti=noted.jti,
        count=noted.count,
    )
