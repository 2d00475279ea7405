"""Several nodes write at random while answers are lost and nodes are declared dead: no event is lost or repeated."""

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

import pytest

from relay.core.events import Event, Log, LogOutput, Source, State
from relay.errors import Fenced, StoreError
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.membership import LoneNode, join
from tests.journal.postgres.proxy import proxied
from tests.journal.postgres.records import create

pytestmark = pytest.mark.cluster

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection
    from relay.journal.postgres.membership import Join

STEPS = 40
NODES = 3


class Worker:
    """A node that creates tasks, continues those that it owns, and takes others over."""

    def __init__(self, name: str, journal: PostgresJournal, chance: random.Random) -> None:
        self._name = name
        self._journal = journal
        self._chance = chance
        self._seqs: dict[str, int] = {}
        """The tasks that it believes to own, and the last seq of each."""
        self._written = 0
        self.acknowledged: list[tuple[str, int, str]] = []

    async def run(self) -> None:
        for step in range(STEPS):
            try:
                await self._step(step)
            except Fenced:
                node = self._journal._owner().membership
                assert isinstance(node, LoneNode)
                await node.registered.wait()
                self._seqs.clear()
            except StoreError:  # its connection was cut while it was made, or a read was cut twice
                continue

    async def _step(self, step: int) -> None:
        if self._chance.random() < 0.3:
            task = f"{self._name}-{step}"
            await create(self._journal, task)
            self._seqs[task] = 1
        elif self._chance.random() < 0.3:
            for task in await self._journal.take_over(["wiro"], limit=5):
                state = await self._journal.snapshot(task)
                assert state is not None
                self._seqs[task] = state.seq
        else:
            results = await asyncio.gather(*map(self._append, self._seqs), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def _append(self, task: str) -> None:
        self._written += 1
        first, text = self._seqs[task] + 1, f"{self._name}:{self._written}"
        count = self._chance.randint(1, 3)
        await self._journal.append([event(task, seq, text) for seq in range(first, first + count)])
        self._seqs[task] += count
        self.acknowledged += [(task, seq, text) for seq in range(first, first + count)]


def event(task: str, seq: int, text: str) -> Event:
    data = LogOutput(log=Log(stream="stdout", text=text))
    return Event(type="output", task=task, seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)


async def disturb(sql: "Connection", chance: random.Random) -> None:
    """Declare a node dead, as others do when its lease has run out."""
    await sql.execute(
        "UPDATE nodes SET alive = false WHERE id = (SELECT id FROM nodes WHERE alive ORDER BY id OFFSET $1 LIMIT 1)",
        chance.randrange(NODES),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_every_acknowledged_event_is_stored_once(database: str, seed: int) -> None:
    """At its seq, in a log without gaps, and no commit of a node is missing or repeated."""
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        workers, proxies = [], []
        for number in range(NODES):
            proxy, dsn = await stack.enter_async_context(proxied(database))
            # The node itself is not behind the proxy: this is about commits.
            journal = PostgresJournal(dsn, join=cast("Join", lambda _, name, **parts: join(database, name, **parts)))
            await journal.open(lock=True)
            stack.push_async_callback(journal.close)
            proxies.append(proxy)
            workers.append(Worker(f"n{number}", journal, random.Random(f"{seed}:{number}")))
        sql = await connect(database, "test")
        stack.push_async_callback(close, sql)
        running = [asyncio.create_task(worker.run()) for worker in workers]
        while not all(task.done() for task in running):
            chance.choice(proxies).cuts = 1
            if chance.random() < 0.3:
                await disturb(sql, chance)
            await asyncio.wait(running, timeout=0.05)
        await asyncio.gather(*running)
        for proxy in proxies:
            proxy.cuts = 0

        rows = await sql.fetch(
            "SELECT task, seq, convert_from(body, 'UTF8')::json #>> '{data,log,text}' AS text FROM events"
        )
        stored = {(row["task"], row["seq"]): row["text"] for row in rows}
        acknowledged = [each for worker in workers for each in worker.acknowledged]
        assert len(acknowledged) > 100
        assert all(stored.get((task, seq)) == text for task, seq, text in acknowledged)
        assert len({(task, seq) for task, seq, _ in acknowledged}) == len(acknowledged)
        heads = await sql.fetch(
            "SELECT task, seq, (SELECT count(*) FROM events e WHERE e.task = h.task) AS n FROM heads h"
        )
        assert [row for row in heads if row["seq"] != row["n"]] == []
        assert any(proxy.lost for proxy in proxies)
