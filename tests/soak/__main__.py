"""A soak by hand: `python -m tests.soak --seed 7 --minutes 30`. When something is wrong, its folder is kept."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from relay import log
from tests.soak.run import Plan, run


def main() -> None:
    """Soak for as long as was asked for, and print what was seen."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long tasks come and accidents happen")
    parser.add_argument("--rate", type=float, default=Plan(seed=0, load_s=1).tasks_per_s, help="tasks a second")
    parser.add_argument("--accident", action="append", default=[], help="one that happens; without it, all do")
    given = parser.parse_args()
    log.configure(level="critical")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the disk is unmounted, and the relay ended, on the way
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}\n")
        sys.stdout.flush()

    say(f"seed {given.seed}")
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{given.seed}-"))
    plan = Plan(seed=given.seed, load_s=given.minutes * 60, tasks_per_s=given.rate, accidents=tuple(given.accident))
    report = asyncio.run(run(plan, folder, say))
    say(f"seed {given.seed}: every task ended as it truly did\n{report}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
