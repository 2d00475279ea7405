"""Runs the rows and says what came of them: `python -m bench [--quick] [--rows fanout,idle]`."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import machine, report
from bench.bench import Bench
from bench.finding import Finding
from bench.rows import (
    answer,
    ceiling,
    delay,
    delivery,
    eta,
    fanout,
    following,
    foreign,
    idle,
    joining,
    lists,
    memory,
    page,
    pages,
    pglists,
    remote,
    scrape,
    start,
    storm,
    stuck,
    takeover,
    vandals,
)

ROWS: dict[str, Callable[[Bench], Awaitable[Finding]]] = {
    "fanout": fanout.measure,
    "answer": answer.measure,
    "memory": memory.measure,
    "joining": joining.measure,
    "stuck": stuck.measure,
    "delay": delay.measure,
    "start": start.measure,
    "following": following.measure,
    "idle": idle.measure,
    "storm": storm.measure,
    "vandals": vandals.measure,
    "lists": lists.measure,
    "page": page.measure,
    "pages": pages.measure,
    "delivery": delivery.measure,
    "scrape": scrape.measure,
    "remote": remote.measure,
    "ceiling": ceiling.measure,
    "takeover": takeover.measure,
    "eta": eta.measure,
    "foreign": foreign.measure,
    "pglists": pglists.measure,
}


async def measure(bench: Bench, names: list[str]) -> dict[str, Finding]:
    """Run the rows in order. A row that fails ends the run, because an incomplete table is useless."""
    findings = {}
    for name in names:
        began = time.monotonic()
        findings[name] = await ROWS[name](bench)
        print(f"\n{name} ({time.monotonic() - began:.0f} s)\n\n{report.section(findings[name])}", flush=True)  # noqa: T201
    return findings


def main() -> int:
    """Measure, print, and write down what a whole run found."""
    arguments = argparse.ArgumentParser(prog="bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="the short form")
    arguments.add_argument("--rows", default=",".join(ROWS), help="which rows, by name, with commas")
    asked = arguments.parse_args()
    names = [name for name in asked.rows.split(",") if name]
    if unknown := set(names) - set(ROWS):
        arguments.error(f"no row {', '.join(sorted(unknown))}: there are {', '.join(ROWS)}")
    load = machine.load()
    machine.allow_many_files()
    server_core, client_core = machine.cores()
    machine.stay_on(client_core)
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-", dir=Path(__file__).parent / "build"))
    try:
        findings = asyncio.run(measure(Bench(quick=asked.quick, folder=folder, server_core=server_core), names))
    finally:
        shutil.rmtree(folder)
    if asked.quick or names != list(ROWS):
        print(f"\n{report.head(load)}\n\n{report.summary(findings)}")  # noqa: T201
    else:
        report.PATH.write_text(report.written(findings, load), encoding="utf-8")
        print(f"\n{report.PATH.read_text(encoding='utf-8')}")  # noqa: T201
    return 0


sys.exit(main())
