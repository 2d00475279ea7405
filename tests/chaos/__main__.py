"""Chaos runs with successive seeds: `python -m tests.chaos --seed 7 --minutes 30`."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from relay import log
from tests.chaos.run import Plan, run


def main() -> None:
    """Run until the time is over or a check fails; a failed run's folder is kept."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000), help="seed of the first round")
    parser.add_argument("--minutes", type=float, default=10.0, help="duration; the last round is finished")
    parser.add_argument("--viewers", type=int, default=Plan(seed=0).viewers, help="viewers per round")
    given = parser.parse_args()
    log.configure(level="error")
    until, seed = time.monotonic() + given.minutes * 60, given.seed
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        began = time.monotonic()
        report = asyncio.run(run(Plan(seed=seed, viewers=given.viewers), folder))
        sys.stdout.write(f"seed {seed}, {time.monotonic() - began:.0f} s: {report}\n")
        sys.stdout.flush()
        shutil.rmtree(folder)
        seed += 1
        if time.monotonic() >= until:
            return


if __name__ == "__main__":
    main()
