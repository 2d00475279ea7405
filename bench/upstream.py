"""
A simulated Wiro that sends what a row passes to it. The rows need a pace that the sandbox's recordings do not have.

Every token is a task that runs and never ends. The module shares no code with the provider.
"""

import asyncio
import re
import time
from itertools import count
from typing import Self

import orjson
from aiohttp import WSMsgType, web

from bench.bench import free_port

RUN_S = 0.05
"""How long the platform takes to accept a run."""


class Upstream:
    """The record and the socket of any number of tasks. Use it as an async context manager."""

    def __init__(self) -> None:
        self.port = free_port()
        self._sockets: dict[str, asyncio.Transport] = {}
        self._subscribed: dict[str, asyncio.Event] = {}
        self._runs = count(1_000_000)
        self.run_s: dict[str, float] = {}
        """How long each run took to be answered, by the `[mark]` in its prompt."""

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which a relay follows this platform."""
        return {
            "WIRO_API_KEY": "bench",
            "WIRO_API_URL": f"http://127.0.0.1:{self.port}/v1",
            "WIRO_SOCKET_URL": f"ws://127.0.0.1:{self.port}/v1",
        }

    async def subscribed(self, token: str) -> None:
        """Wait until a relay follows a task."""
        await self._subscribed.setdefault(token, asyncio.Event()).wait()

    def is_followed(self, token: str) -> bool:
        """Return whether a relay follows a task now."""
        return token in self._sockets

    def say(self, token: str, *messages: object, gen2: bool = False) -> int:
        """Send messages, one per frame and all in one write. Return the number of bytes."""
        frames = b""
        for message in messages:
            frame = {"type": "task_output", "id": token.removeprefix("token-"), "message": message, "result": True}
            if not gen2:
                frame["tasktoken"] = token
            frames += text_frame(orjson.dumps(frame))
        if (transport := self._sockets.get(token)) is not None:  # without a follower, there is no socket to send to
            transport.write(frames)
        return len(frames)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/Task/Detail", self._detail)
        app.router.add_post("/v1/Run/{owner}/{model}", self._run)
        app.router.add_get("/v1", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024).start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for transport in self._sockets.values():
            transport.abort()
        await self._runner.cleanup()

    async def _run(self, request: web.Request) -> web.Response:
        began = time.monotonic()
        marked = re.search(rb"\[(\w+)\]", await request.read())
        await asyncio.sleep(RUN_S)
        number = next(self._runs)
        body = orjson.dumps(
            {"result": True, "errors": [], "taskid": str(number), "socketaccesstoken": f"token-{number}"}
        )
        if marked is not None:
            self.run_s[marked[1].decode()] = time.monotonic() - began
        return web.Response(body=body, content_type="application/json")

    async def _detail(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        number = asked.get("taskid") or asked["tasktoken"].removeprefix("token-")
        record = {"id": number, "socketaccesstoken": f"token-{number}", "status": "task_start", "outputs": []}
        record |= {"createtime": "1734513800", "starttime": "1734513807", "slugowner": "bench", "slugproject": "bench"}
        body = orjson.dumps({"result": True, "errors": [], "total": "1", "tasklist": [record]})
        return web.Response(body=body, content_type="application/json")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        token = None
        async for message in socket:
            if message.type is WSMsgType.TEXT and request.transport is not None:
                token = orjson.loads(message.data)["tasktoken"]
                self._sockets[token] = request.transport
                self._subscribed.setdefault(token, asyncio.Event()).set()
        if token is not None:
            del self._sockets[token], self._subscribed[token]
        return socket


def text_frame(text: bytes, *, masked: bool = False) -> bytes:
    """Frame a text (RFC 6455 section 5.2); `masked` as a client must, with a mask that changes nothing."""
    size, flag = len(text), 0x80 if masked else 0
    if size < 126:
        head = bytes((0x81, flag | size))
    elif size < 65_536:
        head = bytes((0x81, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x81, flag | 127)) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + text
