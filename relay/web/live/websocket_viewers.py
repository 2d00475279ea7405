"""The two kinds of WebSockets, for one task and for several topics: their messages, and what ends them."""

import asyncio
from contextlib import suppress

from aiohttp import web

from relay.errors import RequestError
from relay.hub.close_codes import DELETED, ENDED, TOKEN_EXPIRED, protocol_error
from relay.hub.topic import Topic
from relay.web.http.credentials import authenticate
from relay.web.http.request_ids import current_request_id
from relay.web.live.messages import Auth, MessageError, Subscribe, Unsubscribe, parse
from relay.web.live.subscriptions import MultiViewer, permit_topic, subscribe
from relay.web.live.websocket_viewer import WebSocketViewer

FIRST_SUBSCRIBE_S = 10.0
"""A client that has not requested a subscription by then is disconnected."""

FIRST_SUCCESS_S = 60.0
"""A client without a permitted subscription by then is disconnected, so that it does not keep its slot."""


class TaskWebSocketViewer(WebSocketViewer):
    """A WebSocket about one task. It is closed with the task, and the client need not send anything."""

    __slots__ = ()

    async def handle(self, text: str) -> None:
        match parse(text):
            case Auth(token=token):
                await _renew(self, token)
            case Subscribe() | Unsubscribe():
                raise MessageError("this WebSocket is for one task; use /v1/ws for several")

    def task_ended(self, task: str) -> None:
        self.close(ENDED)

    def task_deleted(self, message: bytes) -> None:
        self.send(message)
        self.close(DELETED)

    def subscription_expired(self, topic: Topic) -> None:
        self.close(TOKEN_EXPIRED)


class MultiWebSocketViewer(MultiViewer, WebSocketViewer):
    """A WebSocket about several topics. It stays open, and its messages begin and end subscriptions."""

    __slots__ = ("_credential", "_until_subscribe", "_until_success")

    def __init__(self, request: web.Request, credential: str | None) -> None:
        """
        Args:
            request: whose handshake has been answered.
            credential: that of subscriptions without their own token.
        """
        super().__init__(request)
        self._credential = credential
        self._until_subscribe = _close_after(self, FIRST_SUBSCRIBE_S)
        self._until_success = _close_after(self, FIRST_SUCCESS_S)

    async def handle(self, text: str) -> None:
        match parse(text):
            case Subscribe() as message:
                self._until_subscribe.cancel()
                if await subscribe(self.parts, self, message, self._credential, self.address):
                    self._until_success.cancel()
            case Unsubscribe() as message:
                self.parts.hub.unsubscribe(self, message.topic)
            case Auth(token=token):
                await _renew(self, token)
                self._credential = token

    def begin_close(self, code: int | str) -> bool:
        self._until_subscribe.cancel()
        self._until_success.cancel()
        return super().begin_close(code)


def _close_after(viewer: WebSocketViewer, limit_s: float) -> asyncio.TimerHandle:
    why = protocol_error(f"no subscription within {limit_s:.0f} s")
    return asyncio.get_running_loop().call_later(limit_s, viewer.disconnect, why)


async def _renew(viewer: WebSocketViewer, token: str) -> None:
    """Extend all subscriptions that a new token covers."""
    grant = authenticate(viewer.parts, token, viewer.address, current_request_id())
    for topic, subscription in list(viewer.subscriptions.items()):
        with suppress(RequestError):  # a token that does not cover a subscription leaves it as it is
            await permit_topic(viewer.parts, grant, topic)
            if grant.status_only and subscription.framing is viewer.framing:  # it has seen more than this token allows
                continue
            subscription.expires_at, subscription.token = grant.expires_at, grant.token
