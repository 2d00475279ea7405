"""CPU time of joining a task with 10 and with 10 000 events, together with other viewers and alone."""

import asyncio
from statistics import median

from bench.bench import Bench, line
from bench.finding import Figure, Finding, Table
from bench.relay_server import RelayServer, Watched, relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, websocket

SHORT, LONG = 10, 10_249
"""The stored snapshot of the long task is 250 events old on average. Its points vary by task."""

AT_ONCE = 200
ALONE = 50
REACH = 1.5


async def measure(bench: Bench) -> Finding:
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        tasks = {size: await long_task(upstream, relay, size) for size in (SHORT, LONG)}
        shared: dict[int, list[float]] = {SHORT: [], LONG: []}
        alone: dict[int, list[float]] = {SHORT: [], LONG: []}
        for _ in range(bench.turns()):
            for size, watched in tasks.items():
                shared[size].append(await joins_us(bench, relay, watched))
            for size, watched in tasks.items():
                alone[size].append(await joins_alone_us(relay, watched))
    figures, rows = [], []
    for how, costs in ((f"{AT_ONCE} together", shared), ("each as the only viewer", alone)):
        short_us, long_us = median(costs[SHORT]), median(costs[LONG])
        rows.append((how, f"{short_us:.0f}", f"{long_us:.0f}", f"{long_us / short_us:.2f}"))
        figures.append(
            Figure(
                measure=f"joining a task with 10 000 events / with 10, {how}",
                got=f"{long_us / short_us:.2f} x ({long_us:.0f} µs, {short_us:.0f} µs)",
                reach=f"≤ {REACH} x",
                reached=long_us <= REACH * short_us,
            )
        )
    table = Table(
        title="CPU µs of the relay for one viewer that joins, from the handshake to its snapshot, and leaves",
        head=("who joins", "10 events", "10 000 events", "ratio"),
        rows=tuple(rows),
    )
    return Finding(figures=tuple(figures), tables=(table,))


async def long_task(upstream: Upstream, relay: RelayServer, events: int) -> Watched:
    """Create a task with this number of log lines."""
    token = f"token-{events}"
    watched = await relay.attach(token)
    await upstream.subscribed(token)
    before = (await relay.snapshot(watched.task))["seq"]
    for start in range(before, events, 50):
        upstream.say(token, *[line() for _ in range(min(50, events - start))])
        await asyncio.sleep(0.02)
    while (await relay.snapshot(watched.task))["seq"] < events:  # noqa: ASYNC110 -- another process decides
        await asyncio.sleep(0.02)
    return watched


async def joins_us(bench: Bench, relay: RelayServer, watched: Watched) -> float:
    """Return the CPU time of the relay for each of AT_ONCE viewers that join together."""
    before_s = relay.process.cpu_s()
    async with Viewers(relay.port, [websocket(watched.socket, watched.token)] * AT_ONCE, bench.room("viewers")) as all_:
        await all_.all_open(answered=True)
    await asyncio.sleep(0.3)  # they have left
    return (relay.process.cpu_s() - before_s) / AT_ONCE * 1e6


async def joins_alone_us(relay: RelayServer, watched: Watched) -> float:
    """Return the CPU time of the relay for each of ALONE viewers that join one after the other."""
    before_s = relay.process.cpu_s()
    for _ in range(ALONE):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(websocket(watched.socket, watched.token))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b'"type":"snapshot"')
        writer.transport.abort()
        await asyncio.sleep(0.02)  # it has left, and the channel with it
    return (relay.process.cpu_s() - before_s) / ALONE * 1e6
