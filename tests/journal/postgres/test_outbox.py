"""Several nodes share the webhooks of a database: each is sent by one of them, and none is forgotten."""

import asyncio
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import orjson
import pytest

from relay.journal.outbox import DeliveryFilter, Outcome, Status, Webhook
from relay.journal.postgres import outbox
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.rows import webhook_row
from tests.journal.postgres.conftest import Start
from tests.journal.postgres.records import create, event, waiting

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

URLS = ("https://a.example/", "https://b.example/")

DELIVERED = Outcome(status=Status.DELIVERED, answer="HTTP 200", tried_at=8.5)


def hook(task: str, number: int, url: str = URLS[0]) -> Webhook:
    return Webhook(id=f"{task}-{number}-{url}", task=task, url=url, type="task.stage", body=b"{}", created_at=7.5)


async def deliver(journal: PostgresJournal, sent: list[str], most: int) -> None:
    """Claim and deliver until `most` webhooks have been sent by all nodes, some of them after a failure."""
    failed = Outcome(status=Status.PENDING, answer="HTTP 500", tried_at=8.5)
    async with asyncio.timeout(60):
        while len(sent) < most:
            claimed = await journal.outbox.claim((), per_url=5, limit=3)
            for number, each in enumerate(claimed.deliveries):
                fails = number == 2 and each.failures == 0
                if not fails:
                    sent.append(each.webhook.id)
                await journal.outbox.settle(each.webhook.id, failed if fails else DELIVERED)


async def test_nodes_share_webhooks_while_several_store_more(start: Start) -> None:
    """Each one is sent once, those of a node in its order: no row waits behind one that has just been settled."""
    journals = [await start() for _ in range(3)]
    tasks = ["t0", "t1", "t2"]
    for task in tasks:
        await create(journals[0], task)
    own, added = range(20), range(100, 120)
    most = len(tasks) * len(URLS) * len([*own, *added])
    sent: list[str] = []

    async def append(task: str) -> None:
        for number in own:
            await journals[0].append([event(task, number + 2)], webhooks=[hook(task, number, url) for url in URLS])

    async def add(task: str) -> None:
        for number in added:
            await journals[1].outbox.add([hook(task, number, url) for url in URLS])

    delivering = (deliver(journal, sent, most) for journal in journals)
    await asyncio.gather(*map(append, tasks), *map(add, tasks), *delivering)

    assert len(set(sent)) == len(sent) == most
    for task, url in product(tasks, URLS):
        for numbers in (own, added):
            expected = [hook(task, number, url).id for number in numbers]
            assert [each for each in sent if each in expected] == expected


async def test_two_nodes_that_begin_a_queue_at_once_begin_one(start: Start, sql: "Connection") -> None:
    """The second one waits for the first one, and its webhook waits behind."""
    journal = await start()
    await create(journal, "a")
    async with sql.transaction():
        row = orjson.dumps(webhook_row(hook("a", 1))).decode()
        await sql.fetch("SELECT relay_add_webhooks($1)", [row])
        appending = asyncio.create_task(journal.append([event("a", 2)], webhooks=[hook("a", 2)]))
        await waiting(sql, "Lock")
    await appending
    page = await journal.outbox.page(DeliveryFilter(), before=None, limit=5)
    assert [each.status for each in page] == [Status.QUEUED, Status.PENDING]


async def test_the_webhooks_of_a_dead_node_are_sent_by_another_one(
    start: Start, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that an attempt can take, so that two nodes do not send it at once. A late outcome is ignored."""
    first, second = await start(), await start()
    await create(first, "a")
    await first.outbox.add([hook("a", 1)])
    assert len((await first.outbox.claim((), per_url=5, limit=5)).deliveries) == 1
    assert (await second.outbox.claim((), per_url=5, limit=5)).deliveries == ()

    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(first.node))
    assert (await second.outbox.claim((), per_url=5, limit=5)).deliveries == ()
    monkeypatch.setattr(outbox, "PATIENCE", timedelta(0))
    (taken,) = (await second.outbox.claim((), per_url=5, limit=5)).deliveries
    await first.outbox.settle(taken.webhook.id, DELIVERED)
    (found,) = await second.outbox.page(DeliveryFilter(), before=None, limit=5)
    assert found.status is Status.SENDING


async def test_a_node_that_registers_has_everything_sent_at_once(start: Start) -> None:
    """What was to be sent later is due; what another node sends is not."""
    first = await start()
    await create(first, "a")
    await first.outbox.add([hook("a", 1), hook("a", 2, URLS[1])])
    claimed = await first.outbox.claim((), per_url=5, limit=5)
    later = Outcome(status=Status.PENDING, answer="HTTP 500", tried_at=8.5, again_in_s=3600.0)
    await first.outbox.settle(claimed.deliveries[0].webhook.id, later)

    second = await start()

    due = (await second.outbox.claim((), per_url=5, limit=5)).deliveries
    assert [each.webhook.id for each in due] == [claimed.deliveries[0].webhook.id]


async def test_webhooks_count_as_stored_data(start: Start) -> None:
    """Until their task is deleted."""
    journal = await start()
    await create(journal, "a")
    before = await journal.size_bytes()
    big = Webhook(id="big", task="a", url=URLS[0], type="task.done", body=b'"%b"' % (b"x" * 10_000), created_at=1.0)
    await journal.append([event("a", 2)], webhooks=[big])
    with_event = await journal.size_bytes()
    assert with_event > before + 10_000
    await journal.outbox.add([Webhook(id="more", task="a", url=URLS[0], type="x", body=big.body, created_at=1.0)])
    assert await journal.size_bytes() > with_event + 10_000
