"""
One WebSocket as the hub sees it: how it is closed, and what its client is told when a subscription is over.

What a client asks for is not read here.
"""

import asyncio

from aiohttp import WSCloseCode, web

from relay.hub.framing import WEBSOCKET
from relay.hub.viewer import ENDED, TOKEN_EXPIRED, TOO_SLOW, Close, Subject, Viewer, protocol_error
from relay.web.live.subscriptions import Many

INBOUND_BYTES = 16 * 1024
"""The largest frame a client may send: a token and a cursor are a few hundred bytes."""

CLOSE_S = 5.0
"""How long a client may take to answer a close before its connection is cut."""

REASON_BYTES = 123
"""What a close frame holds besides its code (RFC 6455 section 5.5)."""


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

    def expired(self, subject: Subject, name: str | None) -> None:
        self.close(TOKEN_EXPIRED)


class ManySocket(Many, Socket):
    """A WebSocket that is about many tasks and tags."""

    __slots__ = ("credential",)

    def __init__(self, socket: Response, transport: asyncio.WriteTransport, given: str | None) -> None:
        super().__init__(socket, transport)
        self.credential = given
