"""What a viewer of a task receives when the task is deleted, on each wire."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running

Start = Callable[..., Awaitable[dict[str, Any]]]
Blocks = Callable[[aiohttp.ClientResponse], AsyncIterator[tuple[str | None, bytes]]]


@pytest.fixture
async def task(start: Start) -> str:
    """Start a task that does not end, and return its id."""
    return str((await start("hold_at=task_start"))["task"]["id"])


def delete(relay: Running, task: str) -> None:
    """Do what the hub does when another node has deleted the task, and this one has not heard of its end."""
    relay.context.hub._delete([task])


async def messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    """Yield messages up to the deletion."""
    async for received in socket:
        message = orjson.loads(received.data)
        yield message
        if message["type"] == "deleted":
            return


async def test_a_socket_of_the_task_is_closed(relay: Running, client: aiohttp.ClientSession, task: str) -> None:
    """With 4510, after which clients do not reconnect."""
    async with client.ws_connect(f"/v1/tasks/{task}/ws") as socket:
        await socket.receive()
        delete(relay, task)
        assert [message async for message in messages(socket)][-1]["task"] == task
        await socket.receive()
        assert socket.close_code == 4510


async def test_a_socket_about_several_topics_continues(
    relay: Running, client: aiohttp.ClientSession, task: str
) -> None:
    """The subscription to the task has ended."""
    async with client.ws_connect("/v1/ws") as socket:
        await socket.send_json({"type": "subscribe", "task": task})
        await socket.receive()
        delete(relay, task)
        assert [message async for message in messages(socket)][-1]["type"] == "deleted"
        await socket.send_json({"type": "subscribe", "tag": "a"})
        assert orjson.loads((await socket.receive()).data) == {"type": "listed", "tag": "a"}


@pytest.mark.parametrize("path", ["/v1/tasks/{}/events", "/v1/events?task={}"])
async def test_a_stream_ends(
    path: str, relay: Running, client: aiohttp.ClientSession, task: str, blocks: Blocks
) -> None:
    """After the message; one about several topics, when no subscription is left."""
    async with client.get(path.format(task), headers={"Accept": "text/event-stream"}) as answer:
        received: list[str] = []
        async for _, data in blocks(answer):
            if not received:
                delete(relay, task)
            received.append(orjson.loads(data)["type"])
    assert [each for each in received if each in ("snapshot", "deleted")] == ["snapshot", "deleted"]
