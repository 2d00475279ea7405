"""
Any order of commits, lost answers, deaths and thefts of three nodes in one database leads to what a model predicts.

tests/journal/postgres/test_several_writers.py lets them write at the same time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from relay.core.events import Event, Log, LogOutput, Source, State
from relay.errors import Fenced
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.membership import LoneNode, join
from tests.journal.postgres.proxy import Proxy, proxied
from tests.journal.postgres.records import create, waiting
from tests.postgres.server import PostgresServer

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection
    from relay.journal.postgres.membership import Join

NODES = 3
TASKS = 2

Step: TypeAlias = tuple[Literal["write", "lose", "pause", "die", "steal"], int, int]
"""What happens, to which node, with which task."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "lose", "pause", "die", "steal", "steal"]),
        st.integers(0, NODES - 1),
        st.integers(0, TASKS - 1),
    ),
    min_size=8,
    max_size=20,
)


@dataclass(slots=True)
class Node:
    """A node, and what it and the model know."""

    journal: PostgresJournal
    proxy: Proxy
    is_alive: bool = True
    seqs: dict[str, int] = field(default_factory=dict)
    """The tasks that it believes to own, and the last seq of each."""

    @property
    def member(self) -> LoneNode:
        member = self.journal._owner().membership
        assert isinstance(member, LoneNode)
        return member


class World:
    """Three nodes, and a model of what the database has to have."""

    def __init__(self, nodes: list[Node], sql: "Connection") -> None:
        self.nodes = nodes
        self._sql = sql
        self._texts: dict[str, list[str]] = {}
        """The events of each task."""
        self._owners: dict[str, str] = {}
        self._commits: Counter[str] = Counter()
        """How many writes of each node took effect."""

    async def run(self, what: str, number: int, task_number: int) -> None:
        node, task = self.nodes[number], f"t{task_number}"
        match what:
            case "write":
                await self._write(node, task)
            case "lose":
                node.proxy.cuts = 1
                await self._write(node, task)
            case "pause":
                await self._write_too_late(node, task)
            case "die":
                await self._die(node)
            case _:
                await self._steal(node)

    async def check(self) -> None:
        """Compare what is stored with the model."""
        rows = await self._sql.fetch(
            "SELECT task, seq, convert_from(body, 'UTF8')::json AS e FROM events ORDER BY 1, 2"
        )
        assert [(row["task"], row["seq"]) for row in rows] == [
            (task, seq) for task, texts in sorted(self._texts.items()) for seq in range(1, len(texts) + 1)
        ]
        for node in self.nodes:
            for task, texts in self._texts.items():
                entries = (await node.journal.read(task, after=0, limit=100)).entries
                assert len(entries) == len(texts)
                assert all(text.encode() in entry.body for text, entry in zip(texts, entries, strict=True))
        owners = await self._sql.fetch("SELECT task, owner, seq FROM heads")
        assert {row["task"]: str(row["owner"]) for row in owners} == self._owners
        assert {row["task"]: row["seq"] for row in owners} == {task: len(texts) for task, texts in self._texts.items()}
        batches = await self._sql.fetch("SELECT node, count(DISTINCT batch) AS n FROM events GROUP BY node")
        assert {str(row["node"]): row["n"] for row in batches} == dict(self._commits)

    async def _write(self, node: Node, task: str) -> None:
        """Append what the node believes to be the next event, or create the task."""
        identity = node.journal.node
        if task not in self._texts:
            permitted = node.is_alive
            error = await failure_of(create(node.journal, task))
            texts = ["submit"]
        else:
            permitted = node.is_alive and self._owners[task] == identity
            seq = node.seqs.get(task, len(self._texts[task])) + 1
            texts = [f"{identity}:{seq}"]
            error = await failure_of(node.journal.append([event(task, seq, *texts)]))
        if permitted:
            assert error is None
            self._commits[identity] += 1
            self._texts.setdefault(task, []).extend(texts)
            self._owners[task] = identity
            node.seqs[task] = len(self._texts[task])
        else:
            assert isinstance(error, Fenced)
            await self._notice(node)
        assert node.proxy.cuts == 0

    async def _write_too_late(self, node: Node, task: str) -> None:
        """Declare a node dead while its commit is on its way."""
        if self._owners.get(task) != node.journal.node or not node.is_alive:
            return
        seq = node.seqs[task] + 1
        async with self._sql.transaction():
            await self._sql.execute("SELECT FROM nodes WHERE id = $1 FOR UPDATE", int(node.journal.node))
            writing = asyncio.create_task(failure_of(node.journal.append([event(task, seq, "late")])))
            await waiting(self._sql, "Lock")
            await self._die(node)
        assert isinstance(await writing, Fenced)
        await self._notice(node)

    async def _die(self, node: Node) -> None:
        """Declare a node dead. It does not notice."""
        await self._sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(node.journal.node))
        node.is_alive = False

    async def _notice(self, node: Node) -> None:
        """Wait until a dead node has registered again."""
        await node.member.registered.wait()
        if not node.is_alive:
            node.is_alive = True
            node.seqs.clear()

    async def _steal(self, node: Node) -> None:
        """Let a node take over what no living node owns."""
        alive = {each.journal.node for each in self.nodes if each.is_alive}
        free = {task for task, owner in self._owners.items() if owner not in alive and node.is_alive}
        assert set(await node.journal.take_over(["wiro"], limit=TASKS)) == free
        for task in free:
            self._owners[task] = node.journal.node
            node.seqs[task] = len(self._texts[task])


async def failure_of(writing: Awaitable[object]) -> Exception | None:
    """Return how a write failed."""
    try:
        await writing
    except Fenced as error:
        return error
    return None


def event(task: str, seq: int, text: str) -> Event:
    """Return an event with a text."""
    data = LogOutput(log=Log(stream="stdout", text=text))
    return Event(type="output", task=task, seq=seq, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)


@asynccontextmanager
async def world(database: str) -> AsyncIterator[World]:
    """Run the nodes during the block. Their identities are not behind the proxies: this is about commits."""
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(NODES):
            proxy, dsn = await stack.enter_async_context(proxied(database))
            journal = PostgresJournal(dsn, join=cast("Join", lambda _, name, **parts: join(database, name, **parts)))
            await journal.open(lock=True)
            stack.push_async_callback(journal.close)
            nodes.append(Node(journal, proxy))
        sql = await connect(database, "test")
        stack.push_async_callback(close, sql)
        yield World(nodes, sql)


@settings(
    max_examples=8,
    derandomize=True,
    phases=(Phase.generate,),  # to shrink an example takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
async def test_every_order_of_events_is_as_in_the_model(postgres: PostgresServer, steps: list[Step]) -> None:
    """Logs have no gap, each commit takes effect once, and each task has one owner."""
    async with asyncio.timeout(60), postgres.database() as database, world(database) as nodes:
        for what, node, task in steps:
            await nodes.run(what, node, task)
        await nodes.check()
