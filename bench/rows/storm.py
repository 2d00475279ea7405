"""A restart with 2000 viewers: all reconnect within the first back-off window of their client, with their cursors."""

import asyncio
from dataclasses import dataclass

from bench.bench import Bench, line, paced
from bench.finding import Figure, Finding
from bench.relay_server import RelayServer, relay_server
from bench.upstream import Upstream
from bench.viewers import Seen, Viewers, websocket

TASKS, VIEWERS, PER_S = 20, 2000, 5
WINDOW_S = 0.5
"""The first window of static/src/client/backoff.js: the shortest in which clients reconnect."""

REACH_S = WINDOW_S + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """The viewers when all had reconnected, and at the end, after further events."""

    back: Seen
    after: Seen


async def measure(bench: Bench) -> Finding:
    windows = {"within 0.5 s": WINDOW_S} if bench.quick else {"within 0.5 s": WINDOW_S, "in one moment": 0.0}
    storms = {name: await _storm(bench, window_s) for name, window_s in windows.items()}
    promised = storms["within 0.5 s"]
    gaps = sum(storm.back.gaps + storm.after.gaps for storm in storms.values())
    duplicates = sum(storm.back.duplicates + storm.after.duplicates for storm in storms.values())
    figures = [
        Figure(
            measure=f"{VIEWERS} viewers reconnect within {WINDOW_S} s of a restart: all caught up after",
            got=f"{promised.back.caught_up_s:.2f} s",
            reach=f"≤ {REACH_S} s",
            reached=promised.back.caught_up_s <= REACH_S,
        ),
        Figure(
            measure="gaps and duplicates that these viewers saw",
            got=f"{gaps} gaps, {duplicates} duplicates",
            reach="none",
            reached=gaps == duplicates == 0,
        ),
    ]
    if "in one moment" in storms:
        worst = storms["in one moment"].back.caught_up_s
        figures.insert(1, Figure(measure="the same, all simultaneously", got=f"{worst:.2f} s"))
    resumed, snapshots = promised.back.resumed, promised.back.snapshots
    said = (
        f"The relay was killed (kill -9) while {TASKS} tasks had {PER_S} events per second each. The time "
        f"begins when it listens again. {resumed} viewers resumed and {snapshots} received a snapshot."
    )
    return Finding(figures=tuple(figures), note=said)


async def _storm(bench: Bench, window_s: float) -> Storm:
    tokens = [f"token-{number}" for number in range(TASKS)]
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        tasks = [await relay.attach(token) for token in tokens]
        await asyncio.gather(*map(upstream.subscribed, tokens))
        requests = [websocket(tasks[number % TASKS].socket, tasks[number % TASKS].token) for number in range(VIEWERS)]
        async with Viewers(relay.port, requests, bench.room("viewers")) as viewers:
            await viewers.all_open(answered=True)
            talk = asyncio.create_task(_talk(upstream, tokens))
            await asyncio.sleep(2)
            await viewers.count_anew()
            await relay.process.kill()
            await viewers.until(lambda seen: seen.open == 0)
            await relay.process.start()
            back = await _come_back(viewers, relay, window_s)
            await viewers.count_anew()
            await asyncio.gather(*map(upstream.subscribed, tokens))
            await asyncio.sleep(2)
            talk.cancel()
            after = await viewers.until(lambda seen: seen.events >= VIEWERS * PER_S)
            return Storm(back=back, after=after)


async def _come_back(viewers: Viewers, relay: RelayServer, window_s: float) -> Seen:
    await viewers.come_back(round(window_s * 1000))
    return await viewers.until(lambda seen: seen.caught_up >= VIEWERS)


async def _talk(upstream: Upstream, tokens: list[str]) -> None:
    """Send events for every task while viewers are connected."""
    async for number in paced(10**9, TASKS * PER_S):
        upstream.say(tokens[number % TASKS], line())
