"""The balancer of the local cluster sends connections to nodes that are ready."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.cluster.balancer import Balancer
from tests.proxy import RESET


class Node:
    """A server that answers with its name."""

    def __init__(self, name: str) -> None:
        self.ready = True
        self._name = name
        app = web.Application()
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/", self._answer)
        self.server = TestServer(app, host="127.0.0.1")

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._name)


@pytest.fixture
async def nodes() -> AsyncIterator[list[Node]]:
    async with AsyncExitStack() as stack:
        made = [Node(name) for name in "abc"]
        for node in made:
            await stack.enter_async_context(node.server)
        yield made


async def answered(url: str, times: int = 6) -> Counter[str]:
    """Return which nodes answered requests on new connections; `-` where the connection was closed."""
    names: Counter[str] = Counter()
    for _ in range(times):
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                names[await answer.text()] += 1
        except aiohttp.ClientError:
            names["-"] += 1
    return names


async def until(url: str, condition: Callable[[Counter[str]], bool]) -> None:
    while not condition(await answered(url)):
        pass


async def test_connections_go_round_the_nodes_that_are_ready(nodes: list[Node]) -> None:
    """One that drains or has stopped gets none, and comes back when it is ready."""
    async with Balancer(0, [str(node.server.make_url("")) for node in nodes]) as balancer:
        assert await answered(balancer.url) == {"a": 2, "b": 2, "c": 2}
        nodes[0].ready = False
        await until(balancer.url, lambda names: "a" not in names)
        nodes[0].ready = True
        await until(balancer.url, lambda names: "a" in names)


async def test_a_node_that_stops_is_passed_over_at_once(nodes: list[Node]) -> None:
    """Before the next check. Without any node, connections are closed."""
    async with Balancer(0, [str(node.server.make_url("")) for node in nodes]) as balancer:
        await nodes[1].server.close()
        assert set(await answered(balancer.url)) == {"a", "c"}
        for node in nodes:
            await node.server.close()
        assert await answered(balancer.url) == {"-": 6}


async def test_a_connection_that_a_node_resets_is_closed() -> None:
    """At once, although its client waits: the client connects again, to another node."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"readyz" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()
        else:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as node:
        port = node.sockets[0].getsockname()[1]
        async with Balancer(0, [f"http://127.0.0.1:{port}"]) as balancer:
            assert await answered(balancer.url, 1) == {"-": 1}
