"""
The two WebSocket endpoints: one for a single task, one for several topics.

A browser does not learn why a handshake was refused. So every refusal except that of a foreign Origin accepts the
handshake and then closes the connection with a code. The hub writes outgoing messages directly to the transport;
incoming ones are few and small.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import assert_never

from aiohttp import WSMsgType, hdrs, web

from relay import log
from relay.errors import Code, RequestError, StoreError
from relay.hub.close_codes import DELETED, FAILED, NO_SUCH_TASK, NOT_ALLOWED, TOKEN_INVALID, Close, protocol_error
from relay.hub.cursor import parse_cursor
from relay.hub.viewer import Viewer
from relay.web.http.context import Context, context
from relay.web.http.credentials import credential, granted, require
from relay.web.http.frame_limit import TOO_MANY
from relay.web.http.queries import refuse_repeats
from relay.web.http.tcp import tune
from relay.web.live.messages import Auth, MessageError, Subscribe, Unsubscribe, parse
from relay.web.live.slots import viewer_slot
from relay.web.live.subscriptions import permit_topic, subscribe
from relay.web.live.websocket_viewers import (
    CLOSE_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    MultiWebSocketViewer,
    ServerWebSocket,
    TaskWebSocketViewer,
    WebSocketViewer,
)

SUBPROTOCOL = "relay.v1"

FIRST_SUBSCRIBE_S = 10.0
"""A client that has not requested a subscription by then is disconnected."""

FIRST_SUCCESS_S = 60.0
"""A client without a permitted subscription by then is disconnected, so that it does not keep its slot."""

_log = log.get("web")


async def serve_task(request: web.Request) -> ServerWebSocket:
    """Serve `GET /v1/tasks/{id}/ws`: one task. The client need not send anything; `auth` renews its token."""
    parts, task = context(request), request.match_info["id"]
    socket, transport = await _accept(request)
    viewer = TaskWebSocketViewer(socket, transport)
    try:
        refuse_repeats(request)
        grant = await require(request, "view", task)
        with viewer_slot(request) as refusal:
            if refusal is not None:
                return await _refuse(viewer, refusal)
            parts.hub.join(viewer)
            try:
                cursor = parse_cursor(request.query.get("cursor"))
                await parts.hub.subscribe(viewer, ("task", task), cursor, expires_at=grant.expires_at)
                async for text in _texts(request, viewer):
                    match parse(text):
                        case Auth(token=token):
                            await _renew(parts, viewer, token)
                        case Subscribe() | Unsubscribe():
                            raise MessageError("this WebSocket is for one task; use /v1/ws for several")
            finally:
                parts.hub.leave(viewer)
    except (RequestError, MessageError, OSError) as error:
        return await _refuse(viewer, _close_for(error))
    return await _finish(viewer)


async def serve_topics(request: web.Request) -> ServerWebSocket:
    """Serve `GET /v1/ws`: several topics. Messages begin and end subscriptions, each of which fails independently."""
    socket, transport = await _accept(request)
    given = credential(request)
    viewer = MultiWebSocketViewer(socket, transport, given.text if given is not None else None)
    try:
        with viewer_slot(request) as refusal:
            if refusal is not None:
                return await _refuse(viewer, refusal)
            await _serve_messages(request, viewer)
    except (RequestError, MessageError, OSError) as error:
        return await _refuse(viewer, _close_for(error))
    return await _finish(viewer)


async def _serve_messages(request: web.Request, viewer: MultiWebSocketViewer) -> None:
    """Handle the client's messages until it leaves."""
    parts = context(request)
    refuse_repeats(request)
    parts.hub.join(viewer)
    until_subscribe, until_success = (_close_after(viewer, limit_s) for limit_s in (FIRST_SUBSCRIBE_S, FIRST_SUCCESS_S))
    try:
        if viewer.credential is not None:
            granted(request)
        async for text in _texts(request, viewer):
            match parse(text):
                case Subscribe() as message:
                    until_subscribe.cancel()
                    if await subscribe(parts, viewer, message, viewer.credential):
                        until_success.cancel()
                case Unsubscribe() as message:
                    parts.hub.unsubscribe(viewer, message.topic)
                case Auth(token=token):
                    await _renew(parts, viewer, token)
                    viewer.credential = token
            await request.writer.drain()  # do not read more from a client that does not read the answers
    finally:
        until_subscribe.cancel()
        until_success.cancel()
        parts.hub.leave(viewer)


def _close_after(viewer: Viewer, limit_s: float) -> asyncio.TimerHandle:
    why = protocol_error(f"no subscription within {limit_s:.0f} s")
    return asyncio.get_running_loop().call_later(limit_s, viewer.close, why)


async def _renew(parts: Context, viewer: Viewer, token: str) -> None:
    """Extend all subscriptions that a new token covers."""
    grant = parts.access.check(token)
    for topic, subscription in list(viewer.subscriptions.items()):
        with suppress(RequestError):  # a token that does not cover a subscription leaves it as it is
            await permit_topic(parts, grant, topic)
            subscription.expires_at = grant.expires_at


async def _accept(request: web.Request) -> tuple[ServerWebSocket, asyncio.WriteTransport]:
    # No compression and no heartbeat: the hub writes frames shared by many viewers, and sends the pings.
    socket = ServerWebSocket(
        protocols=(SUBPROTOCOL,),
        compress=False,
        heartbeat=None,
        autoping=False,  # the client's pings are handled in `_texts`
        max_msg_size=MAX_MESSAGE_BYTES,
        timeout=CLOSE_TIMEOUT_S,
    )
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    # No header of a handshake needs more than ASCII, and aiohttp fails to copy or quote bytes that are not UTF-8.
    unwanted = {name for name, value in request.headers.items() if not value.isascii()}
    if offered and SUBPROTOCOL not in map(str.strip, offered.split(",")):
        unwanted.add(hdrs.SEC_WEBSOCKET_PROTOCOL)  # aiohttp logs subprotocols that it cannot select, tokens included
    if unwanted:  # rare: the copy of the request lives as long as the viewer
        headers = request.headers.copy()
        for name in unwanted:
            headers.popall(name, None)
        request = request.clone(headers=headers)
    await socket.prepare(request)
    socket.headers.clear()  # they have been sent, and would take memory as long as the connection lives
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left during the handshake")
    tune(transport)
    return socket, transport


async def _texts(request: web.Request, viewer: WebSocketViewer) -> AsyncIterator[str]:
    """Yield the client's messages until either side closes the connection."""
    async for message in viewer.socket:
        match message.type:
            case WSMsgType.TEXT:
                yield message.data
            case WSMsgType.BINARY:
                raise MessageError("send text frames")
            case WSMsgType.PING:
                await viewer.socket.pong(message.data)
            case WSMsgType.PONG if message.data == TOO_MANY:
                raise MessageError(f"more than {context(request).config.message_rate:g} messages per second")
            case WSMsgType.PONG:
                pass
            case _:
                return


def _close_for(error: RequestError | MessageError | OSError) -> Close:
    match error:
        case RequestError(code=Code.UNAUTHORIZED):
            return Close(code=TOKEN_INVALID.code, reason=error.detail)
        case RequestError(code=Code.FORBIDDEN):
            return NOT_ALLOWED
        case RequestError(code=Code.NOT_FOUND):
            return NO_SUCH_TASK
        case RequestError(code=Code.GONE):
            return DELETED
        case RequestError() | MessageError():
            return protocol_error(str(error))
        case StoreError():  # logged by the journal
            return FAILED
        case OSError():
            _log.error("socket.failed", error=str(error))
            return FAILED
        case _:
            assert_never(error)


async def _refuse(viewer: WebSocketViewer, why: Close) -> ServerWebSocket:
    viewer.close(why)
    return await _finish(viewer)


async def _finish(viewer: WebSocketViewer) -> ServerWebSocket:
    if viewer.closing is not None:
        await viewer.closing
    return viewer.socket
