"""Time of a page of tasks with a million tasks in PostgreSQL, and of `/readyz` while searches are slow."""

from statistics import median

from bench.bench import Bench
from bench.cluster import relay_cluster
from bench.finding import Finding, Table
from bench.rows.lists import LISTS, MANY, UNFINISHED_TASKS, longest_ready, p99_of, pages_ms, ready_ms, slowest_page
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
    p99_ms = p99_of(taken_ms)
    return Finding(
        figures=(
            slowest_page(f"{many} tasks in PostgreSQL", p99_ms),
            longest_ready(longest_ms, searched_s),
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
