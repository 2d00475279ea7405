"""Chaos runs with successive seeds: `python -m tests.chaos [--cluster] --seed 7 --minutes 30`."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from relay import log
from tests.chaos.run import Plan, one_relay, run
from tests.cluster.chaos import cluster_plan, three_nodes


def main() -> None:
    """Run until the time is over or a check fails; a failed run's folder is kept."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000), help="seed of the first round")
    parser.add_argument("--minutes", type=float, default=10.0, help="duration; the last round is finished")
    parser.add_argument("--viewers", type=int, help="viewers per round")
    parser.add_argument("--cluster", action="store_true", help="run three nodes and PostgreSQL instead of one relay")
    given = parser.parse_args()
    log.configure(level="error")
    until, seed = time.monotonic() + given.minutes * 60, given.seed
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        began = time.monotonic()
        plan = cluster_plan(seed) if given.cluster else Plan(seed=seed)
        plan = replace(plan, viewers=given.viewers or plan.viewers)
        report = asyncio.run(run(plan, folder, three_nodes if given.cluster else one_relay))
        sys.stdout.write(f"seed {seed}, {time.monotonic() - began:.0f} s: {report}\n")
        sys.stdout.flush()
        shutil.rmtree(folder)
        seed += 1
        if time.monotonic() >= until:
            return


if __name__ == "__main__":
    main()
