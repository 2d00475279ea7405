"""
The task socket: subscriptions by token, and the frames that subscribers receive.

Like Wiro, it acknowledges and replays nothing, does not answer a subscription with an unknown token, and ignores
messages that it does not understand. One connection can subscribe to several tokens; subscribing again changes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson
from aiohttp import WSMsgType, web

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.frames import Frame
from relay.sandbox.wiro.random_faults import RandomFaults
from relay.sandbox.wiro.tasks import Tasks

_CLOSE_TIMEOUT_S = 2.0
_CUT = 1006  # never sent: clients report this code when the connection ends without a closing handshake


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """Bytes to send in a frame of this kind, valid or not; `raw` writes them to the connection without a frame."""

    data: bytes
    kind: Literal["text", "binary", "raw"]


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str = ""


class _Connection:
    """One WebSocket with a queue of frames, so that a slow client does not delay others."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.socket = socket
        self.tokens: set[str] = set()
        self._transport = transport
        self._queue: asyncio.Queue[Frame | Bytes | _Close] = asyncio.Queue()

    def put(self, item: Frame | Bytes | _Close) -> None:
        """Queue a frame, or the end of the connection."""
        self._queue.put_nowait(item)

    async def write(self) -> None:
        """Send what is queued, until the connection is closed."""
        while True:
            match await self._queue.get():
                case _Close(code=code, reason=reason):
                    if code == _CUT:
                        self._transport.abort()
                    else:
                        await self.socket.close(code=code, message=reason.encode())
                    return
                case Bytes(data=data, kind="raw"):
                    self._transport.write(data)
                case Bytes(data=data, kind=kind):
                    await self.socket.send_frame(data, WSMsgType.TEXT if kind == "text" else WSMsgType.BINARY)
                case str() as text:
                    await self.socket.send_str(text)
                case bytes() as data:
                    await self.socket.send_bytes(data)


class TaskSocket:
    """All connections, and their subscriptions."""

    def __init__(self, tasks: Tasks, faults: Faults, random_faults: RandomFaults, *, heartbeat_s: float) -> None:
        self._tasks = tasks
        self._faults = faults
        self._random_faults = random_faults
        self._heartbeat_s = heartbeat_s
        self._connections: set[_Connection] = set()
        self._by_token: defaultdict[str, set[_Connection]] = defaultdict(set)
        self._subscribed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.on_message: Callable[[str], None] | None = None
        """Called with the token of a task when one of its subscribers has sent a message."""

    def subscribers(self, token: str) -> int:
        """Return how many connections are subscribed to a token."""
        return len(self._by_token.get(token, ()))

    async def until_subscribed(self, token: str) -> None:
        """Wait until a connection subscribes to a token; return at once if one ever has."""
        await self._subscribed[token].wait()

    def send(self, token: str, frame: Frame | Bytes) -> None:
        """Send a frame to the current subscribers of a token."""
        for connection in self._by_token.get(token, ()):
            connection.put(frame)
        if self._random_faults.cut_after_frame():
            self.close(token, _CUT)

    def close(self, token: str, code: int, reason: str = "") -> None:
        """Close the subscribers of a token once their queued frames are sent; 1006 cuts the connections."""
        for connection in self._by_token.pop(token, ()):
            connection.put(_Close(code, reason))

    async def close_all(self) -> None:
        """Close all connections with code 1001 (going away)."""
        await asyncio.gather(*(connection.socket.close(code=1001) for connection in self._connections))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until either side closes it."""
        socket = web.WebSocketResponse(heartbeat=self._heartbeat_s, timeout=_CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        if request.transport is None:
            return socket
        connection = _Connection(socket, request.transport)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        try:
            if self._faults.welcome:
                connection.put('{"type":"connected","version":"1.0"}')
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(connection, message.data)
        finally:
            self._connections.discard(connection)
            for token in connection.tokens:
                self._by_token[token].discard(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def _receive(self, connection: _Connection, text: str) -> None:
        tokens = connection.tokens
        match _parse(text):
            case {"type": "task_info", "tasktoken": str() as token}:
                self._subscribe(connection, token)
                tokens = {token}
            case {"type": "task_info"}:  # documented for agents, which use the same socket
                connection.put('{"type":"error","message":"tasktoken-required","result":false}')
            case _:
                pass
        if self.on_message is not None:
            for token in tokens:
                self.on_message(token)

    def _subscribe(self, connection: _Connection, token: str) -> None:
        task = self._tasks.find(token=token)
        if task is None:
            match self._faults.unknown_subscription:
                case "silent":
                    pass
                case "error":
                    connection.put('{"type":"error","message":"tasktoken-not-found","result":false}')
                case "close":
                    connection.put(_Close(1008))
            return
        if token in connection.tokens:
            return
        connection.tokens.add(token)
        self._by_token[token].add(connection)
        self._subscribed[token].set()
        task.notify()
        if task.faults.ack:
            ack = {"type": "task_subscribed", "tasktoken": token, "status": task.status, "result": True}
            connection.put(orjson.dumps(ack).decode())


def _parse(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
