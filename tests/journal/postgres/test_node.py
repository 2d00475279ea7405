"""The identity of a node: when it is another one, and when others are declared dead."""

import asyncio
import math

import pytest
from structlog.testing import capture_logs

from relay.errors import StoreError
from relay.journal.postgres import beat
from relay.journal.postgres import node as node_module
from relay.journal.postgres.beat import Report
from relay.journal.postgres.connection import connect
from relay.journal.postgres.lease import LEASE_S
from tests.journal.postgres.cluster import Connection, Member, Peer, connected, member
from tests.postgres.server import PostgresServer

pytestmark = pytest.mark.cluster

LATE = "until = clock_timestamp() - interval '1 hour'"


async def alive(connection: Connection, id_: int | str) -> bool:
    return bool(await connection.fetchval("SELECT alive FROM nodes WHERE id = $1", int(id_)))


@pytest.mark.usefixtures("fast_beats")
async def test_a_node_that_was_declared_dead_becomes_another_one(database: str, connection: Connection) -> None:
    """Its listeners are reset, its supervisor is woken, and it hears of later commits."""
    async with member(database) as node:
        first = node.id
        await connection.execute("UPDATE nodes SET alive = false WHERE id = $1", int(first))
        await node.until(lambda: node.resets >= 1)
        assert node.id != first
        assert await alive(connection, node.id)
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.until(lambda: bool(node.log))


@pytest.mark.usefixtures("no_beats")
async def test_a_node_whose_commit_was_refused_registers_at_once(database: str, connection: Connection) -> None:
    """Until then it sends no run."""
    async with member(database) as node:
        first, epoch = node.id, node.epoch
        node.fenced()
        assert node.send_until_s == -math.inf
        await node.until(lambda: node.resets >= 1)

        assert node.id != first
        assert node.epoch == epoch
        assert node.send_until_s > 0


@pytest.mark.usefixtures("fast_beats")
async def test_a_new_epoch_makes_a_new_node(database: str, connection: Connection) -> None:
    """As after a failover: the former node is dead, listeners are reset, and other nodes are read from then on."""
    async with member(database) as node:
        first, epoch = node.id, node.epoch
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.until(lambda: bool(node.log))
        await connection.execute("DELETE FROM meta WHERE name LIKE 'epoch:%'")
        await peer.update("batch = 0")
        await connection.execute("DELETE FROM events")
        peer.batch = 0
        with capture_logs() as lines:
            await connection.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay listener'"
            )
            await node.until(lambda: node.resets >= 1)
        await peer.commit("t", 1)
        await node.until(lambda: len(node.log) == 2)

        assert node.epoch != epoch
        assert [line["former"] for line in lines if line["event"] == "journal.epoch_changed"] == [epoch]
        assert node.id != first
        assert not await alive(connection, first)
        assert node.log == [("t", 1), ("t", 1)]


@pytest.mark.usefixtures("fast_beats")
async def test_the_late_beat_of_a_former_node_does_not_replace_its_successor(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection may end just before a beat, which then finds the former node dead on the next one."""
    async with member(database) as node:
        first = node.id
        report = node.report

        def report_and_lose_the_connection() -> Report:
            monkeypatch.setattr(node, "report", report)
            reported = report()
            node._beat._session.drop()
            return reported

        await connection.execute("DELETE FROM meta WHERE name LIKE 'epoch:%'")
        monkeypatch.setattr(node, "report", report_and_lose_the_connection)
        await node.until(lambda: node.resets >= 1)
        second = node.id
        await node.beats(3)

        assert first != second == node.id
        assert node.resets == 1


async def test_a_node_replaces_earlier_ones_of_its_name(database: str, connection: Connection) -> None:
    """A process that restarts with a configured name need not wait until the lease of the former one has run out."""
    async with member(database, "a") as former, member(database, "b") as other, member(database, "a"):
        assert not await alive(connection, former._id)
        assert await alive(connection, other.id)


@pytest.mark.usefixtures("fast_beats")
async def test_two_processes_with_one_name_do_not_alternate(database: str, connection: Connection) -> None:
    """The first one becomes a new node, beside the second."""
    async with member(database, "a") as first, member(database, "a") as second:
        await first.until(lambda: first.resets >= 1)
        await second.beats(2)

        assert second.resets == 0
        assert await alive(connection, first.id)
        assert await alive(connection, second.id)


async def test_names_that_are_not_configured_replace_nothing(database: str, connection: Connection) -> None:
    """Two machines may have the same host name."""
    async with member(database) as first, member(database) as second:
        assert first.id != second.id
        assert await alive(connection, first.id)
        assert len(set(await connection.fetch("SELECT name FROM nodes"))) == 1


async def test_nodes_of_two_histories_have_different_ids(postgres: PostgresServer) -> None:
    """A failover that loses a registration would let two processes be one node if the database made the ids."""
    async with postgres.database() as one, postgres.database() as other:
        ids = set[str]()
        for dsn in (one, other):
            async with connected(dsn), member(dsn) as node:
                ids.add(node.id)
        assert len(ids) == 2


@pytest.mark.usefixtures("fast_beats")
async def test_others_are_declared_dead_only_after_a_lease_of_own_beats(database: str, connection: Connection) -> None:
    """After an outage of the database, every lease has run out: all nodes would take over all tasks."""
    async with member(database) as node:
        peer, living = await Peer.start(connection), await Peer.start(connection)
        await peer.update(LATE)
        await node.beats(3)
        assert node.pulses[-1].late
        assert await alive(connection, peer.id)
        node._steady_since_s -= LEASE_S
        await died(connection, peer)
        assert await alive(connection, living.id)


@pytest.mark.usefixtures("no_beats")
async def test_the_nodes_that_were_declared_dead_are_logged(database: str, connection: Connection) -> None:
    """By the node that has declared them dead, which then looks for their tasks."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.update(LATE)
        await node.work()
        with capture_logs() as logs:
            await node._declare_dead()
        assert logs == [{"event": "node.declared_dead", "log_level": "warning", "nodes": [peer.id]}]
        await node.work()
        assert not await alive(connection, peer.id)


@pytest.mark.usefixtures("no_beats")
async def test_a_node_that_finds_no_dead_ones_logs_nothing(database: str, connection: Connection) -> None:
    """Another node may have declared them dead, or they have beaten meanwhile."""
    async with member(database) as node:
        living = await Peer.start(connection)
        with capture_logs() as logs:
            await node._declare_dead()
        assert logs == []
        assert await alive(connection, living.id)


@pytest.mark.usefixtures("fast_beats")
async def test_a_beat_that_fails_starts_the_wait_again(database: str, connection: Connection) -> None:
    """Even if the outage is short."""
    async with member(database) as node:
        node._steady_since_s -= LEASE_S
        await connection.fetch(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'relay listener'"
        )
        node.missed()
        peer = await Peer.start(connection)
        await node.beats(1)
        await peer.update(LATE)
        await node.beats(3)

        assert await alive(connection, peer.id)


@pytest.mark.usefixtures("fast_beats")
async def test_a_pause_of_the_process_starts_the_wait_again(database: str, connection: Connection) -> None:
    """A laptop that was suspended: the leases of all nodes have run out."""
    async with member(database) as node:
        await node.beats(1)
        node._steady_since_s -= LEASE_S
        node._beaten_s -= 2 * LEASE_S
        peer = await Peer.start(connection)
        await peer.update(LATE)
        await node.beats(3)

        assert await alive(connection, peer.id)


async def died(connection: Connection, peer: Peer) -> None:
    """Wait until a node has been declared dead."""
    while await alive(connection, peer.id):  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("fast_beats")
async def test_an_outage_of_the_database_kills_no_node(
    database: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leases of all have run out when it is back, and all of them go on as the same nodes."""
    monkeypatch.setattr(beat, "full_jitter", lambda _failures: 0.01)
    async with connected(database):
        pass
    async with member(database) as one, member(database) as other:
        for node in (one, other):
            node._steady_since_s -= LEASE_S
        ids = one.id, other.id
        name = database.rpartition("/")[2]
        await postgres.stop()
        await one.until(lambda: one.misses >= 3)
        await other.until(lambda: other.misses >= 3)
        await postgres.start()
        async with postgres.connection(name) as connection:
            await connection.execute(f"UPDATE nodes SET {LATE}")
        await one.beats(3)
        await other.beats(3)
        async with postgres.connection(name) as connection:
            assert await connection.fetchval("SELECT bool_and(alive) FROM nodes")

        assert (one.id, other.id) == ids
        assert (one.resets, other.resets) == (0, 0)


@pytest.mark.usefixtures("no_beats")
async def test_work_is_announced_by_notifications(database: str, connection: Connection) -> None:
    """Commands for this node, and tasks that another one has given up."""
    async with member(database) as node:
        await node.work()
        for payload in (f"command:{node.id}", "released:7"):
            working = asyncio.create_task(node.work())
            await asyncio.sleep(0)
            node.heard("command:7")
            await asyncio.sleep(0)
            assert not working.done()
            await connection.execute("SELECT pg_notify('relay', $1)", payload)
            await working


@pytest.mark.usefixtures("fast_beats")
async def test_work_returns_from_time_to_time(database: str, connection: Connection) -> None:
    """A notification may be lost."""
    async with member(database) as node:
        await node.work()
        await node.work()


async def test_a_node_that_stops_is_dead_at_once(database: str, connection: Connection) -> None:
    """Its tasks can be taken over without waiting for the end of its lease. To stop again does nothing."""
    heard: list[object] = []
    await connection.add_listener("relay", lambda *arguments: heard.append(arguments[-1]))
    async with member(database) as node:
        assert await alive(connection, node.id)
    await connection.fetchval("SELECT 1")
    assert f"released:{node.id}" in heard
    assert not await alive(connection, node.id)
    await node.stop()


@pytest.mark.usefixtures("fast_beats")
async def test_a_beat_reports_viewers_and_lag(database: str, connection: Connection) -> None:
    """For `relay nodes`."""
    async with member(database, "a") as node:
        await node.beats(1)
        row = await connection.fetchrow("SELECT name, viewers, lag_s FROM nodes WHERE id = $1", int(node.id))

    assert row is not None
    assert (row["name"], row["viewers"]) == ("a", 7)
    assert row["lag_s"] >= 0


@pytest.mark.usefixtures("fast_beats")
async def test_a_declaration_that_fails_is_repeated_with_the_next_beat(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement may have waited too long for this node's writer."""
    failed = asyncio.Event()

    async def fail_once(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(node_module, "connect", connect)
        failed.set()
        raise StoreError("the server is down")

    async with member(database) as node:
        await node.beats(1)
        monkeypatch.setattr(node_module, "connect", fail_once)
        peer = await Peer.start(connection)
        await peer.update(LATE)
        node._steady_since_s -= LEASE_S
        await failed.wait()
        await died(connection, peer)


@pytest.mark.usefixtures("no_beats")
async def test_nodes_tell_each_other_of_commits(database: str, connection: Connection) -> None:
    """Without waiting for a beat."""
    async with member(database) as one, member(database) as other:
        await other.caught_up()
        as_one = Peer(connection)
        as_one.id = int(one.id)
        await as_one.commit("t", 1)
        one.batch_committed(1)
        await other.until(lambda: bool(other.log))

    assert other.log == [("t", 1)]
    assert one.log == []


def test_a_member_is_a_membership() -> None:
    """A node can be given to the journal."""
    assert Member("postgresql://localhost/relay").id == "0"
