"""Nodes that are killed while they deliver webhooks: the others deliver them, each event in order."""

import asyncio
import random
from pathlib import Path

import pytest

from relay.sandbox import Sandbox
from tests.cluster.client import client, ended, start
from tests.cluster.local import TOKEN_SECRET, local_cluster
from tests.webhooks.receiver import SECRET, Receiver, answer, cut, hang
from tests.webhooks.test_kills import arrived, expected

pytestmark = pytest.mark.cluster

TASKS = 8


async def test_each_event_arrives_in_order_over_the_loss_of_a_node(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    """The survivor sends what the other one was sending, after the time that its attempt can take."""
    chance = random.Random(7)
    async with Receiver() as receiver, asyncio.timeout(150):
        receiver.next.extend(chance.choices([answer(500), cut, answer(200)], k=8))
        settings = {
            "RELAY_TOKEN_SECRET": TOKEN_SECRET,
            "RELAY_WEBHOOK_URL": receiver.url,
            "RELAY_WEBHOOK_SECRET": SECRET,
        }
        async with local_cluster(tmp_path, sandbox, database, nodes=2, settings=settings) as cluster:
            victim, survivor = cluster.nodes
            async with client(victim.url) as first, client(survivor.url) as second:
                tasks = [await start(each, str(number)) for number in range(TASKS // 2) for each in (first, second)]
            tasks = list(dict.fromkeys(tasks))
            await receiver.until(lambda: len(receiver.accepted) >= 3)
            receiver.next.extend([hang] * 6)
            await receiver.until(lambda: receiver.open_now >= 4)
            await victim.kill()
            receiver.next.clear()
            async with client(survivor.url) as caller:
                logs = [await ended(caller, task) for task in tasks]
            await receiver.until(
                lambda: all(len(arrived(receiver, log.snapshot.id)) >= len(expected(log)) for log in logs),
                within_s=120.0,
            )
            assert survivor.faults() == []

    for log in logs:
        assert arrived(receiver, log.snapshot.id) == expected(log)
