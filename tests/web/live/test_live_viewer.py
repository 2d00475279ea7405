"""What remains of a request when its viewer has taken over the connection, and what does not change."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.sandbox import Sandbox
from relay.web.http.connection import Connection
from relay.web.http.socket_transport import SocketTransport
from relay.web.live.live_viewer import DISCARDED_BYTES, LiveViewer

Start = Callable[..., Awaitable[dict[str, Any]]]

CERTIFICATES = Path(__file__).parents[2] / "certificates"
HELD = "hold_at=task_queue"
WIRES = ("ws", "many", "sse")
VIEWERS = 5
PATIENCE_S = 60.0


@asynccontextmanager
async def connected(relay: Running, made: dict[str, Any], wire: str) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect a viewer, wait for its snapshot, and yield what writes to the relay."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    path = "/v1/ws" if wire == "many" else f"/v1/tasks/{made['task']['id']}/{'ws' if wire == 'ws' else 'events'}"
    lines = [f"GET {path} HTTP/1.1", "Host: relay", f"Authorization: Bearer {made['token']}"]
    if wire == "sse":
        lines.append("Accept: text/event-stream")
    else:
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    message = orjson.dumps({"type": "subscribe", "task": made["task"]["id"]})
    frame = bytes((0x81, 0x80 | len(message))) + bytes(4) + message if wire == "many" else b""
    try:
        # The first message follows the handshake at once, so that aiohttp receives it.
        writer.write("\r\n".join([*lines, "", ""]).encode() + frame)
        await asyncio.wait_for(reader.readuntil(b'"type":"snapshot"'), PATIENCE_S)
        yield writer
    finally:
        writer.transport.abort()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- no event for it
            await asyncio.sleep(0)


def alive(*kinds: type) -> list[object]:
    """Return the objects of these kinds that were created after `gc.freeze`, garbage in cycles included."""
    # `isinstance` would call the properties of proxies.
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)]


@pytest.mark.parametrize("wire", WIRES)
async def test_nothing_of_the_request_remains(relay: Running, start: Start, wire: str) -> None:
    """Neither while the viewer is connected nor later, and without the garbage collector."""
    made = await start(HELD)
    gc.disable()
    gc.freeze()
    try:
        async with AsyncExitStack() as stack:
            for _ in range(VIEWERS):
                await stack.enter_async_context(connected(relay, made, wire))
            await until(lambda: not alive(Connection))  # a request would hold its connection
            assert len(alive(LiveViewer)) == relay.context.hub.viewers == VIEWERS
        await until(lambda: not alive(LiveViewer, SocketTransport))
    finally:
        gc.unfreeze()
        gc.enable()
    assert relay.context.viewers.total == 0


@pytest.mark.parametrize("wire", WIRES)
async def test_a_viewer_over_tls_keeps_its_transport(
    relay: Running, start: Start, sandbox: Sandbox, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay offers no TLS itself; a transport that encrypts must not be bypassed."""
    made = await start(HELD)
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.load_cert_chain(CERTIFICATES / "platform.pem")
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "connect_accepted_socket", partial(loop.connect_accepted_socket, ssl=secure))
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    trusting.check_hostname = False
    headers = {"Authorization": f"Bearer {made['token']}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(
        relay.url.replace("http", "https"), headers=headers, connector=aiohttp.TCPConnector(ssl=trusting)
    ) as client:
        path = f"/v1/tasks/{made['task']['id']}"
        if wire == "sse":
            async with client.get(f"{path}/events") as stream:
                await stream.content.readuntil(b'"type":"snapshot"')
                check_transport(relay)
                sandbox.release(made["task"]["upstream_id"])
                assert b'"type":"done"' in await stream.read()
            return
        async with client.ws_connect("/v1/ws" if wire == "many" else f"{path}/ws") as ws:
            if wire == "many":
                await ws.send_json({"type": "subscribe", "task": made["task"]["id"]})
            assert '"type":"snapshot"' in await ws.receive_str()
            check_transport(relay)
            sandbox.release(made["task"]["upstream_id"])
            while '"type":"done"' not in await ws.receive_str():
                pass
            if wire == "many":
                await ws.send_str("no JSON")
            assert (await ws.receive()).data == (4505 if wire == "many" else 1000)
    await until(lambda: relay.context.hub.viewers == 0)


def check_transport(relay: Running) -> None:
    (viewer,) = relay.context.hub._viewers
    assert isinstance(viewer, LiveViewer)
    assert not isinstance(viewer.transport, SocketTransport)


@pytest.mark.parametrize("wire", WIRES)
async def test_the_shutdown_cuts_the_connections_that_are_left(relay: Running, start: Start, wire: str) -> None:
    """Such as those of clients that do not answer a close."""
    made = await start(HELD)
    async with connected(relay, made, wire):
        (viewer,) = relay.context.hub._viewers
        viewer.write(bytes(8_000_000))
        await relay.context.gate.close_streams(0)

        assert viewer.gone
        assert (relay.context.hub.viewers, relay.context.viewers.total) == (0, 0)


async def test_a_client_that_sends_to_an_event_stream_is_stopped(relay: Running, start: Start) -> None:
    """Nothing is expected from it, and reading without end would cost CPU time."""
    made = await start(HELD)
    async with connected(relay, made, "sse") as writer:
        (viewer,) = relay.context.hub._viewers
        assert isinstance(viewer, LiveViewer)
        assert viewer.transport.is_reading()
        writer.write(bytes(2 * DISCARDED_BYTES))
        await until(lambda: not viewer.transport.is_reading())

        assert relay.context.hub.viewers == 1


async def test_a_client_that_leaves_while_it_is_subscribed_ends_the_handler(
    relay: Running, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store may take long to answer."""
    made = await start(HELD)
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    monkeypatch.setattr(relay.context.hub, "subscribe", wait)
    address = urlsplit(relay.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    path, token = f"/v1/tasks/{made['task']['id']}/events", made["token"]
    writer.write(f"GET {path}?token={token} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode())
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    writer.transport.abort()

    await asyncio.wait_for(cancelled.wait(), PATIENCE_S)
    await until(lambda: relay.context.viewers.total == 0)
