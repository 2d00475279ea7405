"""How long `GET /metrics` keeps the relay busy while 5000 viewers are connected."""

from statistics import median

from bench.bench import Bench
from bench.finding import Figure, Finding
from bench.relay_server import relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, event_stream, websocket

VIEWERS = 5000
SCRAPES = 50
REACH_MS = 5.0


async def measure(bench: Bench) -> Finding:
    count = VIEWERS // 10 if bench.quick else VIEWERS
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        requests = [
            websocket(watched.socket, watched.token) if number % 2 else event_stream(watched.events, watched.token)
            for number in range(count)
        ]
        async with Viewers(relay.port, requests, bench.room("viewers")) as viewers:
            await viewers.all_open(answered=True)
            costs_ms = []
            for _ in range(bench.turns()):
                await relay.get("/metrics")
                before_s = relay.process.cpu_s()
                for _ in range(SCRAPES):
                    await relay.get("/metrics")
                costs_ms.append((relay.process.cpu_s() - before_s) / SCRAPES * 1000)
    cost_ms = median(costs_ms)
    figure = Figure(
        measure=f"CPU time of one scrape with {count} viewers",
        got=f"{cost_ms:.1f} ms",
        reach=f"≤ {REACH_MS:.0f} ms",
        reached=cost_ms <= REACH_MS,
    )
    return Finding(
        figures=(figure,),
        note="The whole request counts, and what the relay does for its viewers meanwhile. Half of them are "
        "WebSockets, and half are event streams.",
    )
