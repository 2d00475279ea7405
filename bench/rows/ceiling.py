"""The most events per second that 3 nodes and PostgreSQL pass on together, with nothing lost."""

import time
from dataclasses import dataclass

from bench.bench import Bench, line, paced
from bench.cluster import NODES, RemoteViewers, attach, relay_cluster
from bench.finding import Figure, Finding, Table
from bench.upstream import Upstream

TASKS = 60
RATES = (1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000)
REACH = 3000
LATE_S = 1.0
"""A rate is too high if its last event is seen later than this after the time at which it should have been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    rate: int
    reached: float
    """Events per second up to the last viewer."""
    p50_us: float
    p99_us: float
    lost: int
    late: bool


async def measure(bench: Bench) -> Finding:
    measured_s = 2 if bench.quick else 5
    tokens = [f"token-{number}" for number in range(TASKS)]
    steps: list[_Step] = []
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings) as nodes:
        tasks = await attach(upstream, nodes, tokens)
        async with RemoteViewers(bench, nodes, tasks, 1) as viewers:
            await _step(upstream, viewers, tokens, RATES[0], 1)  # to warm up
            for rate in RATES:
                steps.append(await _step(upstream, viewers, tokens, rate, measured_s))
                if steps[-1].late:
                    break
    most = max((step.reached for step in steps if not step.late and not step.lost), default=0.0)
    return Finding(
        figures=(
            Figure(
                measure=f"events per second, {NODES} nodes and PostgreSQL, each event seen on another node",
                got=f"{most:.0f}",
                reach=f"≥ {REACH}",
                reached=most >= REACH,
            ),
            Figure(
                measure="events lost at any rate",
                got=f"{sum(step.lost for step in steps)}",
                reach="none",
                reached=not any(step.lost for step in steps),
            ),
        ),
        tables=(
            Table(
                title=f"{TASKS} tasks with one viewer each, {measured_s} s at each rate",
                head=("events/s", "up to the last viewer", "median", "p99"),
                rows=tuple(
                    (
                        f"{step.rate}{' (too high)' if step.late else ''}",
                        f"{step.reached:.0f}/s",
                        f"{step.p50_us / 1000:.1f} ms",
                        f"{step.p99_us / 1000:.1f} ms",
                    )
                    for step in steps
                ),
            ),
        ),
        note="The platform and the viewers share all cores with the nodes and PostgreSQL. A rate is too high if its "
        f"last event is seen more than {LATE_S:g} s late.",
    )


async def _step(upstream: Upstream, viewers: RemoteViewers, tokens: list[str], rate: int, measured_s: int) -> _Step:
    events = rate * measured_s
    await viewers.count_anew()
    began = time.monotonic()
    async for number in paced(events, rate):
        upstream.say(tokens[number % TASKS], line())
    found = await viewers.until_seen(events)
    took_s = time.monotonic() - began
    return _Step(
        rate=rate,
        reached=events / took_s,
        p50_us=max(seen.p50_us for seen in found),
        p99_us=max(seen.p99_us for seen in found),
        lost=sum(seen.gaps + seen.snapshots for seen in found),
        late=took_s > measured_s + LATE_S,
    )
