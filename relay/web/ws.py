"""
The two WebSockets: one task, or many tasks and tags over one connection.

A browser sees nothing of a refused handshake, so every refusal but a foreign Origin is accepted first and then closed
with its code. Frames out are written by the hub; frames in are few and small.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import assert_never

import orjson
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from relay import log
from relay.errors import Code, RequestError
from relay.hub.cursor import parse_cursor
from relay.hub.frames import WEBSOCKET
from relay.hub.viewer import (
    DRAINING,
    ENDED,
    FAILED,
    NO_SUCH_TASK,
    NOT_ALLOWED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOO_MANY,
    TOO_SLOW,
    Close,
    Subject,
    Viewer,
    protocol_error,
)
from relay.web.access import TokenExpired
from relay.web.context import Context, context
from relay.web.credentials import credential, permit, permit_tag
from relay.web.messages import Auth, MessageError, Subscribe, Unsubscribe, parse
from relay.web.transport import tune

PROTOCOL = "relay.v1"
INBOUND_BYTES = 16 * 1024
"""The largest frame a client may send: a token and a cursor are a few hundred bytes."""

CLOSE_S = 5.0
"""How long a client may take to answer a close before its connection is cut."""

FIRST_SUBSCRIBE_S = 10.0

REASON_BYTES = 123
"""What a close frame holds besides its code (RFC 6455 section 5.5)."""

_log = log.get("web")


class Response(web.WebSocketResponse):
    """aiohttp's, except that too large a message is closed with our code: after 1009 a client would come back."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            why = protocol_error(f"a message may have {INBOUND_BYTES} bytes")
            code, message = why.code, why.reason.encode()
        return await super().close(code=code, message=message, drain=drain)


class Socket(Viewer):
    """One WebSocket. Closing it is begun here and finished by the handler that reads from it."""

    __slots__ = ("closing", "socket")

    def __init__(self, socket: Response, transport: asyncio.WriteTransport) -> None:
        super().__init__(WEBSOCKET, transport)
        self.socket = socket
        self.closing: asyncio.Task[None] | None = None

    def close(self, why: Close) -> None:
        self.gone = True
        if self.closing is None:
            self.closing = asyncio.create_task(self._close(why))

    async def _close(self, why: Close) -> None:
        reason = why.reason.encode()[:REASON_BYTES].decode(errors="ignore")
        # Without drain: who does not read would hold it up for ever, before its time to answer even begins.
        await self.socket.close(code=why.code, message=reason.encode(), drain=False)
        if why is TOO_SLOW:
            self.abort()


class TaskSocket(Socket):
    """A connection that is about one task, and over when that is."""

    __slots__ = ()

    def ended(self, task: str) -> None:
        self.close(ENDED)

    def expired(self, subject: Subject, name: str) -> None:
        self.close(TOKEN_EXPIRED)


class ManySocket(Socket):
    """A connection that is about many tasks and tags: each comes and goes by itself."""

    __slots__ = ("credential",)

    def __init__(self, socket: Response, transport: asyncio.WriteTransport, given: str | None) -> None:
        super().__init__(socket, transport)
        self.credential = given

    def ended(self, task: str) -> None:
        """Keep quiet: the task's last event has said it."""

    def expired(self, subject: Subject, name: str) -> None:
        self.fault(subject, name, "token_expired", TOKEN_EXPIRED.reason)

    def fault(self, subject: Subject, name: str, code: str, detail: str) -> None:
        """Tell that one subscription is over, or never began."""
        self.send(orjson.dumps({"type": "error", subject: name, "code": code, "detail": detail}))


async def one(request: web.Request) -> Response:
    """`GET /v1/tasks/{id}/ws`: needs no message; a client may renew its token with `auth`."""
    parts, task = context(request), request.match_info["id"]
    socket, transport = await _accept(request)
    viewer = TaskSocket(socket, transport)
    try:
        grant = parts.access.check(credential(request))
        await permit(request, grant, "view", task)
        if (refusal := _full(parts)) is not None:
            return await _refuse(viewer, refusal)
        parts.hub.join(viewer)
        try:
            cursor = parse_cursor(request.query.get("cursor"))
            await parts.hub.subscribe(viewer, task, cursor, expires_at=grant.expires_at)
            async for text in _texts(viewer):
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
    parts = context(request)
    socket, transport = await _accept(request)
    viewer = ManySocket(socket, transport, credential(request))
    if (refusal := _full(parts)) is not None:
        return await _refuse(viewer, refusal)
    parts.hub.join(viewer)
    impatience = asyncio.get_running_loop().call_later(
        FIRST_SUBSCRIBE_S, viewer.close, protocol_error(f"nothing was subscribed within {FIRST_SUBSCRIBE_S:.0f} s")
    )
    try:
        try:
            if viewer.credential is not None:
                parts.access.check(viewer.credential)
            async for text in _texts(viewer):
                match parse(text):
                    case Subscribe() as wish:
                        impatience.cancel()
                        await _subscribe(request, viewer, wish)
                    case Unsubscribe(aim=("task", task)):
                        parts.hub.unsubscribe(viewer, task)
                    case Unsubscribe(aim=(_, tag)):
                        parts.hub.unsubscribe_tag(viewer, tag)
                    case Auth(token=token):
                        await _renew(request, viewer, token)
                        viewer.credential = token
                await request.writer.drain()  # who asks and does not read is heard no further
        finally:
            impatience.cancel()
            parts.hub.leave(viewer)
    except (RequestError, MessageError, OSError) as error:
        return await _refuse(viewer, _close_of(error))
    return await _finish(viewer)


async def _subscribe(request: web.Request, viewer: ManySocket, wish: Subscribe) -> None:
    parts = context(request)
    subject, name = wish.aim
    is_new = name not in (viewer.subscriptions if subject == "task" else viewer.tags)
    limit = parts.config.subscription_limit
    if is_new and len(viewer.subscriptions) + len(viewer.tags) >= limit:
        viewer.fault(subject, name, "forbidden", f"One connection may follow {limit} tasks and tags.")
        return
    try:
        grant = parts.access.check(wish.token or viewer.credential)
        match subject:
            case "task":
                await permit(request, grant, "view", name)
                await parts.hub.subscribe(viewer, name, parse_cursor(wish.cursor), expires_at=grant.expires_at)
            case "tag":
                permit_tag(grant, "view", name)
                await parts.hub.subscribe_tag(viewer, name, expires_at=grant.expires_at)
            case _:
                assert_never(subject)
    except TokenExpired as error:
        viewer.fault(subject, name, "token_expired", error.detail)
    except RequestError as error:
        viewer.fault(subject, name, error.code.value, error.detail)


async def _renew(request: web.Request, viewer: Viewer, token: str) -> None:
    """Let a fresh token carry on all subscriptions that it covers."""
    grant = context(request).access.check(token)
    for tag, of_tag in viewer.tags.items():
        with suppress(RequestError):  # a token for something else is no fault of this subscription
            permit_tag(grant, "view", tag)
            of_tag.expires_at = grant.expires_at
    for task, of_task in list(viewer.subscriptions.items()):
        with suppress(RequestError):
            await permit(request, grant, "view", task)
            of_task.expires_at = grant.expires_at


async def _accept(request: web.Request) -> tuple[Response, asyncio.WriteTransport]:
    # No compression and no heartbeat: the hub writes shared frames beside aiohttp's own, and pings for all.
    socket = Response(
        protocols=(PROTOCOL,), compress=False, heartbeat=None, max_msg_size=INBOUND_BYTES, timeout=CLOSE_S
    )
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    if PROTOCOL not in map(str.strip, offered.split(",")):
        # aiohttp logs the protocols that it cannot select, and one of them may be a token.
        headers = request.headers.copy()
        headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, None)
        request = request.clone(headers=headers)
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left during the handshake")
    tune(transport)
    return socket, transport


async def _texts(viewer: Socket) -> AsyncIterator[str]:
    """Yield what the client says until the connection is closed, by whomever."""
    async for message in viewer.socket:
        match message.type:
            case WSMsgType.TEXT:
                yield message.data
            case WSMsgType.BINARY:
                raise MessageError("send text frames")
            case _:
                return


def _full(parts: Context) -> Close | None:
    if parts.draining:
        return DRAINING
    return TOO_MANY if parts.hub.viewers >= parts.config.connection_limit else None


def _close_of(error: RequestError | MessageError | OSError) -> Close:
    match error:
        case RequestError(code=Code.UNAUTHORIZED):
            return TOKEN_INVALID
        case RequestError(code=Code.FORBIDDEN):
            return NOT_ALLOWED
        case RequestError(code=Code.NOT_FOUND):
            return NO_SUCH_TASK
        case RequestError() | MessageError():
            return protocol_error(str(error))
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
