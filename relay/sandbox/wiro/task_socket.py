"""
The task socket: who has subscribed to which token, and what is sent to them.

Like the upstream it acknowledges nothing, replays nothing, says nothing of an unknown token and drops whatever it does
not understand. One connection may subscribe to several tokens; a second subscription to the same one changes nothing.
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
from relay.sandbox.wiro.random_faults import Chance
from relay.sandbox.wiro.tasks import Ledger

_GOODBYE_S = 2.0
_CUT = 1006  # never on the wire: what a peer sees when the connection is just gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """Bytes in a frame of this kind, whether they may stand there or not; `raw` is without a frame."""

    data: bytes
    kind: Literal["text", "binary", "raw"]


@dataclass(frozen=True, slots=True)
class _Goodbye:
    code: int
    reason: str = ""


class _Connection:
    """One socket: an outbox, and the one task that empties it, so that a slow reader holds up nobody else."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.socket = socket
        self.tokens: set[str] = set()
        self._transport = transport
        self._outbox: asyncio.Queue[Frame | Bytes | _Goodbye] = asyncio.Queue()

    def put(self, item: Frame | Bytes | _Goodbye) -> None:
        self._outbox.put_nowait(item)

    async def empty(self) -> None:
        while True:
            match await self._outbox.get():
                case _Goodbye(code=code, reason=reason):
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


class Audience:
    """The subscribers of every token."""

    def __init__(self, ledger: Ledger, faults: Faults, chance: Chance, *, heartbeat_s: float) -> None:
        self._ledger = ledger
        self._faults = faults
        self._chance = chance
        self._heartbeat_s = heartbeat_s
        self._connections: set[_Connection] = set()
        self._by_token: defaultdict[str, set[_Connection]] = defaultdict(set)
        self._arrivals: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.heard: Callable[[str], None] | None = None
        """Called with the token of a task whenever one of its sockets has sent something."""

    def subscribers(self, token: str) -> int:
        """Return how many connections have subscribed to a token."""
        return len(self._by_token.get(token, ()))

    async def arrival(self, token: str) -> None:
        """Wait until somebody has subscribed to a token, now or before."""
        await self._arrivals[token].wait()

    def send(self, token: str, frame: Frame | Bytes) -> None:
        """Send a frame to everybody who has subscribed to a token by now."""
        for connection in self._by_token.get(token, ()):
            connection.put(frame)
        if self._chance.cut():
            self.close(token, _CUT)

    def close(self, token: str, code: int, reason: str = "") -> None:
        """Close every socket that has subscribed to a token, once all that was sent before has left; 1006 cuts it."""
        for connection in self._by_token.pop(token, ()):
            connection.put(_Goodbye(code, reason))

    async def close_all(self) -> None:
        """Say goodbye to everybody: the server is going away."""
        await asyncio.gather(*(connection.socket.close(code=1001) for connection in self._connections))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until either side closes it."""
        socket = web.WebSocketResponse(heartbeat=self._heartbeat_s, timeout=_GOODBYE_S)
        await socket.prepare(request)
        if request.transport is None:
            return socket
        connection = _Connection(socket, request.transport)
        self._connections.add(connection)
        emptying = asyncio.create_task(connection.empty())
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
            emptying.cancel()
            await asyncio.gather(emptying, return_exceptions=True)
        return socket

    def _receive(self, connection: _Connection, text: str) -> None:
        match _parsed(text):
            case {"type": "task_info", "tasktoken": str() as token}:
                self._subscribe(connection, token)
                heard = {token}
            case {"type": "task_info"}:  # documented for agents, whose sockets share this address
                connection.put('{"type":"error","message":"tasktoken-required","result":false}')
                heard = connection.tokens
            case _:
                heard = connection.tokens
        if self.heard is not None:
            for token in heard:
                self.heard(token)

    def _subscribe(self, connection: _Connection, token: str) -> None:
        task = self._ledger.find(token=token)
        if task is None:
            match self._faults.unknown_subscription:
                case "silent":
                    return
                case "error":
                    connection.put('{"type":"error","message":"tasktoken-not-found","result":false}')
                case "close":
                    connection.put(_Goodbye(1008))
            return
        if token in connection.tokens:
            return
        connection.tokens.add(token)
        self._by_token[token].add(connection)
        self._arrivals[token].set()
        task.stir()
        if task.faults.ack:
            ack = {"type": "task_subscribed", "tasktoken": token, "status": task.status, "result": True}
            connection.put(orjson.dumps(ack).decode())


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
