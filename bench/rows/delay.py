"""Added delay between the platform's and the viewer's frame: 200 tasks with 5 viewers and 5 events per second each."""

import asyncio

from bench.bench import Bench, line, paced
from bench.finding import Figure, Finding, Table
from bench.relay_server import relay_server
from bench.upstream import Upstream
from bench.viewers import Seen, Viewers, websocket

TASKS, VIEWERS, PER_S = 200, 5, 5
REACH_MS = 4


async def measure(bench: Bench) -> Finding:
    stores = ("sqlite:///relay.db",) if bench.quick else ("sqlite:///relay.db", "memory:")
    seen = {store: await _delays(bench, store) for store in stores}
    disk, _ = seen["sqlite:///relay.db"]
    return Finding(
        figures=(
            Figure(
                measure=f"added delay, p99, {TASKS} tasks x {VIEWERS} viewers x {PER_S} events/s, journal on disk",
                got=f"{disk.p99_us / 1000:.1f} ms",
                reach=f"≤ {REACH_MS} ms",
                reached=disk.p99_us <= REACH_MS * 1000,
            ),
        ),
        tables=(
            Table(
                title="From the platform's write to the viewer's read",
                head=("journal", "median", "p99", "longest", "CPU of the relay"),
                rows=tuple(
                    (store, *(f"{us / 1000:.2f} ms" for us in (found.p50_us, found.p99_us, found.max_us)), f"{cpu:.0%}")
                    for store, (found, cpu) in seen.items()
                ),
            ),
        ),
    )


async def _delays(bench: Bench, store: str) -> tuple[Seen, float]:
    """Return the delays that viewers saw, and the share of a core that the relay used."""
    measured_s = 3 if bench.quick else 20
    tokens = [f"token-{number}" for number in range(TASKS)]
    async with Upstream() as upstream, relay_server(bench, upstream.settings | {"RELAY_STORE": store}) as relay:
        tasks = [await relay.attach(token) for token in tokens]
        await asyncio.gather(*map(upstream.subscribed, tokens))
        requests = [websocket(watched.socket, watched.token) for watched in tasks for _ in range(VIEWERS)]
        async with Viewers(relay.port, requests, bench.room("viewers")) as viewers:
            await viewers.all_open(answered=True)
            await _talk(upstream, viewers, tokens, TASKS)  # to warm up
            before_s = relay.process.cpu_s()
            seen = await _talk(upstream, viewers, tokens, TASKS * PER_S * measured_s)
            return seen, (relay.process.cpu_s() - before_s) / measured_s


async def _talk(upstream: Upstream, viewers: Viewers, tokens: list[str], events: int) -> Seen:
    await viewers.count_anew()
    async for number in paced(events, TASKS * PER_S):
        upstream.say(tokens[number % TASKS], line())
    return await viewers.until(lambda seen: seen.events >= events * VIEWERS)
