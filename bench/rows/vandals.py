"""The effect of clients that send garbage on the p99 delay of the others."""

import asyncio
import sys
from statistics import median

from bench.bench import Bench, line, paced
from bench.finding import Figure, Finding
from bench.relay_server import RelayServer, Watched, relay_server
from bench.upstream import Upstream
from bench.vandals import VISITS_PER_S
from bench.viewers import Seen, Viewers, websocket

VIEWERS, PER_S = 100, 100


async def measure(bench: Bench) -> Finding:
    measured_s = 2 if bench.quick else 10
    without_us, with_us = [], []
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        requests = [websocket(watched.socket, watched.token)] * VIEWERS
        async with Viewers(relay.port, requests, bench.room("viewers")) as viewers:
            await viewers.all_open(answered=True)
            for _ in range(1 if bench.quick else 3):
                without_us.append((await _pass(upstream, viewers, measured_s)).p99_us)
                vandals = await _vandals(relay, watched)
                with_us.append((await _pass(upstream, viewers, measured_s)).p99_us)
                vandals.kill()
                await vandals.wait()
    ratio = median(with_us) / median(without_us)
    figure = Figure(
        measure=f"p99 delay of {VIEWERS} viewers with up to {VISITS_PER_S} garbage connections per second / without",
        got=f"{ratio:.2f} x ({median(with_us) / 1000:.1f} ms, {median(without_us) / 1000:.1f} ms)",
    )
    return Finding(
        figures=(figure,),
        note=(
            "Garbage is bytes that are not HTTP, and, after a valid handshake, unmasked, oversized, binary and endless "
            "frames, invalid UTF-8, JSON of the wrong shape, and floods of pings."
        ),
    )


async def _vandals(relay: RelayServer, watched: Watched) -> asyncio.subprocess.Process:
    vandals = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.vandals", str(relay.port), watched.socket, watched.token
    )
    await asyncio.sleep(1)
    return vandals


async def _pass(upstream: Upstream, viewers: Viewers, measured_s: float) -> Seen:
    await viewers.count_anew()
    events = round(PER_S * measured_s)
    async for _ in paced(events, PER_S):
        upstream.say("token-1", line())
    seen = await viewers.until(lambda seen: seen.events >= events * VIEWERS)
    if seen.gaps or seen.duplicates or seen.closes:
        raise RuntimeError(f"the other viewers missed or repeated events: {seen}")
    return seen
