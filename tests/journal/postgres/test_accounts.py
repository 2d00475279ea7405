"""Limits are those of all nodes together (see tests/contract/test_accounts.py for the rest)."""

import asyncio
from dataclasses import replace

import pytest

from relay.core.spending import ALL, Limit
from tests.contract.test_accounts import RUNNING, STARTS, end, spend, usd
from tests.contract.test_accounts import start as start_task
from tests.journal.postgres.conftest import Start


@pytest.mark.parametrize("limit", [RUNNING, STARTS, spend(1.5)], ids=["running", "starts", "spending"])
async def test_no_start_of_two_nodes_at_the_same_time_is_one_too_many(start: Start, limit: Limit) -> None:
    """Of 100, three are allowed."""
    nodes = [await start(), await start()]
    starts = (start_task(nodes[number % 2], f"t{number}", limit, estimate=usd(0.5)) for number in range(100))
    made = [number for number, each in enumerate(await asyncio.gather(*starts)) if each.exceeded is None]
    assert len(made) == 3


async def test_what_one_node_spends_another_one_cannot(start: Start) -> None:
    """Ends and starts on both nodes at the same time: what a task has reserved is spent, and never both or neither."""
    nodes = [await start(), await start()]
    limit = spend(5.0)
    for number in range(6):
        await start_task(nodes[number % 2], f"old{number}", estimate=usd(0.5))
    ends = (end(nodes[number % 2], f"old{number}", usd(0.5)) for number in range(6))
    starts = (start_task(nodes[number % 2], f"new{number}", limit, estimate=usd(0.5)) for number in range(40))
    answers = await asyncio.gather(*starts, *ends)
    assert sum(each is not None and each.exceeded is None for each in answers) == 4
    refused = (await start_task(nodes[0], "more", replace(limit, account=ALL), estimate=usd(0.5))).exceeded
    assert refused is not None
    assert (refused.used, refused.reserved) == (3.0, 2.0)
