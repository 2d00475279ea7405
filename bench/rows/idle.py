"""CPU time of 1000 viewers while nothing happens."""

import asyncio

from bench.bench import Bench
from bench.finding import Figure, Finding
from bench.relay_server import relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, websocket

VIEWERS = 1000
REACH = 0.001


async def measure(bench: Bench) -> Finding:
    idle_s = 3 if bench.quick else 56  # every viewer is pinged once in 14 s
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        request = websocket(watched.socket, watched.token)
        async with Viewers(relay.port, [request] * VIEWERS, bench.room("viewers")) as viewers:
            await viewers.all_open(answered=True)
            await asyncio.sleep(1)
            before_s = relay.process.cpu_s()
            await asyncio.sleep(idle_s)
            share = (relay.process.cpu_s() - before_s) / idle_s
    figure = Figure(
        measure=f"{VIEWERS} viewers of a task in which nothing happens, {idle_s} s",
        got=f"{share:.3%} of a core",
        reach=f"≤ {REACH:.1%}",
        reached=share <= REACH,
    )
    return Finding(figures=(figure,), note="The figure includes a ping to each viewer every 14 s.")
