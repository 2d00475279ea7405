"""Run a soak: `python -m tests.soak --seed 7 --minutes 30`. The folder of a failed run is kept."""

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
    """Run the soak, and print its progress and result."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=30.0, help="duration of the load and the failures")
    parser.add_argument("--rate", type=float, default=Plan(seed=0, load_s=1).tasks_per_s, help="tasks per second")
    parser.add_argument("--failure", action="append", default=[], help="a kind of failure to use; default: all")
    given = parser.parse_args()
    log.configure(level="critical")
    # Raise KeyboardInterrupt, so that the disk is unmounted and the relay is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()

    def report(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}\n")
        sys.stdout.flush()

    report(f"seed {given.seed}")
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{given.seed}-"))
    plan = Plan(seed=given.seed, load_s=given.minutes * 60, tasks_per_s=given.rate, failures=tuple(given.failure))
    result = asyncio.run(run(plan, folder, report))
    report(f"seed {given.seed}: every task ended correctly\n{result}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
