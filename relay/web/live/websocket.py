"""
The two WebSocket endpoints: one for a single task, one for several topics.

A browser does not learn why a handshake was refused. So every refusal except that of a foreign Origin accepts the
handshake and then closes the connection with a code.
"""

from aiohttp import hdrs, web

from relay.errors import RequestError
from relay.hub.cursor import parse_cursor
from relay.web.http.connection import Released, sent
from relay.web.http.credentials import credential, granted, require
from relay.web.http.queries import refuse_repeats
from relay.web.live.websocket_viewers import MultiWebSocketViewer, TaskWebSocketViewer

SUBPROTOCOL = "relay.v1"


async def serve_task(request: web.Request) -> web.StreamResponse:
    """Serve `GET /v1/tasks/{id}/ws`: one task."""
    task = request.match_info["id"]
    response = await _accept(request)
    viewer = TaskWebSocketViewer(request)
    async with viewer.opening():
        try:
            refuse_repeats(request)
            grant = await require(request, "view:status", task)
            if viewer.admit(request):
                cursor = parse_cursor(request.query.get("cursor"))
                await viewer.parts.hub.subscribe(
                    viewer,
                    ("task", task),
                    cursor,
                    expires_at=grant.expires_at,
                    token=grant.token,
                    status_only=grant.status_only,
                )
        except (RequestError, OSError) as error:
            viewer.fail(error)
    return response


async def serve_topics(request: web.Request) -> web.StreamResponse:
    """Serve `GET /v1/ws`: several topics. Messages begin and end subscriptions, each of which fails independently."""
    response = await _accept(request)
    given = credential(request)
    viewer = MultiWebSocketViewer(request, given.text if given is not None else None)
    async with viewer.opening():
        try:
            refuse_repeats(request)
            if viewer.admit(request) and given is not None:
                granted(request)
        except RequestError as error:
            viewer.fail(error)
    return response


async def _accept(request: web.Request) -> Released:
    """Answer the handshake, and return what the handler has to return."""
    # No compression: the hub writes frames shared by many viewers.
    handshake = web.WebSocketResponse(protocols=(SUBPROTOCOL,), compress=False)
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    # No header of a handshake needs more than ASCII, and aiohttp fails to copy or quote bytes that are not UTF-8.
    unwanted = {name for name, value in request.headers.items() if not value.isascii()}
    if offered and SUBPROTOCOL not in map(str.strip, offered.split(",")):
        unwanted.add(hdrs.SEC_WEBSOCKET_PROTOCOL)  # aiohttp logs subprotocols that it cannot select, tokens included
    cleaned = request
    if unwanted:
        headers = request.headers.copy()
        for name in unwanted:
            headers.popall(name, None)
        cleaned = request.clone(headers=headers)
    await handshake.prepare(cleaned)
    await sent(request)
    return Released(status=handshake.status)
