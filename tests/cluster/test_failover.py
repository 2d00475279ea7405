"""The PostgreSQL server is lost, and a standby is promoted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from relay.app import Running
from relay.core.codec import decode_snapshot
from relay.core.events import State
from relay.journal.entries import Appended
from relay.sandbox import Sandbox
from tests.chaos.caller import Caller
from tests.chaos.judge import check_runs, check_view
from tests.chaos.relay_process import KEY
from tests.chaos.viewers import TaskLink, View, Viewer
from tests.cluster.client import BODY, POLL_S, client, ended, start
from tests.cluster.conftest import StartNodes
from tests.postgres.server import PostgresServer, postgres_server

LIMIT_S = 240
TASKS = 5
"""How many run when the server is lost; as many are being started."""


@dataclass(slots=True, kw_only=True, repr=False)
class EpochView(View):
    """What a viewer has received in this epoch."""

    epochs: list[tuple[str, int]] = field(default_factory=list)
    """Former epochs, and where the viewer was at the end of each."""
    former_events: dict[int, bytes] = field(default_factory=dict)

    def _replace_state(self, raw: bytes) -> None:
        state = decode_snapshot(raw)
        if self.state is not None and self.state.epoch != state.epoch:
            self.epochs.append((self.state.epoch, self.state.seq))
            self.state = None
            self.snapshots.clear()
            self.former_events |= self.events
            self.events.clear()
        View._replace_state(self, raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A server and its standby, and the address of a database on both."""

    primary: PostgresServer
    standby: PostgresServer
    dsn: str

    async def pause(self) -> None:
        """Let the standby replay nothing from now on. It still receives everything."""
        async with self.standby.connection() as connection:
            await connection.execute("SELECT pg_wal_replay_pause()")
            while await connection.fetchval("SELECT pg_get_wal_replay_pause_state()") != "paused":  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def lag(self) -> None:
        """Let the standby have everything up to now, and receive nothing from now on."""
        async with self.primary.connection() as connection:
            now = await connection.fetchval("SELECT pg_current_wal_lsn()")
        async with self.standby.connection() as connection:
            while not await connection.fetchval("SELECT pg_last_wal_replay_lsn() >= $1", now):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await connection.execute("SELECT pg_reload_conf()")
            while await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def fail_over(self) -> None:
        """Lose the server and promote the standby."""
        await self.primary.kill()
        await self.standby.promote()


@asynccontextmanager
async def pair(*, synchronous: bool) -> AsyncIterator[Pair]:
    """Run a server and its standby during the block."""
    async with postgres_server() as primary:
        database = await primary.create_database()
        standby = await primary.standby(synchronous=synchronous)
        dsn = database.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
        yield Pair(primary=primary, standby=standby, dsn=dsn)


@pytest.mark.cluster
@pytest.mark.usefixtures("short_times")
async def test_a_synchronous_standby_has_everything(start_nodes: StartNodes, sandbox: Sandbox) -> None:
    """No event that a node has published is lost, no run is sent twice, and each viewer is sent one snapshot."""
    async with (
        asyncio.timeout(LIMIT_S),
        pair(synchronous=True) as servers,
        start_nodes(servers.dsn, count=2) as nodes,
        client(nodes[0].url) as one,
        client(nodes[1].url) as other,
        asyncio.TaskGroup() as group,
    ):
        published = [record(node) for node in nodes]
        epoch = nodes[0].journal.epoch
        running = [await start_held(one, sandbox, number) for number in range(TASKS)]
        views = [view_of(task) for _ in nodes for task in running]
        for node, watched in zip(nodes, (views[:TASKS], views[TASKS:]), strict=True):
            group.create_task(Viewer(node.url, Random(1), cut_share=0.0).over_many([*watched], KEY))
        await until(lambda: all(view.answered for view in views))
        starting = [
            group.create_task(start(caller, str(number), body_of(number)))
            for number, caller in enumerate([one, other] * TASKS, TASKS)
        ]
        await sandbox.received(TASKS + 2)
        await servers.fail_over()
        tasks = [*running, *[await each for each in starting]]
        await new_epoch(nodes, epoch)
        await until(lambda: all(view.epochs for view in views))
        for upstream in sandbox.tasks:
            sandbox.release(upstream)
        logs = {task: await ended(one, task) for task in tasks}
        again = {task: await ended(other, task) for task in tasks}

    assert len(logs) == len(tasks)
    for task, seq, body in {entry for heard in published for entry in heard}:
        assert logs[task].entries[seq - 1] == body
    runs = check_runs(sandbox)
    for number, task in enumerate(tasks):
        assert logs[task].entries == again[task].entries
        assert logs[task].snapshot.state == ("succeeded" if number in runs else "lost")
    for view in views:
        log = logs[view.link.task]
        check_view(view, log)
        assert all(frame == log.entries[seq - 1] for seq, frame in view.former_events.items())
        assert [before for before, _ in view.epochs] == [epoch]
        assert len(view.snapshots) == 1


@pytest.mark.cluster
@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize("lost", [True, False], ids=["not received", "not replayed"])
async def test_a_viewer_never_resumes_from_events_that_a_standby_has_lost(
    start_nodes: StartNodes, sandbox: Sandbox, lost: bool
) -> None:
    """
    It is sent the state before them, which the platform's record then completes.

    What a standby has received is not lost: the promotion replays it first, even if the replay was paused.
    """
    async with (
        asyncio.timeout(LIMIT_S),
        pair(synchronous=False) as servers,
        start_nodes(servers.dsn, count=2) as nodes,
        client(nodes[0].url) as one,
        client(nodes[1].url) as other,
        asyncio.TaskGroup() as group,
    ):
        epoch = nodes[0].journal.epoch
        task = await start_held(one, sandbox, 0, at="task_start|task_end")
        (upstream,) = sandbox.tasks
        staying = [view_of(task) for _ in nodes]
        for node, view in zip(nodes, staying, strict=True):
            group.create_task(Viewer(node.url, Random(1), cut_share=0.0).over_socket(view))
        await until(lambda: all(view.state and view.state.state is State.RUNNING for view in staying))
        await (servers.lag() if lost else servers.pause())
        sandbox.release(upstream)
        await until(lambda: all(view.state and view.state.state is State.FINISHING for view in staying))
        (known,) = {view.state for view in staying}
        assert known
        coming = [EpochView(link=view.link, state=known) for view in staying]
        await servers.fail_over()
        await new_epoch(nodes, epoch)
        for node, view in zip(nodes, coming, strict=True):
            group.create_task(Viewer(node.url, Random(1), cut_share=0.0).over_socket(view))
        await until(lambda: all(view.epochs for view in (*staying, *coming)))
        sandbox.release(upstream)
        log = await ended(one, task)
        assert (await ended(other, task)).entries == log.entries

    assert log.snapshot.state == "succeeded"
    assert len(sandbox.runs) == 1
    for view in (*staying, *coming):
        check_view(view, log)
        assert view.epochs == [(epoch, known.seq)]


class TestQueuedTask:
    """A platform that runs one task at a time."""

    @pytest.fixture
    async def sandbox(self) -> AsyncIterator[Sandbox]:
        async with Sandbox(speed=50, concurrency=1) as box:
            yield box

    @pytest.mark.cluster
    @pytest.mark.usefixtures("short_times")
    async def test_a_run_whose_intent_a_standby_has_lost_is_found(
        self, start_nodes: StartNodes, sandbox: Sandbox
    ) -> None:
        """The task is queued in what the standby has, although its run was sent."""
        async with (
            asyncio.timeout(LIMIT_S),
            pair(synchronous=False) as servers,
            start_nodes(servers.dsn, count=2) as nodes,
            client(nodes[0].url) as one,
        ):
            epoch = nodes[0].journal.epoch
            first = await start_held(one, sandbox, 0)
            (upstream,) = sandbox.tasks
            second = await start(one, "1", body_of(1))
            assert decode_snapshot(await one.get(f"/v1/tasks/{second}")).state is State.HELD
            await servers.lag()
            sandbox.release(upstream)
            await ended(one, second)
            await servers.fail_over()
            await new_epoch(nodes, epoch)
            logs = [await ended(one, task) for task in (first, second)]

        assert [log.snapshot.state for log in logs] == ["succeeded", "succeeded"]
        assert "held" in [fold.state for fold in logs[1].folds]
        assert sum(run.task_id is not None for run in sandbox.runs) == 2


def view_of(task: str) -> EpochView:
    """Return the view of a viewer that has received nothing."""
    return EpochView(link=TaskLink(task=task, credential=KEY))


def body_of(number: int) -> object:
    """Return a request whose run is told from others."""
    return BODY | {"input": {"prompt": f"Task {number} of many"}}


async def start_held(caller: Caller, sandbox: Sandbox, number: int, at: str = "task_start") -> str:
    """Start a task whose run pauses at stages; return its id."""
    sandbox.next_run(hold_at=at)
    return await start(caller, str(number), body_of(number))


def record(node: Running) -> list[tuple[str, int, bytes]]:
    """Return a list that everything that a node publishes is added to."""
    heard: list[tuple[str, int, bytes]] = []

    def hear(commit: Sequence[Appended]) -> None:
        heard.extend((entry.task, entry.seq, entry.body) for appended in commit for entry in appended.entries)

    node.journal.listen(hear)
    return heard


async def new_epoch(nodes: Sequence[Running], former: str) -> None:
    """Wait until all nodes are in the same new epoch."""
    await until(lambda: all(node.journal.epoch != former for node in nodes))
    assert nodes[0].journal.epoch == nodes[1].journal.epoch


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that has no event."""
    while not condition():  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(POLL_S)
