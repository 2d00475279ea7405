"""Several relays as nodes that share a PostgreSQL server. All of them, the platform and the viewers share all cores."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

from bench.bench import Bench
from bench.relay_server import RelayServer, Watched, relay_server
from bench.upstream import Upstream
from bench.viewers import ASK_AGAIN_S, Seen, Viewers, websocket
from tests.postgres.server import postgres_server

NODES = 3
TOKEN_SECRET = "a-token-secret-that-all-nodes-of-the-bench-share"  # noqa: S105 -- no secret


@asynccontextmanager
async def relay_cluster(
    bench: Bench,
    upstream: Mapping[str, str],
    *,
    nodes: int = NODES,
    fill: Callable[[str], Awaitable[None]] | None = None,
) -> AsyncIterator[list[RelayServer]]:
    """
    Run nodes in front of an upstream, on all cores. PostgreSQL waits for the disk, as it does by default.

    Args:
        bench: where they write their logs.
        upstream: the settings with which they reach the platform.
        nodes: how many.
        fill: called with the address of the empty database before they start.
    """
    with _all_cores():
        async with postgres_server(fsync="on", shared_buffers="128MB") as server, AsyncExitStack() as running:
            store = await server.create_database()
            if fill is not None:
                await fill(store)
            shared = {"RELAY_STORE": store, "RELAY_TOKEN_SECRET": TOKEN_SECRET}
            everywhere = replace(bench, server_core=None)
            yield [
                await running.enter_async_context(
                    relay_server(everywhere, {**upstream, **shared, "RELAY_NODE": f"node-{number}"})
                )
                for number in range(nodes)
            ]


async def attach(upstream: Upstream, nodes: Sequence[RelayServer], tokens: Sequence[str]) -> list[Watched]:
    """Have the nodes follow tasks of the upstream in turns: each owns those that it has attached."""
    tasks = [await nodes[number % len(nodes)].attach(token) for number, token in enumerate(tokens)]
    await asyncio.gather(*map(upstream.subscribed, tokens))
    return tasks


class RemoteViewers:
    """Viewers of tasks, each on another node than the one that owns its task. Use it as an async context manager."""

    def __init__(self, bench: Bench, nodes: Sequence[RelayServer], tasks: Sequence[Watched], each: int) -> None:
        """
        Args:
            bench: where the viewers' program writes.
            nodes: the nodes.
            tasks: what `attach` returned.
            each: how many viewers each task has.
        """
        requests: list[list[bytes]] = [[] for _ in nodes]
        for number, watched in enumerate(tasks):
            for viewer in range(each):
                node = (number + 1 + viewer % (len(nodes) - 1)) % len(nodes)
                requests[node].append(websocket(watched.socket, watched.token))
        self._each = each
        self._programs = [
            Viewers(node.port, asked, bench.room("viewers")) for node, asked in zip(nodes, requests, strict=True)
        ]
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "RemoteViewers":
        for program in self._programs:
            await self._running.enter_async_context(program)
            await program.all_open(answered=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def count_anew(self) -> None:
        """Forget what was seen so far."""
        for program in self._programs:
            await program.count_anew()

    async def seen(self) -> list[Seen]:
        """Return what the viewers of each node have seen."""
        return [await program.seen() for program in self._programs]

    async def until_seen(self, events: int, *, within_s: float = 60.0) -> list[Seen]:
        """
        Wait until all viewers together have seen so many events of their tasks.

        Raises:
            TimeoutError: they have not in time; the text says what was seen instead.
        """
        found = await self.seen()
        try:
            async with asyncio.timeout(within_s):
                while sum(seen.events for seen in found) < events * self._each:
                    await asyncio.sleep(ASK_AGAIN_S)
                    found = await self.seen()
        except TimeoutError:
            raise TimeoutError(f"{events} events were not seen within {within_s:.0f} s: {found}") from None
        return found


@contextmanager
def _all_cores() -> Iterator[None]:
    """Let this process, and what it starts, use all cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
