"""Process memory per idle viewer: 5000 of them, on both wires."""

import os
import sys

from bench.bench import Bench, free_port
from bench.finding import Figure, Finding, Table
from bench.process import Process
from bench.relay_server import ROOT, relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, event_stream, websocket

WARM = 100
FLOORS = ("asyncio", "uvloop")
REACH_KIB = {"WebSocket": 6, "SSE": 8}


async def measure(bench: Bench) -> Finding:
    count = 500 if bench.quick else 5000
    costs = {wire: await _cost_kib(bench, wire, count) for wire in REACH_KIB}
    floors = {loop: await _floor_kib(bench, loop, count) for loop in FLOORS}
    return Finding(
        figures=tuple(
            Figure(
                measure=f"memory per idle viewer, {count} of them, {wire}",
                got=f"{cost_kib:.1f} KiB",
                reach=f"≤ {REACH_KIB[wire]} KiB",
                reached=cost_kib <= REACH_KIB[wire],
            )
            for wire, cost_kib in costs.items()
        ),
        tables=(
            Table(
                title="Beside it, a server that accepts connections and does nothing with them",
                head=("event loop", "per connection"),
                rows=tuple((loop, f"{floor_kib:.1f} KiB") for loop, floor_kib in floors.items()),
            ),
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


async def _floor_kib(bench: Bench, loop: str, count: int) -> float:
    """Return what a connection with a protocol that does nothing takes, with the transport of an event loop."""
    port, folder = free_port(), bench.room("idle")
    command = [sys.executable, "-m", "bench.peers.idle_connections", loop, str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    request = websocket("/")
    server = Process(command, core=bench.server_core, port=port, folder=folder, environment=environment)
    async with server, Viewers(port, [request] * WARM, folder) as first:
        await first.all_open(answered=False)
        before_bytes = server.memory_bytes()
        async with Viewers(port, [request] * count, folder) as viewers:
            await viewers.all_open(answered=False)
            return (server.memory_bytes() - before_bytes) / count / 1024
