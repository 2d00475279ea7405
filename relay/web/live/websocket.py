"""
The two WebSockets: one task, or many tasks and tags over one connection.

A browser sees nothing of a refused handshake, so every refusal but a foreign Origin is accepted first and then closed
with its code. Frames out are written by the hub; frames in are few and small.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import assert_never

from aiohttp import WSMsgType, hdrs, web

from relay import log
from relay.errors import Code, RequestError, StoreError
from relay.hub.cursor import parse_cursor
from relay.hub.viewer import (
    FAILED,
    NO_SUCH_TASK,
    NOT_ALLOWED,
    TOKEN_INVALID,
    Close,
    Viewer,
    protocol_error,
)
from relay.web.http.context import context
from relay.web.http.credentials import credential, granted, permit, permit_all, permit_tag, require
from relay.web.http.frame_limit import TOO_MANY
from relay.web.http.queries import refuse_repeats
from relay.web.http.tcp import tune
from relay.web.live.messages import Auth, MessageError, Subscribe, Unsubscribe, parse
from relay.web.live.slots import place
from relay.web.live.subscriptions import subscribe
from relay.web.live.websocket_viewers import CLOSE_S, INBOUND_BYTES, ManySocket, Response, Socket, TaskSocket

PROTOCOL = "relay.v1"
FIRST_SUBSCRIBE_S = 10.0

FIRST_SUCCESS_S = 60.0
"""How long a client may try until it is allowed something: who has no right at all would keep a place for ever."""

_log = log.get("web")


async def one(request: web.Request) -> Response:
    """`GET /v1/tasks/{id}/ws`: needs no message; a client may renew its token with `auth`."""
    parts, task = context(request), request.match_info["id"]
    socket, transport = await _accept(request)
    viewer = TaskSocket(socket, transport)
    try:
        refuse_repeats(request)
        grant = await require(request, "view", task)
        with place(request) as refusal:
            if refusal is not None:
                return await _refuse(viewer, refusal)
            parts.hub.join(viewer)
            try:
                cursor = parse_cursor(request.query.get("cursor"))
                await parts.hub.subscribe(viewer, task, cursor, expires_at=grant.expires_at)
                async for text in _texts(request, viewer):
                    match parse(text):
                        case Auth(token=token):
                            await _renew(request, viewer, token)
                        case Subscribe() | Unsubscribe():
                            raise MessageError("this socket is about one task; use /v1/ws for many")
            finally:
                parts.hub.leave(viewer)
    except (RequestError, MessageError, OSError) as error:
        return await _refuse(viewer, _close_of(error))
    return await _finish(viewer)


async def many(request: web.Request) -> Response:
    """`GET /v1/ws`: subscriptions come and go by message; a fault of one ends only that one."""
    socket, transport = await _accept(request)
    given = credential(request)
    viewer = ManySocket(socket, transport, given.text if given is not None else None)
    try:
        with place(request) as refusal:
            if refusal is not None:
                return await _refuse(viewer, refusal)
            await _serve_many(request, viewer)
    except (RequestError, MessageError, OSError) as error:
        return await _refuse(viewer, _close_of(error))
    return await _finish(viewer)


async def _serve_many(request: web.Request, viewer: ManySocket) -> None:
    """Do what the client says, until it leaves."""
    parts = context(request)
    refuse_repeats(request)
    parts.hub.join(viewer)
    impatience = [_impatience(viewer, limit_s) for limit_s in (FIRST_SUBSCRIBE_S, FIRST_SUCCESS_S)]
    try:
        if viewer.credential is not None:
            granted(request)
        async for text in _texts(request, viewer):
            match parse(text):
                case Subscribe() as wish:
                    impatience[0].cancel()
                    if await subscribe(request, viewer, wish, viewer.credential):
                        impatience[1].cancel()
                case Unsubscribe(aim=("task", task)):
                    parts.hub.unsubscribe(viewer, task)
                case Unsubscribe(aim=("tag", tag)):
                    parts.hub.unsubscribe_tag(viewer, tag)
                case Unsubscribe():
                    parts.hub.unsubscribe_tag(viewer, None)
                case Auth(token=token):
                    await _renew(request, viewer, token)
                    viewer.credential = token
            await request.writer.drain()  # who asks and does not read is heard no further
    finally:
        for timer in impatience:
            timer.cancel()
        parts.hub.leave(viewer)


def _impatience(viewer: Viewer, limit_s: float) -> asyncio.TimerHandle:
    why = protocol_error(f"nothing was subscribed within {limit_s:.0f} s")
    return asyncio.get_running_loop().call_later(limit_s, viewer.close, why)


async def _renew(request: web.Request, viewer: Viewer, token: str) -> None:
    """Let a fresh token carry on all subscriptions that it covers."""
    grant = context(request).access.check(token)
    for tag, of_tag in viewer.tags.items():
        with suppress(RequestError):  # a token for something else is no fault of this subscription
            permit_all(grant) if tag is None else permit_tag(grant, "view", tag)
            of_tag.expires_at = grant.expires_at
    for task, of_task in list(viewer.subscriptions.items()):
        with suppress(RequestError):
            await permit(request, grant, "view", task)
            of_task.expires_at = grant.expires_at


async def _accept(request: web.Request) -> tuple[Response, asyncio.WriteTransport]:
    # No compression and no heartbeat: the hub writes shared frames beside aiohttp's own, and pings for all.
    socket = Response(
        protocols=(PROTOCOL,),
        compress=False,
        heartbeat=None,
        autoping=False,  # for pings are counted
        max_msg_size=INBOUND_BYTES,
        timeout=CLOSE_S,
    )
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    # Nothing of a handshake is beyond ASCII, and aiohttp fails where it copies or quotes bytes that are no text.
    unwanted = {name for name, value in request.headers.items() if not value.isascii()}
    if offered and PROTOCOL not in map(str.strip, offered.split(",")):
        unwanted.add(hdrs.SEC_WEBSOCKET_PROTOCOL)  # it logs those that it cannot select: one may be a token
    if unwanted:  # seldom: a copy lives as long as its viewer
        headers = request.headers.copy()
        for name in unwanted:
            headers.popall(name, None)
        request = request.clone(headers=headers)
    await socket.prepare(request)
    socket.headers.clear()  # they are sent: a viewer would keep them for as long as it watches
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left during the handshake")
    tune(transport)
    return socket, transport


async def _texts(request: web.Request, viewer: Socket) -> AsyncIterator[str]:
    """Yield what the client says until the connection is closed by either side."""
    async for message in viewer.socket:
        match message.type:
            case WSMsgType.TEXT:
                yield message.data
            case WSMsgType.BINARY:
                raise MessageError("send text frames")
            case WSMsgType.PING:
                await viewer.socket.pong(message.data)
            case WSMsgType.PONG if message.data == TOO_MANY:
                raise MessageError(f"more than {context(request).config.message_rate:g} messages a second")
            case WSMsgType.PONG:
                pass
            case _:
                return


def _close_of(error: RequestError | MessageError | OSError) -> Close:
    match error:
        case RequestError(code=Code.UNAUTHORIZED):
            return Close(code=TOKEN_INVALID.code, reason=error.detail)
        case RequestError(code=Code.FORBIDDEN):
            return NOT_ALLOWED
        case RequestError(code=Code.NOT_FOUND):
            return NO_SUCH_TASK
        case RequestError() | MessageError():
            return protocol_error(str(error))
        case StoreError():  # the journal has logged it
            return FAILED
        case OSError():
            _log.error("socket.failed", error=str(error))
            return FAILED
        case _:
            assert_never(error)


async def _refuse(viewer: Socket, why: Close) -> Response:
    viewer.close(why)
    return await _finish(viewer)


async def _finish(viewer: Socket) -> Response:
    if viewer.closing is not None:
        await viewer.closing
    return viewer.socket
