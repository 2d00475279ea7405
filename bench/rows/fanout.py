"""
Server CPU per delivered event: 1000 viewers of one task, log lines of 200 bytes, one at a time and in bursts of ten.

The relay does its whole work for it: it reads the line off an upstream socket, judges it, commits it to the disk and
only then fans it out. The peers are given the finished event and fan it out.
"""

from functools import partial
from statistics import median

from bench.bench import Bench
from bench.contestants import CONTESTANTS, Contest
from bench.finding import Figure, Finding, Table
from bench.viewers import Seen, Viewers

VIEWERS = 1000
QUICK = ("bare C send loop", "relay", "nginx + nchan")


async def measure(bench: Bench) -> Finding:
    names = QUICK if bench.quick else tuple(CONTESTANTS)
    events = 60 if bench.quick else 100
    costs: dict[int, dict[str, list[float]]] = {size: {name: [] for name in names} for size in (1, 10)}
    for _ in range(bench.turns()):
        for name in names:
            for size, cost_us in (await _turn(bench, CONTESTANTS[name], events)).items():
                costs[size][name].append(cost_us)
    single = {name: median(turns) for name, turns in costs[1].items()}
    burst = {name: median(turns) for name, turns in costs[10].items()}
    bare, ours = single["bare C send loop"], single["relay"]
    dearer = [name for name in names if name not in ("bare C send loop", "relay") and single[name] <= ours]
    burst_share = burst["relay"] / burst["nginx + nchan"]
    return Finding(
        figures=(
            Figure(
                measure="CPU per delivered event, one at a time: relay / bare C loop",
                got=f"{ours / bare:.2f} x ({ours:.2f} µs, C {bare:.2f} µs)",
                reach="≤ 1.25 x",
                reached=ours <= 1.25 * bare,
            ),
            Figure(
                measure="the same compared with picows, nginx+nchan, websockets.broadcast, node ws, Starlette",
                got="below all measured" if not dearer else f"not below {', '.join(dearer)}",
                reach="below all",
                reached=not dearer,
            ),
            Figure(
                measure="CPU per delivered event in bursts of ten: relay / nginx+nchan",
                got=f"{burst_share:.2f} x ({burst['relay']:.2f} µs, nchan {burst['nginx + nchan']:.2f} µs)",
                reach="≤ 0.11 x",
                reached=burst_share <= 0.11,
            ),
        ),
        tables=(
            Table(
                title=f"CPU µs per delivered event, {VIEWERS} viewers, median (range) of {bench.turns()} turns",
                head=("server", "one at a time", "/ C", "/ nchan", "bursts of ten", "/ nchan"),
                rows=tuple(
                    (
                        name,
                        _spread(costs[1][name]),
                        f"{single[name] / bare:.2f}",
                        f"{single[name] / single['nginx + nchan']:.2f}",
                        _spread(costs[10][name]),
                        f"{burst[name] / burst['nginx + nchan']:.2f}",
                    )
                    for name in sorted(names, key=single.__getitem__)
                ),
            ),
        ),
        worse=tuple(
            f"{name} needs {ours / single[name]:.2f} times less CPU for a single event."
            for name in names
            if single[name] < ours
        ),
        note=(
            "The relay's figure includes reading the line from the platform's socket, processing it and committing it "
            "to disk; the peers receive the finished event."
        ),
    )


async def _turn(bench: Bench, contest: Contest, events: int) -> dict[int, float]:
    """Return CPU µs per delivery for lines one at a time, and in bursts of ten."""
    async with (
        contest(bench) as server,
        Viewers(server.port, [server.request] * VIEWERS, bench.room("viewers")) as viewers,
    ):
        await viewers.all_open(answered=server.tells_state)
        await viewers.count_anew()
        server.say(1)
        await viewers.until(lambda seen: seen.events >= VIEWERS)
        costs = {}
        for burst in (1, 10):
            await viewers.count_anew()
            before_s = server.process.cpu_s()
            # Each waits for the one before to be everywhere: a server that is late must not get two at once for it.
            for sent in range(burst, events + 1, burst):
                server.say(burst)
                seen = await viewers.until(partial(_everywhere, sent))
            costs[burst] = (server.process.cpu_s() - before_s) / seen.events * 1e6
            if seen.gaps or seen.duplicates:
                raise RuntimeError(f"viewers missed or repeated events: {seen}")
        return costs


def _everywhere(lines: int, seen: Seen) -> bool:
    return seen.events >= lines * VIEWERS


def _spread(turns: list[float]) -> str:
    return f"{median(turns):.2f} ({min(turns):.2f}-{max(turns):.2f})" if len(turns) > 1 else f"{turns[0]:.2f}"
