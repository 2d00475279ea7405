"""
Wiro's task socket: a client sends tokens, and receives the frames of their tasks.

Each token is a right of its own, so the connection needs no other credential. Unknown messages are ignored, and a
repeated subscription changes nothing, as at Wiro. A connection counts as a viewer.
"""

import asyncio
from typing import Final, Self

import orjson
from aiohttp import WSMsgType, web

from relay.access.grants import Grant
from relay.core.snapshot import Snapshot
from relay.errors import RequestError, StoreError
from relay.gateway.frames import Frames
from relay.hub.close_codes import DRAINING, FAILED, NO_SUCH_TASK, TOKEN_EXPIRED, TOKEN_INVALID, Close, protocol_error
from relay.web.http.client_address import client_address
from relay.web.http.connection import stay
from relay.web.http.context import Context, context
from relay.web.http.credentials import authenticate
from relay.web.http.request_ids import current_request_id
from relay.web.live.slots import viewer_slot

PAUSE_S: Final = 0.25
"""How long output is gathered: Wiro's frames repeat the whole answer, so each one costs as much as all before it."""

LINGER_S: Final = 300.0
"""How long a connection stays open after the end of its last task. Pages of Wiro's examples alert when it closes."""

FIRST_S: Final = 60.0
"""A client without a subscription by then is disconnected, so that it does not keep its slot."""

PING_S: Final = 25.0

CLOSE_TIMEOUT_S: Final = 2.0

MAX_MESSAGE_BYTES: Final = 16 * 1024

SOCKETS: Final = web.AppKey("gateway_sockets", set["Connection"])
"""The open connections of an application, which close when it shuts down."""


async def serve(request: web.Request) -> web.StreamResponse:
    """Serve `GET /wiro/v1`."""
    socket = web.WebSocketResponse(
        heartbeat=PING_S, timeout=CLOSE_TIMEOUT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False
    )
    stay(request)
    await socket.prepare(request)
    with viewer_slot(request) as refusal:
        if refusal is not None:
            await _close(socket, refusal)
            return socket
        parts = context(request)
        async with Connection(socket, parts, client_address(request, parts.config.trusted_proxies)) as connection:
            request.app[SOCKETS].add(connection)
            try:
                await socket.send_str('{"type":"connected","version":"1.0"}')
                await connection.receive()
            except ConnectionResetError:
                pass  # the client has disconnected
            finally:
                request.app[SOCKETS].discard(connection)
    return socket


async def close_all(app: web.Application) -> None:
    """Close the connections of an application that shuts down."""
    await asyncio.gather(*(connection.close(DRAINING) for connection in app[SOCKETS]))


class Connection:
    """One client. Use it as an async context manager: leaving it ends its subscriptions."""

    def __init__(self, socket: web.WebSocketResponse, parts: Context, address: str | None) -> None:
        """
        Args:
            socket: whose handshake has been answered.
            parts: the relay.
            address: that of the client, for the count of failed logins.
        """
        self._socket = socket
        self._parts = parts
        self._address = address
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        """By token."""
        self._leaving: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stop_listening = parts.revocations.listen(self._end_revoked)

    async def __aenter__(self) -> Self:
        self._leave_after(FIRST_S, protocol_error(f"no subscription within {FIRST_S:.0f} s"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_listening()
        self._stay()
        work = [*self._subscriptions.values(), *self._closing]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    async def receive(self) -> None:
        """Read messages until the connection is closed."""
        async for message in self._socket:
            token = _token_of(message.data) if message.type is WSMsgType.TEXT else None
            if token is not None and token not in self._subscriptions:
                self._subscribe(token)

    async def close(self, why: Close) -> None:
        """Close the connection."""
        await _close(self._socket, why)

    def _subscribe(self, token: str) -> None:
        limit = self._parts.config.subscription_limit
        if len(self._subscriptions) >= limit:
            self._close_soon(protocol_error(f"more than {limit} subscriptions"))
            return
        try:
            grant = authenticate(self._parts, token, self._address, current_request_id())
        except RequestError:
            self._close_soon(TOKEN_INVALID)
            return
        if grant.task is None or "view" not in grant.scopes:
            self._close_soon(TOKEN_INVALID)
            return
        self._stay()
        following = asyncio.create_task(self._follow(token, grant, grant.task))
        following.add_done_callback(lambda _: self._linger_if_over())
        self._subscriptions[token] = following

    async def _follow(self, token: str, grant: Grant, task: str) -> None:
        """Send the frames of a task until its last one."""
        frames = Frames(token)
        valid_s = None if grant.expires_at is None else grant.expires_at - self._parts.clock()
        try:
            async with asyncio.timeout(valid_s):
                async for news in self._parts.tasks.feed(task, pause_s=PAUSE_S):
                    made = frames.of_state(news) if isinstance(news, Snapshot) else frames.of_events(news)
                    for frame in made:
                        await self._socket.send_str(orjson.dumps(frame).decode())
            if not frames.ended:  # there is no such task any more
                self._close_soon(NO_SUCH_TASK)
        except TimeoutError:
            self._close_soon(TOKEN_EXPIRED)
        except StoreError:  # logged by the journal
            self._close_soon(FAILED)
        except ConnectionResetError:
            pass  # the client has disconnected, so `receive` ends too

    def _linger_if_over(self) -> None:
        """Close the connection in a while if all of its tasks have ended."""
        if all(task.done() for task in self._subscriptions.values()):
            self._leave_after(LINGER_S, Close(code=1000, reason="the tasks have ended"))

    def _end_revoked(self) -> None:
        """Close the connection if one of its tokens has been revoked, as if it had expired."""
        try:
            for token in self._subscriptions:
                self._parts.access.check(token)
        except RequestError:
            self._close_soon(TOKEN_EXPIRED)

    def _leave_after(self, delay_s: float, why: Close) -> None:
        self._stay()
        self._leaving = asyncio.get_running_loop().call_later(delay_s, self._close_soon, why)

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _close_soon(self, why: Close) -> None:
        closing = asyncio.create_task(self.close(why))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _close(socket: web.WebSocketResponse, why: Close) -> None:
    await socket.close(code=why.code, message=why.reason.encode())


def _token_of(text: str) -> str | None:
    """Return the token that a message subscribes to; null for every other message."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or message.get("type") != "task_info":
        return None
    token = message.get("tasktoken")
    return token if isinstance(token, str) else None
