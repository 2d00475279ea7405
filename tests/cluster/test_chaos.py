"""One short chaos run against a cluster; `make chaos-cluster` runs longer ones."""

import os
from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.cluster.chaos import short_cluster_plan, three_nodes


@pytest.mark.cluster
async def test_tasks_and_views_are_correct_after_kills_pauses_and_lost_connections(tmp_path: Path) -> None:
    """Each task is sent once and ends once, and viewers of all nodes see the same gapless log."""
    await run(short_cluster_plan(int(os.environ.get("SEED", "1"))), tmp_path, three_nodes)
