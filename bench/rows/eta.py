"""How honest estimates of the time left are, for runs that the sandbox plans."""

from bench.backtest import backtest, score
from bench.bench import Bench
from bench.finding import Figure, Finding

LEAST, MOST = 0.35, 0.55
LATE = 0.15


async def measure(bench: Bench) -> Finding:
    runs = 200 if bench.quick else 1000
    found = score(backtest(runs, seed=7))
    return Finding(
        figures=(
            Figure(
                measure="runs that end between p50 and p90 of their estimate",
                got=f"{found.within:.0%}",
                reach=f"{LEAST:.0%} to {MOST:.0%}",
                reached=LEAST <= found.within <= MOST,
            ),
            Figure(
                measure="runs that end after p90 of their estimate",
                got=f"{found.late:.0%}",
                reach=f"≤ {LATE:.0%}",
                reached=found.late <= LATE,
            ),
        ),
        note=f"{runs} runs of all models of the sandbox, one after the other, each looked at 8 times at random. "
        f"{found.known:.0%} of the looks have an estimate: the first runs of a model have none.",
    )
