"""Third-party clients for Python; each reads a task's log to its end and returns its messages in order."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import httpx_sse
import httpx_ws
import requests
import sseclient
import websocket
import websockets.asyncio.client
import websockets.sync.client
from aiohttp_sse_client2.client import EventSource

Message = dict[str, Any]
Read = Callable[[str, str], list[Message]]
ReadAsync = Callable[[str, str], Awaitable[list[Message]]]

STREAM = {"Accept": "text/event-stream"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def socket_of(url: str) -> str:
    return f"ws{url.removeprefix('http')}/ws"


def is_last(message: Message) -> bool:
    """Return whether a message is the task's last one."""
    return message["type"] == "done" or (message["type"] == "snapshot" and message["task"]["done"] is not None)


def by_httpx_sse(url: str, token: str) -> list[Message]:
    with (
        httpx.Client(headers=bearer(token), timeout=60) as client,
        httpx_sse.connect_sse(client, "GET", f"{url}/events") as source,
    ):
        return [event.json() for event in source.iter_sse()]


def by_sseclient_py(url: str, token: str) -> list[Message]:
    with requests.get(f"{url}/events", headers=bearer(token) | STREAM, stream=True, timeout=60) as answer:
        return [json.loads(event.data) for event in sseclient.SSEClient(iter(answer)).events()]


def by_websockets_sync(url: str, token: str) -> list[Message]:
    with websockets.sync.client.connect(socket_of(url), additional_headers=bearer(token)) as socket:
        return [json.loads(text) for text in socket]


def by_websocket_client(url: str, token: str) -> list[Message]:
    socket = websocket.create_connection(
        socket_of(url), subprotocols=["relay.v1", f"relay.token.{token}"], timeout=60, enable_multithread=False
    )
    messages = []
    while text := socket.recv():
        messages.append(json.loads(text))
    socket.shutdown()  # type: ignore[no-untyped-call] # close() would wait for an answer to its own close
    return messages


def by_httpx_ws(url: str, token: str) -> list[Message]:
    messages: list[Message] = []
    socket: httpx_ws.WebSocketSession
    with (
        httpx.Client(timeout=60) as client,
        httpx_ws.connect_ws(f"{url}/ws", client, subprotocols=["relay.v1", f"relay.token.{token}"]) as socket,
    ):
        while not (messages and is_last(messages[-1])):
            messages.append(socket.receive_json())
    return messages


async def by_httpx_sse_async(url: str, token: str) -> list[Message]:
    async with (
        httpx.AsyncClient(headers=bearer(token), timeout=60) as client,
        httpx_sse.aconnect_sse(client, "GET", f"{url}/events") as source,
    ):
        return [event.json() async for event in source.aiter_sse()]


async def by_aiohttp_sse_client2(url: str, token: str) -> list[Message]:
    messages: list[Message] = []
    async with EventSource(f"{url}/events", headers=bearer(token)) as source:
        async for event in source:
            messages.append(json.loads(event.data))
            if is_last(messages[-1]):
                break
    return messages


async def by_websockets(url: str, token: str) -> list[Message]:
    async with websockets.asyncio.client.connect(socket_of(url), additional_headers=bearer(token)) as socket:
        return [json.loads(text) async for text in socket]


async def by_aiohttp(url: str, token: str) -> list[Message]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws", headers=bearer(token)) as socket:
        return [message.json() async for message in socket]


BLOCKING: dict[str, Read] = {
    "httpx-sse": by_httpx_sse,
    "sseclient-py": by_sseclient_py,
    "websockets, blocking": by_websockets_sync,
    "websocket-client": by_websocket_client,
    "httpx-ws": by_httpx_ws,
}

ASYNC: dict[str, ReadAsync] = {
    "httpx-sse, async": by_httpx_sse_async,
    "aiohttp-sse-client2": by_aiohttp_sse_client2,
    "websockets": by_websockets,
    "aiohttp": by_aiohttp,
}
