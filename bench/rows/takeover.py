"""Time from kill -9 of a node until the others follow all of its tasks."""

import asyncio
import time

from bench.bench import Bench
from bench.cluster import NODES, attach, relay_cluster
from bench.finding import Figure, Finding, Table
from bench.relay_server import RelayServer
from bench.upstream import Upstream

TASKS = 300
STEADY_S = 11
"""Nodes declare others dead after they have renewed their own leases of 10 s for that long."""
NOTICED_S = 2
"""Long enough for the platform to notice closed connections, and too short for a lease to run out."""
REACH_S = 15


async def measure(bench: Bench) -> Finding:
    tokens = [f"token-{number}" for number in range(TASKS)]
    turns: list[tuple[int, float]] = []
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings) as nodes:
        await attach(upstream, nodes, tokens)
        for number in range(1 if bench.quick else NODES):
            await asyncio.sleep(STEADY_S)
            turns.append(await _taken_over(upstream, nodes[number], tokens))
            await nodes[number].process.start()
    longest_s = max(taken_s for _, taken_s in turns)
    return Finding(
        figures=(
            Figure(
                measure=f"kill -9 of a node until the others follow all of its tasks, {TASKS} tasks on {NODES} nodes",
                got=f"{longest_s:.1f} s",
                reach=f"≤ {REACH_S} s",
                reached=longest_s <= REACH_S,
            ),
        ),
        tables=(
            Table(
                title="One node after the other",
                head=("tasks of the node", "until all are followed"),
                rows=tuple((str(count), f"{taken_s:.1f} s") for count, taken_s in turns),
            ),
        ),
        note="Most of this time is the lease of 10 s.",
    )


async def _taken_over(upstream: Upstream, node: RelayServer, tokens: list[str]) -> tuple[int, float]:
    """Kill a node; return how many tasks it had, and after how many seconds all of them were followed again."""
    began = time.monotonic()
    await node.process.kill()
    await asyncio.sleep(NOTICED_S)
    lost = [token for token in tokens if not upstream.is_followed(token)]
    await asyncio.gather(*map(upstream.subscribed, lost))
    return len(lost), time.monotonic() - began
