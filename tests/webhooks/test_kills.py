"""A relay that is killed while it delivers webhooks, to a receiver that misbehaves: each event arrives, in order."""

import asyncio
import random
from pathlib import Path

from relay.sandbox import Sandbox
from relay.webhooks.messages import types_of
from tests.chaos.judge import TaskLog
from tests.chaos.relay_process import RelayProcess, free_port
from tests.cluster.client import client, ended, start
from tests.webhooks.receiver import SECRET, Receiver, answer, cut

TASKS = 5


def expected(log: TaskLog) -> list[tuple[str, int]]:
    """Return the type and the seq of each webhook that the events of a log lead to."""
    return [(kind, event.seq) for event in log.events for kind in types_of(event)]


def arrived(receiver: Receiver, task: str) -> list[tuple[str, int]]:
    """Return the type and the seq of each webhook about a task, in the order of their first arrival."""
    found = [(each["type"], each["data"]["seq"]) for each in receiver.accepted if each["data"]["id"] == task]
    return list(dict.fromkeys(found))


async def test_each_event_arrives_in_order_over_a_kill(tmp_path: Path, sandbox: Sandbox) -> None:
    """What was being sent is sent again by the next process, and the journal has all the rest."""
    chance = random.Random(7)
    async with asyncio.TaskGroup() as group, Receiver() as receiver, asyncio.timeout(100):
        receiver.next.extend(chance.choices([answer(500), cut, answer(200)], k=5))
        settings = {"RELAY_WEBHOOK_URL": receiver.url, "RELAY_WEBHOOK_SECRET": SECRET, "RELAY_DRAIN": "0"}
        relay = RelayProcess(tmp_path, sandbox, free_port(chance), group, settings=settings)
        await relay.start(public=None)
        async with client(relay.url) as caller:
            tasks = [await start(caller, str(number)) for number in range(TASKS)]
            await receiver.until(lambda: len(receiver.accepted) >= 2)
            await relay.kill()
            await relay.start(public=None)
            logs = [await ended(caller, task) for task in tasks]
            await receiver.until(
                lambda: all(len(arrived(receiver, log.snapshot.id)) >= len(expected(log)) for log in logs)
            )
        assert relay.faults() == []
        await relay.kill()

    for log in logs:
        assert arrived(receiver, log.snapshot.id) == expected(log)
