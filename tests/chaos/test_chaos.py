"""One chaos run of a minute; `make chaos` runs it for longer."""

import os
from pathlib import Path

from tests.chaos.run import Plan, run


async def test_tasks_and_views_are_correct_after_kills_cuts_and_faults(tmp_path: Path) -> None:
    """Verdicts, the number of runs sent, and what viewers receive do not depend on them."""
    await run(Plan(seed=int(os.environ.get("SEED", "1"))), tmp_path)
