"""A minute of chaos; `make chaos` has more of it."""

import os
from pathlib import Path

from tests.chaos.run import Plan, run


async def test_nothing_is_lost_doubled_or_told_wrongly_whatever_breaks(tmp_path: Path) -> None:
    """Kills, cuts and a flaky upstream change nothing in what is true, what is paid and what viewers see."""
    await run(Plan(seed=int(os.environ.get("SEED", "1"))), tmp_path)
