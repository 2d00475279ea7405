"""
Chaos runs against a cluster: nodes are killed and paused, and PostgreSQL ends their connections.

Some viewers watch through the balancer, which may connect them to another node each time; the others stay with one
node. What is checked is the same as with one relay, and that all nodes tell the same.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP

from tests.chaos import judge
from tests.chaos.caller import Caller
from tests.chaos.judge import TaskLog
from tests.chaos.relay_process import RelayProcess, free_port
from tests.chaos.run import Chaos, Plan, sandbox_of, session
from tests.chaos.viewers import COME_BACK_CODES
from tests.cluster.local import TOKEN_SECRET, LocalCluster, local_cluster
from tests.cluster.short_times import LEASE_S
from tests.postgres.server import PostgresServer, postgres_server

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.cluster.strained", "serve")

PATIENCE_S = 3.0
"""How long a caller waits for a node that may be paused before it asks another one."""

STORE_FAILED_CODE = 1011
STORE_FAILED_STATUS = 503
"""What clients receive while a node has no connection to PostgreSQL, or was declared dead and does not know it yet."""


def cluster_plan(seed: int) -> Plan:
    """Return the plan of a run by hand."""
    return Plan(seed=seed, tasks=50, viewers=100, starting_s=10.0, speed=4.0, within_s=900.0)


def short_cluster_plan(seed: int) -> Plan:
    """Return the plan of a run of half a minute on an idle machine. Its time limit only matters if it hangs."""
    return replace(cluster_plan(seed), starting_s=4.0, speed=10.0, within_s=280.0)


class Cluster:
    """Three nodes. Each kind of failure happens in turn, in a random order."""

    def __init__(self, plan: Plan, cluster: LocalCluster, server: PostgresServer, database: str) -> None:
        self._plan = plan
        self._cluster = cluster
        self._server = server
        self._database = database
        self._random = Random(f"{plan.seed}:failures")

    @property
    def urls(self) -> Sequence[str]:
        first, *others = (node.url for node in self._cluster.nodes)
        balancer = self._cluster.balancer.url
        return balancer, first, balancer, *others

    async def disturb(self, have_started: Callable[[int], Awaitable[None]]) -> None:
        kinds = [self._kill, self._pause, self._end_connections]
        self._random.shuffle(kinds)
        for number in range(self._plan.kills):
            await have_started((number + 1) * self._plan.tasks // (self._plan.kills + 1))
            await asyncio.sleep(self._random.uniform(0, 1))
            await kinds[number % len(kinds)](self._random.choice(self._cluster.nodes))
        await self._all_alive()

    async def check(self, tasks: Mapping[str, TaskLog]) -> None:
        for node in self._cluster.nodes:
            async with session(node.url) as client:
                caller = Caller(client, self._plan.seed, come_back=frozenset({STORE_FAILED_STATUS}))
                logs = await asyncio.gather(*(judge.read_log(caller, task) for task in tasks))
                for task, log in zip(tasks, logs, strict=True):
                    assert log == tasks[task], f"{node.folder.name} tells another {task}"
            assert not (faults := node.faults()), f"{node.folder.name} logged {faults[:3]}"

    def logs(self) -> str:
        return "\n".join(node.log_tail() for node in self._cluster.nodes)

    async def _all_alive(self) -> None:
        """Wait until every node has a lease. One that was paused may not know yet that it was declared dead."""
        query = "SELECT count(DISTINCT name) FROM nodes WHERE alive AND until > clock_timestamp()"
        async with self._server.connection(self._database) as connection:
            while await connection.fetchval(query) < len(self._cluster.nodes):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.1)

    async def _kill(self, node: RelayProcess) -> None:
        """Kill a node; start it again before or after the others have taken its tasks over."""
        await node.kill()
        await asyncio.sleep(self._random.choice((0.0, 1.5)) * LEASE_S)
        await node.start(public=None)

    async def _pause(self, node: RelayProcess) -> None:
        """Pause a node beyond its lease, but not beyond the searches for the runs that it may still send."""
        node.signal(SIGSTOP)
        await asyncio.sleep(self._random.uniform(1.5, 2.0) * LEASE_S)
        node.signal(SIGCONT)

    async def _end_connections(self, _node: RelayProcess) -> None:
        """End some of the nodes' connections to PostgreSQL, several times."""
        for _ in range(5):
            await self._server.terminate_backends("application_name LIKE 'relay %' AND random() < 0.5")
            await asyncio.sleep(self._random.uniform(0, 0.5))


@asynccontextmanager
async def three_nodes(plan: Plan, folder: Path) -> AsyncIterator[Chaos]:
    """Start a cluster, whose logs are in the folder."""
    random = Random(f"{plan.seed}:cluster")
    port = free_port(Random())  # several runs with one seed may share a machine
    settings = {"PYTHONPATH": str(ROOT), "RELAY_TOKEN_SECRET": TOKEN_SECRET}
    if random.random() < 0.5:
        settings["RELAY_PUBLIC_URL"] = f"http://127.0.0.1:{port}"  # platforms send callbacks to any node
    async with postgres_server() as server, sandbox_of(plan) as sandbox:
        store = await server.create_database()
        async with (
            local_cluster(folder, sandbox, store, port=port, settings=settings, command=COMMAND) as cluster,
            session(cluster.balancer.url, force_close=True) as client,
        ):
            caller = Caller(client, plan.seed, come_back=frozenset({STORE_FAILED_STATUS}), patience_s=PATIENCE_S)
            yield Chaos(
                plan,
                sandbox,
                Cluster(plan, cluster, server, store.rpartition("/")[2]),
                caller,
                come_back_codes=COME_BACK_CODES | {STORE_FAILED_CODE},
                come_back_statuses=frozenset({STORE_FAILED_STATUS}),
                may_reset=True,
            )
