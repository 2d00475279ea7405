"""Delay of viewers on another node than their task's: 3 nodes, 200 tasks, 5 viewers and 5 events per second each."""

from bench.bench import Bench, line, paced
from bench.cluster import NODES, RemoteViewers, attach, relay_cluster
from bench.finding import Figure, Finding, Table
from bench.upstream import Upstream
from bench.viewers import Seen

TASKS, VIEWERS, PER_S = 200, 5, 5
REACH_MS = 25


async def measure(bench: Bench) -> Finding:
    measured_s = 3 if bench.quick else 20
    tokens = [f"token-{number}" for number in range(TASKS)]
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings) as nodes:
        tasks = await attach(upstream, nodes, tokens)
        async with RemoteViewers(bench, nodes, tasks, VIEWERS) as viewers:
            await _talk(upstream, viewers, tokens, TASKS)  # to warm up
            before_s = [node.process.cpu_s() for node in nodes]
            found = await _talk(upstream, viewers, tokens, TASKS * PER_S * measured_s)
            cpu = [node.process.cpu_s() - before for node, before in zip(nodes, before_s, strict=True)]
    p99_ms = max(seen.p99_us for seen in found) / 1000
    return Finding(
        figures=(
            Figure(
                measure=f"delay on another node, p99, {TASKS} tasks x {VIEWERS} viewers x {PER_S} events/s",
                got=f"{p99_ms:.1f} ms (median {max(seen.p50_us for seen in found) / 1000:.1f} ms)",
                reach=f"≤ {REACH_MS} ms",
                reached=p99_ms <= REACH_MS,
            ),
            Figure(
                measure="the same: gaps and duplicates",
                got=f"{sum(seen.gaps for seen in found)} gaps, {sum(seen.duplicates for seen in found)} duplicates",
                reach="none",
                reached=not any(seen.gaps or seen.duplicates for seen in found),
            ),
        ),
        tables=(
            Table(
                title="From the platform's write to the viewer's read, by the node that has the viewers",
                head=("node", "median", "p99", "longest", "CPU of the node"),
                rows=tuple(
                    (
                        str(number),
                        *(f"{us / 1000:.2f} ms" for us in (seen.p50_us, seen.p99_us, seen.max_us)),
                        f"{used_s / measured_s:.0%}",
                    )
                    for number, (seen, used_s) in enumerate(zip(found, cpu, strict=True), 1)
                ),
            ),
        ),
        note=f"{NODES} nodes, PostgreSQL, the platform and the viewers share all cores. The figure is that of the "
        "slowest node.",
    )


async def _talk(upstream: Upstream, viewers: RemoteViewers, tokens: list[str], events: int) -> list[Seen]:
    await viewers.count_anew()
    async for number in paced(events, TASKS * PER_S):
        upstream.say(tokens[number % TASKS], line())
    return await viewers.until_seen(events)
