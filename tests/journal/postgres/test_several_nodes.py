"""Journals of several nodes in one database, and the viewers of their hubs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from relay.core.events import State
from relay.errors import Fenced
from relay.hub import channels
from relay.hub.cursor import Cursor
from relay.hub.hub import Hub
from relay.hub.topic import ALL
from relay.journal.entries import Appended
from relay.journal.postgres import beat
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.node import ThisNode
from relay.journal.postgres.notifier import Notifier
from tests.hub.fakes import Clock, FakeViewer, join, sweep, watch
from tests.journal.postgres.cluster import Connection
from tests.journal.postgres.records import create, event
from tests.postgres.server import postgres_server

pytestmark = pytest.mark.cluster

TERMINATE = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'relay listener'"


class Relay:
    """A journal, its hub, and what its listeners have received."""

    def __init__(self, dsn: str, name: str | None) -> None:
        self.journal = PostgresJournal(dsn, join=ThisNode, name=name, viewers=lambda: self.hub.viewers)
        self.hub = Hub(self.journal, Clock())
        self.seqs: list[int] = []
        self.resets = 0
        self._changed = asyncio.Event()
        self.journal.listen(self._hear, reset=self._reset)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the journal has told something that fulfills a condition."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def reloaded(self) -> None:
        """Wait until the hub has read all states again and has sent them."""
        assert self.hub._tasks._reloading is not None
        await self.hub._tasks._reloading
        sweep(self.hub)

    def _hear(self, commit: Sequence[Appended]) -> None:
        self.seqs += [entry.seq for appended in commit for entry in appended.entries]
        self._changed.set()

    def _reset(self) -> None:
        self.resets += 1
        self._changed.set()


@asynccontextmanager
async def relay(dsn: str, name: str | None = None) -> AsyncIterator[Relay]:
    """Run a relay without its tasks during the block."""
    one = Relay(dsn, name)
    await one.journal.open(lock=True)
    try:
        yield one
    finally:
        one.hub.close()
        await one.journal.close()


@pytest.fixture
async def two(database: str) -> AsyncIterator[tuple[Relay, Relay]]:
    """Return two relays with one database."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(relay(database)), await stack.enter_async_context(relay(database))


async def test_viewers_on_every_node_see_the_same_log(two: tuple[Relay, Relay]) -> None:
    """One that moves to another node resumes there with its cursor."""
    one, other = two
    await create(one.journal, "t")
    viewers = [await join(each.hub, task="t") for each in two]
    await one.journal.append([event("t", 2), event("t", 3)])
    await other.until(lambda: other.seqs == [1, 2, 3])
    known = viewers[1].state()
    await one.journal.append([event("t", 4)])
    await other.until(lambda: other.seqs == [1, 2, 3, 4])
    moved = await join(other.hub, Cursor(epoch=one.journal.epoch, seq=3), task="t")

    assert viewers[0].state() == viewers[1].state() == await one.journal.snapshot("t")
    assert moved.types == ["resumed", "output"]
    assert moved.state(known) == viewers[0].state()


async def test_boards_on_every_node_forget_a_deleted_task(two: tuple[Relay, Relay]) -> None:
    """Whichever node has deleted it."""
    one, other = two
    await create(one.journal, "t")
    viewers = [await watch(each.hub, ALL) for each in two]
    await one.journal.append([event("t", 2, State.SUCCEEDED)])
    await other.until(lambda: other.seqs == [1, 2])
    told = asyncio.Event()
    one.journal.listen(lambda _: None, deleted=lambda _: told.set())
    assert await other.journal.deletions.delete(["t"], at=time.time(), upstream=False) == ("t",)
    await told.wait()

    assert [viewer.types[-1] for viewer in viewers] == ["deleted", "deleted"]
    assert await one.journal.snapshot("t") is None


@pytest.mark.usefixtures("no_beats")
async def test_a_task_that_is_taken_over_goes_on_after_its_former_events(
    two: tuple[Relay, Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the new owner has not heard of them yet."""
    monkeypatch.setattr(Notifier, "committed", lambda *_: None)
    one, other = two
    await create(one.journal, "t")
    await one.journal.append([event("t", 2), event("t", 3)])
    await one.journal.release()
    assert await other.journal.take_over(["wiro"], limit=10) == ("t",)
    await other.journal.append([event("t", 4)])

    assert other.seqs == [1, 2, 3, 4]
    with pytest.raises(Fenced):
        await one.journal.append([event("t", 4)])


@pytest.mark.usefixtures("fast_beats")
async def test_tasks_of_a_node_that_closes_are_taken_over_at_once(database: str) -> None:
    """It wakes the others. Its lease need not run out."""
    async with relay(database) as other:
        async with relay(database) as one:
            await create(one.journal, "t")
        await other.journal.work()

        assert await other.journal.take_over(["wiro"], limit=10) == ("t",)


@pytest.mark.usefixtures("no_beats")
async def test_the_last_commits_of_a_node_that_closes_are_heard_at_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may close before it has told of them."""
    monkeypatch.setattr(Notifier, "committed", lambda *_: None)
    async with relay(database) as other:
        async with relay(database) as one:
            await create(one.journal, "t")
        await other.until(lambda: other.seqs == [1])


@pytest.mark.usefixtures("fast_beats")
async def test_after_a_failover_viewers_are_sent_one_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node finds the new primary and registers there; a synchronous standby has lost nothing."""
    monkeypatch.setattr(beat, "full_jitter", lambda _failures: 0.01)
    monkeypatch.setattr(channels, "full_jitter", lambda _failures: 0.01)
    async with postgres_server() as primary:
        dsn = await primary.create_database()
        standby = await primary.standby()
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        async with relay(dsn.replace(f"127.0.0.1:{primary.port}", hosts)) as one:
            await create(one.journal, "t")
            former, epoch = one.journal.node, one.journal.epoch
            viewer = await join(one.hub, task="t")
            await primary.kill()
            await standby.promote()
            await one.until(lambda: one.resets >= 1)
            await one.reloaded()
            taken = await one.journal.take_over(["wiro"], limit=10)
            await one.journal.append([event("t", 2)])

            assert taken == ("t",)
            assert one.journal.node != former
            assert one.journal.epoch != epoch
            assert viewer.types == ["snapshot", "snapshot", "output"]
            assert cursor_of(viewer) == f"{one.journal.epoch}:2"


@pytest.mark.usefixtures("fast_beats")
async def test_a_dead_node_hears_what_its_successors_write(two: tuple[Relay, Relay], connection: Connection) -> None:
    """Its viewers, who have missed nothing, are sent only the events of the new owner, each once."""
    one, other = two
    await create(one.journal, "t")
    await one.journal.append([event("t", 2)])
    viewer = await join(one.hub, task="t")
    former = one.journal.node
    await connection.execute("UPDATE nodes SET alive = false WHERE id = $1", int(former))
    assert await other.journal.take_over(["wiro"], limit=10) == ("t",)
    with pytest.raises(Fenced):
        await one.journal.append([event("t", 3)])
    await one.until(lambda: one.resets >= 1)
    await one.reloaded()
    await other.journal.append([event("t", 3)])
    await one.until(lambda: one.seqs[-1] == 3)

    assert one.journal.node != former
    assert one.seqs == [1, 2, 3]
    assert viewer.types == ["snapshot", "output"]
    assert viewer.state() == await other.journal.snapshot("t")


@pytest.mark.usefixtures("fast_beats")
async def test_a_new_epoch_leads_to_one_snapshot_for_each_viewer(
    two: tuple[Relay, Relay], connection: Connection
) -> None:
    """Cursors of the old one are not resumed from, and those of the new one hold on both nodes."""
    one, other = two
    await create(one.journal, "t")
    await other.until(lambda: other.seqs == [1])
    epoch = one.journal.epoch
    viewers = [await join(each.hub, task="t") for each in two]
    await connection.execute("DELETE FROM meta WHERE name LIKE 'epoch:%'")
    await connection.fetch(TERMINATE)
    for each in two:
        await each.until(lambda each=each: each.resets >= 1)  # type: ignore[misc]
        await each.reloaded()
    stale = await join(one.hub, Cursor(epoch=epoch, seq=1), task="t")

    assert one.journal.epoch == other.journal.epoch != epoch
    assert (one.resets, other.resets) == (1, 1)
    assert [viewer.types for viewer in viewers] == [["snapshot", "snapshot"]] * 2
    assert stale.types == ["snapshot"]
    assert all(cursor_of(viewer) == f"{one.journal.epoch}:1" for viewer in (*viewers, stale))


async def test_nodes_are_listed_with_their_tasks_and_viewers(database: str, fast_beats: None) -> None:
    """For `relay nodes`."""
    async with relay(database, "a") as one, relay(database, "b") as other:
        await create(one.journal, "t")
        await join(other.hub, task="t")
        await other.journal.work()
        while (nodes := {node.name: node for node in await one.journal.nodes()})["b"].viewers == 0:
            await other.journal.work()

    assert [(nodes[name].tasks, nodes[name].viewers, nodes[name].alive) for name in "ab"] == [
        (1, 0, True),
        (0, 1, True),
    ]


def cursor_of(viewer: FakeViewer) -> str:
    """Return the last cursor that a viewer was sent."""
    return bytes(viewer.transport.written).rpartition(b"id: ")[2].partition(b"\n")[0].decode()


@pytest.mark.usefixtures("fast_beats")
@pytest.mark.parametrize("broken", ["relay listener", "relay writer"])
async def test_all_connections_move_to_the_new_primary(broken: str) -> None:
    """Even if the former one still answers, and whichever connection notices the failover."""
    async with postgres_server() as primary:
        name = (await primary.create_database()).rpartition("/")[2]
        standby = await primary.standby(synchronous=False)
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        async with relay(f"postgresql://relay@{hosts}/{name}") as one:
            await create(one.journal, "t")
            epoch = one.journal.epoch
            async with primary.connection() as connection, standby.connection(name) as replica:
                written = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
                replayed = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"
                while not await replica.fetchval(replayed, written):  # noqa: ASYNC110 -- no event for it
                    await asyncio.sleep(0.01)
                await standby.promote()
                await one.journal.append([event("t", 2)])  # to the former primary
                await connection.fetch(TERMINATE.replace("relay listener", broken))
            if broken == "relay writer":
                with pytest.raises(Fenced):
                    await one.journal.append([event("t", 3)])
            await one.until(lambda: one.resets >= 1)

            assert one.journal.epoch != epoch
            appended = False
            while not appended:  # it may register once more, after a late answer of the former primary
                await one.journal.take_over(["wiro"], limit=10)
                with suppress(Fenced):
                    await one.journal.append([event("t", 2)])
                    appended = True
            assert one.seqs == [1, 2, 2]
            assert [entry.seq for entry in (await one.journal.read("t", after=0, limit=9)).entries] == [1, 2]
