"""Time of a page of tasks with a million tasks in PostgreSQL, and of `/readyz` while searches are slow."""

from statistics import median, quantiles

from bench.bench import Bench
from bench.cluster import relay_cluster
from bench.finding import Figure, Finding, Table
from bench.rows.lists import LISTS, MANY, REACH_MS, REACH_READY_MS, SLOW_SEARCHES, UNFINISHED_TASKS, pages_ms, ready_ms
from bench.stored_tasks_postgres import fill_postgres
from bench.upstream import Upstream


async def measure(bench: Bench) -> Finding:
    many = MANY // 20 if bench.quick else MANY
    middle = 0.0

    async def fill(store: str) -> None:
        nonlocal middle
        middle = await fill_postgres(store, many, max(100, UNFINISHED_TASKS * many // MANY))

    taken_ms: dict[str, list[float]] = {name: [] for name in LISTS}
    async with Upstream() as upstream, relay_cluster(bench, upstream.settings, nodes=1, fill=fill) as (relay,):
        for _ in range(bench.turns()):
            for name, query in LISTS.items():
                taken_ms[name] += await pages_ms(relay, query.format(middle=middle))
        longest_ms, searched_s = await ready_ms(relay)
    p99_ms = {name: quantiles(times, n=100)[-1] for name, times in taken_ms.items()}
    slowest = max(p99_ms, key=lambda name: p99_ms[name])
    return Finding(
        figures=(
            Figure(
                measure=f"a page of {many} tasks in PostgreSQL, p99 of the slowest of {len(LISTS)} lists",
                got=f"{p99_ms[slowest]:.1f} ms ({slowest})",
                reach=f"≤ {REACH_MS:g} ms",
                reached=p99_ms[slowest] <= REACH_MS,
            ),
            Figure(
                measure=f"longest `/readyz` while {SLOW_SEARCHES} searches test up to half of the tasks",
                got=f"{longest_ms:.0f} ms (the searches took up to {searched_s:.1f} s)",
                reach=f"≤ {REACH_READY_MS:g} ms",
                reached=longest_ms <= REACH_READY_MS,
            ),
        ),
        tables=(
            Table(
                title=f"`GET /v1/tasks` with 50 of {many} tasks, ms",
                head=("list", "median", "p99"),
                rows=tuple((name, f"{median(times):.2f}", f"{p99_ms[name]:.2f}") for name, times in taken_ms.items()),
            ),
        ),
        note="The tasks are those of the row `lists`.",
    )
