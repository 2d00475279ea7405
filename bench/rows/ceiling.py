"""The most events per second that 3 nodes and PostgreSQL pass on together, with a bounded delay and nothing lost."""

import time
from dataclasses import dataclass

from bench.bench import Bench, line, paced
from bench.cluster import NODES, RemoteViewers, attach, relay_cluster
from bench.finding import Figure, Finding, Table
from bench.upstream import Upstream

TASKS = 60
RATES = (1000, 2000, 3000, 3500, 4000, 4500, 5000, 6000, 7000, 8000, 10_000)
REACH = 3000
BOUND_MS = 250.0
"""
The bound of the delay. A rate is too high if the p99 of the delay is above it, or if the last event is seen later than
this after the time at which it should have been sent: the backlog grows then.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    rate: int
    p50_ms: float
    p99_ms: float
    behind_ms: float
    """How much later than it should have been sent the last event was seen."""
    lost: int

    @property
    def holds(self) -> bool:
        """Whether nothing is lost and the delay is bounded."""
        return not self.lost and self.p99_ms <= BOUND_MS and self.behind_ms <= BOUND_MS


async def measure(bench: Bench) -> Finding:
    measured_s = 2 if bench.quick else 10
    tokens = [f"token-{number}" for number in range(TASKS)]
    steps: list[_Step] = []
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings) as nodes:
        tasks = await attach(upstream, nodes, tokens)
        async with RemoteViewers(bench, nodes, tasks, 1) as viewers:
            await _step(upstream, viewers, tokens, RATES[0], 1)  # to warm up
            for rate in RATES:
                steps.append(await _step(upstream, viewers, tokens, rate, measured_s))
                if not steps[-1].holds:
                    break
    best = max((step for step in steps if step.holds), key=lambda step: step.rate, default=None)
    return Finding(
        figures=(
            Figure(
                measure=f"events per second with a p99 of at most {BOUND_MS:g} ms and no backlog, {NODES} nodes and "
                "PostgreSQL, each event seen on another node",
                got="none" if best is None else f"{best.rate} (p99 {best.p99_ms:.0f} ms)",
                reach=f"≥ {REACH}",
                reached=best is not None and best.rate >= REACH,
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
                head=("events/s", "median", "p99", "last event behind"),
                rows=tuple(
                    (
                        f"{step.rate}{'' if step.holds else ' (too high)'}",
                        f"{step.p50_ms:.1f} ms",
                        f"{step.p99_ms:.1f} ms",
                        f"{step.behind_ms:.0f} ms",
                    )
                    for step in steps
                ),
            ),
        ),
        note="The platform and the viewers share all cores with the nodes and PostgreSQL. A rate is too high if an "
        f"event is lost, if the p99 of the delay is above {BOUND_MS:g} ms, or if the last event is seen more than "
        f"{BOUND_MS:g} ms after the time at which it should have been sent.",
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
        p50_ms=max(seen.p50_us for seen in found) / 1000,
        p99_ms=max(seen.p99_us for seen in found) / 1000,
        behind_ms=(took_s - measured_s) * 1000,
        lost=sum(seen.gaps + seen.snapshots for seen in found),
    )
