"""WebSocket connections as viewers of the hub: how they are closed, and what ends them."""

import asyncio

from aiohttp import WSCloseCode, web

from relay.hub.close_codes import DELETED, ENDED, TOKEN_EXPIRED, TOO_SLOW, Close, protocol_error
from relay.hub.framing import WEBSOCKET
from relay.hub.topic import Topic
from relay.hub.viewer import Viewer
from relay.web.live.subscriptions import MultiViewer

MAX_MESSAGE_BYTES = 16 * 1024
"""The largest message that a client may send. A token and a cursor take a few hundred bytes."""

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame before its connection is cut."""

MAX_REASON_BYTES = 123
"""The longest reason that fits into a close frame: https://www.rfc-editor.org/rfc/rfc6455#section-5.5."""


class ServerWebSocket(web.WebSocketResponse):
    """aiohttp's WebSocket, but closing with 4505 after a message that is too large: clients reconnect after 1009."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            why = protocol_error(f"a message may have {MAX_MESSAGE_BYTES} bytes at most")
            code, message = why.code, why.reason.encode()
        return await super().close(code=code, message=message, drain=drain)


class WebSocketViewer(Viewer):
    """A WebSocket. `close` starts to close it, and the handler that reads from it waits for the end."""

    __slots__ = ("closing", "socket")

    def __init__(self, socket: ServerWebSocket, transport: asyncio.WriteTransport) -> None:
        super().__init__(WEBSOCKET, transport)
        self.socket = socket
        self.closing: asyncio.Task[None] | None = None

    def close(self, why: Close) -> None:
        self.gone = True
        if self.closing is None:
            self.closing = asyncio.create_task(self._close(why))

    async def _close(self, why: Close) -> None:
        reason = why.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        # With drain=True this would wait for a client that does not read, before its time to answer even begins.
        await self.socket.close(code=why.code, message=reason.encode(), drain=False)
        if why is TOO_SLOW:
            self.abort()


class TaskWebSocketViewer(WebSocketViewer):
    """A WebSocket about one task. It is closed with the task."""

    __slots__ = ()

    def task_ended(self, task: str) -> None:
        self.close(ENDED)

    def task_deleted(self, message: bytes) -> None:
        self.send(message)
        self.close(DELETED)

    def subscription_expired(self, topic: Topic) -> None:
        self.close(TOKEN_EXPIRED)


class MultiWebSocketViewer(MultiViewer, WebSocketViewer):
    """A WebSocket about several topics. It stays open."""

    __slots__ = ("credential",)

    def __init__(self, socket: ServerWebSocket, transport: asyncio.WriteTransport, credential: str | None) -> None:
        super().__init__(socket, transport)
        self.credential = credential
        """The credential of subscriptions without their own token."""
