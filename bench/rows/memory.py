"""Process memory per idle viewer: 5000 of them, on both wires."""

from bench.bench import Bench
from bench.finding import Figure, Finding
from bench.relay_server import relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, event_stream, websocket

WARM = 100
REACH_KIB = 16


async def measure(bench: Bench) -> Finding:
    count = 500 if bench.quick else 5000
    costs = {wire: await _cost_kib(bench, wire, count) for wire in ("WebSocket", "SSE")}
    return Finding(
        figures=tuple(
            Figure(
                measure=f"memory per idle viewer, {count} of them, {wire}",
                got=f"{cost_kib:.1f} KiB",
                reach=f"≤ {REACH_KIB} KiB",
                reached=cost_kib <= REACH_KIB,
            )
            for wire, cost_kib in costs.items()
        ),
        note="Resident memory of the process. It excludes what the kernel keeps per socket.",
    )


async def _cost_kib(bench: Bench, wire: str, count: int) -> float:
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        if wire == "SSE":
            request = event_stream(watched.events, watched.token)
        else:
            request = websocket(watched.socket, watched.token)
        async with Viewers(relay.port, [request] * WARM, bench.room("viewers")) as first:
            await first.all_open(answered=True)
            before_bytes = relay.process.memory_bytes()
            async with Viewers(relay.port, [request] * count, bench.room("viewers")) as viewers:
                await viewers.all_open(answered=True)
                return (relay.process.memory_bytes() - before_bytes) / count / 1024
