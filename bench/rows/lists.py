"""Time of a page of tasks with a million tasks in the store, and of `/readyz` while searches are slow."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

from bench.bench import Bench
from bench.finding import Figure, Finding, Table
from bench.relay_server import RelayServer, relay_server
from bench.stored_tasks import fill
from bench.upstream import Upstream
from relay.journal.base import UNFINISHED

MANY, FEW = 1_000_000, 1_000
"""The numbers of tasks in the two stores. Half of the tasks have the tag, the provider and the model of the lists."""

UNFINISHED_TASKS = 3000
"""Unfinished tasks in the large store. None has the tag."""

PAGES = 20
"""How often each list is read in a turn."""

SLOW_SEARCHES = 6

REACH_MS = 20.0
REACH_RATIO = 1.5
REACH_READY_MS = 100.0

_UNFINISHED = "&".join(f"state={state}" for state in UNFINISHED)

LISTS = {
    "all tasks": "",
    "a tag": "tag=shop",
    "a tag, a page in the middle": "tag=shop&cursor={middle}~0",
    "a tag, two states": "tag=shop&state=succeeded&state=failed",
    "a tag, unfinished: none": f"tag=shop&{_UNFINISHED}",
    "a tag, provider, model and state": "tag=shop&provider=wiro&model=maker/common&state=succeeded",
    "a provider": "provider=wiro",
    "a state": "state=succeeded",
    "a model, unfinished": f"model=maker/common&{_UNFINISHED}",
    "a search for a tag": "q=shop",
}

JOINED = "a tag, unfinished: none"
"""The list that is also read by a join, as it was before each tag had the state of its tasks."""


async def measure(bench: Bench) -> Finding:
    many = MANY // 20 if bench.quick else MANY
    stores = {size: bench.room("lists") / "relay.db" for size in (many, FEW)}
    middles = {
        size: await asyncio.to_thread(fill, path, size, max(100, UNFINISHED_TASKS * size // MANY))
        for size, path in stores.items()
    }
    taken_ms: dict[int, dict[str, list[float]]] = {size: {name: [] for name in LISTS} for size in stores}
    async with Upstream() as upstream:
        for _ in range(bench.turns()):
            for size, path in stores.items():
                async with relay_server(bench, upstream.settings | {"RELAY_STORE": f"sqlite:///{path}"}) as relay:
                    for name, query in LISTS.items():
                        taken_ms[size][name] += await pages_ms(relay, query.format(middle=middles[size]))
        async with relay_server(bench, upstream.settings | {"RELAY_STORE": f"sqlite:///{stores[many]}"}) as relay:
            longest_ms, searched_s = await ready_ms(relay)
    joined_ms = await asyncio.to_thread(_join_ms, stores[many])
    p99_ms = p99_of(taken_ms[many])
    medians = {size: {name: median(times) for name, times in lists.items()} for size, lists in taken_ms.items()}
    ratios = {name: medians[many][name] / medians[FEW][name] for name in LISTS}
    farthest = max(ratios, key=lambda name: ratios[name])
    return Finding(
        figures=(
            slowest_page(f"{many} tasks", p99_ms),
            Figure(
                measure=f"a page of {many} tasks / of {FEW}, the list in which they differ most",
                got=f"{ratios[farthest]:.2f} x ({medians[many][farthest]:.1f} ms, {medians[FEW][farthest]:.1f} ms)",
                reach=f"≤ {REACH_RATIO} x",
                reached=ratios[farthest] <= REACH_RATIO,
            ),
            Figure(
                measure=f"{JOINED}, in SQL: a join of the tag's tasks by age / the whole request of the relay",
                got=f"{joined_ms / medians[many][JOINED]:.0f} x ({joined_ms:.0f} ms, {medians[many][JOINED]:.1f} ms)",
            ),
            longest_ready(longest_ms, searched_s),
        ),
        tables=(
            Table(
                title="`GET /v1/tasks` with 50 tasks, ms",
                head=("list", f"{many} tasks", "p99", f"{FEW} tasks", "ratio"),
                rows=tuple(
                    (
                        name,
                        f"{medians[many][name]:.2f}",
                        f"{p99_ms[name]:.2f}",
                        f"{medians[FEW][name]:.2f}",
                        f"{ratio:.2f}",
                    )
                    for name, ratio in ratios.items()
                ),
            ),
        ),
        note="Half of the tasks have the tag, half the provider, half the model and half the state; the tag has no "
        "unfinished task. A page includes reading the state of each of its tasks.",
    )


def p99_of(taken_ms: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the 99th percentile of the times of each list, in milliseconds."""
    return {name: quantiles(times, n=100)[-1] for name, times in taken_ms.items()}


def slowest_page(tasks: str, p99_ms: Mapping[str, float]) -> Figure:
    """Return the figure of the slowest list. `tasks` says how many there are, and where."""
    slowest = max(p99_ms, key=lambda name: p99_ms[name])
    return Figure(
        measure=f"a page of {tasks}, p99 of the slowest of {len(LISTS)} lists",
        got=f"{p99_ms[slowest]:.1f} ms ({slowest})",
        reach=f"≤ {REACH_MS:g} ms",
        reached=p99_ms[slowest] <= REACH_MS,
    )


def longest_ready(longest_ms: float, searched_s: float) -> Figure:
    """Return the figure of what `ready_ms` has measured."""
    return Figure(
        measure=f"longest `/readyz` while {SLOW_SEARCHES} searches test up to half of the tasks",
        got=f"{longest_ms:.0f} ms (the searches took up to {searched_s:.1f} s)",
        reach=f"≤ {REACH_READY_MS:g} ms",
        reached=longest_ms <= REACH_READY_MS,
    )


async def pages_ms(relay: RelayServer, query: str) -> list[float]:
    """Return how long each page took, after a first one that is not counted."""
    taken_ms = []
    for _ in range(PAGES + 1):
        began = time.perf_counter()
        if await relay.get(f"/v1/tasks?{query}") != 200:
            raise RuntimeError(f"the relay cannot list {query}")
        taken_ms.append((time.perf_counter() - began) * 1000)
    return taken_ms[1:]


async def ready_ms(relay: RelayServer) -> tuple[float, float]:
    """Return the longest time of `/readyz` while searches run, and the time that these took."""
    began = time.perf_counter()
    # Half of the tasks have one word and half the other, and no task has both.
    searches = [asyncio.ensure_future(relay.get("/v1/tasks?q=shop+other")) for _ in range(SLOW_SEARCHES)]
    longest_s = 0.0
    while not all(search.done() for search in searches):
        asked = time.perf_counter()
        if await relay.get("/readyz") != 200:
            raise RuntimeError("the relay is not ready")
        longest_s = max(longest_s, time.perf_counter() - asked)
        await asyncio.sleep(0.05)
    return longest_s * 1000, time.perf_counter() - began


def _join_ms(path: Path) -> float:
    """Return how long a join takes that tests the state of each task of the tag."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE tags"
            " (tag TEXT, created_at REAL, task TEXT, PRIMARY KEY (tag, created_at, task)) WITHOUT ROWID"
        )
        connection.execute("INSERT INTO tags SELECT tag, created_at, task FROM listed WHERE tag <> '' ORDER BY 1, 2, 3")
        taken_s = []
        for _ in range(2):  # the first one warms up
            began = time.perf_counter()
            connection.execute(
                "SELECT t.created_at, t.id FROM tags g CROSS JOIN tasks t ON t.id = g.task"  # noqa: S608 - placeholders
                f" WHERE g.tag = 'shop' AND t.state IN ({', '.join('?' * len(UNFINISHED))})"
                " ORDER BY g.created_at DESC, g.task DESC LIMIT 51",
                UNFINISHED,
            ).fetchall()
            taken_s.append(time.perf_counter() - began)
        return taken_s[-1] * 1000
