"""Joining a task with a long log on the node that follows it, and on another one."""

import asyncio
import time
from statistics import median

from bench.bench import Bench
from bench.cluster import relay_cluster
from bench.finding import Figure, Finding, Table
from bench.relay_server import RelayServer, Watched
from bench.rows.joining import AT_ONCE, LONG, joins_us, long_task
from bench.upstream import Upstream
from bench.viewers import websocket

ALONE = 50


async def measure(bench: Bench) -> Finding:
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings, nodes=2) as (owner, other):
        watched = await long_task(upstream, owner, LONG)
        nodes = {"the node that follows it": owner, "another node": other}
        alone_ms: dict[str, list[float]] = {name: [] for name in nodes}
        shared_us: dict[str, list[float]] = {name: [] for name in nodes}
        for _ in range(bench.turns()):
            for name, node in nodes.items():
                alone_ms[name].append(await _alone_ms(node, watched))
            for name, node in nodes.items():
                shared_us[name].append(await joins_us(bench, node, watched))
    own_ms, foreign_ms = (median(times) for times in alone_ms.values())
    own_us, foreign_us = (median(times) for times in shared_us.values())
    return Finding(
        figures=(
            Figure(
                measure=f"time to join a task with {LONG} events as the only viewer: on another node / on its own",
                got=f"{foreign_ms / own_ms:.2f} x ({foreign_ms:.1f} ms, {own_ms:.1f} ms)",
            ),
            Figure(
                measure=f"CPU of the node for each of {AT_ONCE} that join it together: the same",
                got=f"{foreign_us / own_us:.2f} x ({foreign_us:.0f} µs, {own_us:.0f} µs)",
            ),
        ),
        tables=(
            Table(
                title="From the handshake to the snapshot",
                head=("on", "the only viewer", f"CPU, {AT_ONCE} together"),
                rows=tuple(
                    (name, f"{median(alone_ms[name]):.1f} ms", f"{median(shared_us[name]):.0f} µs") for name in nodes
                ),
            ),
        ),
        note="Another node reads the stored state and up to 499 events after it from PostgreSQL, once for all viewers "
        "that it has of the task.",
    )


async def _alone_ms(node: RelayServer, watched: Watched) -> float:
    """Return the median time from the handshake to the snapshot of viewers that join one after the other."""
    taken_ms = []
    for _ in range(ALONE):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        began = time.perf_counter()
        writer.write(websocket(watched.socket, watched.token))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b'"type":"snapshot"')
        taken_ms.append((time.perf_counter() - began) * 1000)
        writer.transport.abort()
        await asyncio.sleep(0.02)  # it has left, and the channel with it
    return median(taken_ms)
