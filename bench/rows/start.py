"""Time of `POST /v1/tasks` beyond that of the platform: 50 starts per second, journal on disk."""

import asyncio
import time

from bench.bench import Bench, paced
from bench.finding import Figure, Finding
from bench.relay_server import RelayServer, relay_server
from bench.upstream import Upstream

PER_S = 50
REACH_MS = 25


async def measure(bench: Bench) -> Finding:
    starts = PER_S * (3 if bench.quick else 20)
    settings = {"RELAY_START_RATE": str(100 * 60 * PER_S)}
    async with Upstream() as upstream, relay_server(bench, upstream.settings | settings) as relay:
        await _start(relay, upstream, "warm", PER_S)
        beyond_s = sorted(await _start(relay, upstream, "measured", starts))
    p50_ms, p99_ms, longest_ms = (1000 * beyond_s[int(share * (len(beyond_s) - 1))] for share in (0.5, 0.99, 1))
    return Finding(
        figures=(
            Figure(
                measure=f"`POST /v1/tasks` beyond the platform's own time, {PER_S} starts per second, p99",
                got=f"{p99_ms:.1f} ms",
                reach=f"≤ {REACH_MS} ms",
                reached=p99_ms <= REACH_MS,
            ),
        ),
        note=(
            f"Median {p50_ms:.1f} ms, longest {longest_ms:.1f} ms, of {starts} starts. A start waits for two commits "
            "that are on the disk: the intent, and the answer of the platform. The time of the platform, from its "
            "receipt of the run to its answer, is subtracted."
        ),
    )


async def _start(relay: RelayServer, upstream: Upstream, name: str, starts: int) -> list[float]:
    """Start tasks at a steady pace, and return how long each took beyond the platform's own time, in seconds."""

    async def start(mark: str) -> float:
        began = time.monotonic()
        await relay.start(f"a cat [{mark}]")
        return time.monotonic() - began - upstream.run_s[mark]

    async with asyncio.TaskGroup() as group:
        started = [group.create_task(start(f"{name}{number}")) async for number in paced(starts, PER_S)]
    return [each.result() for each in started]
