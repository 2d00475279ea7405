"""The connection on which a node beats and listens, and how it is replaced."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.clock import uptime_s
from relay.errors import StoreError
from relay.journal.postgres import beat, tail
from relay.journal.postgres.connection import connect
from tests.journal.postgres.cluster import Connection, Member, Peer, connected, member
from tests.postgres.server import PostgresServer
from tests.proxy import Proxy

pytestmark = pytest.mark.cluster

LISTENERS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'relay listener' AND datname = current_database()"
)
TERMINATE = LISTENERS.replace("SELECT pid", "SELECT pg_terminate_backend(pid, 60000)")


async def another_listener(connection: Connection, node: Member, former: int) -> None:
    """Wait until a node listens on another connection."""
    while (pid := await connection.fetchval(LISTENERS)) is None or pid == former:  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    await node.until(lambda: node._beat._session._connection is not None)


@pytest.mark.usefixtures("no_beats")
async def test_a_connection_that_the_server_ends_is_replaced_at_once(database: str, connection: Connection) -> None:
    """The node listens again, and is still the same one."""
    async with member(database) as node:
        id_, former = node.id, await connection.fetchval(LISTENERS)
        await connection.fetch(TERMINATE)
        await node.until(lambda: len(node.pulses) == 2)
        assert await connection.fetchval(LISTENERS) != former
        await node.caught_up()
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await peer.notify()
        await node.until(lambda: bool(node.log))

        assert (node.id, node.resets) == (id_, 0)


@pytest.mark.usefixtures("no_beats")
async def test_what_was_committed_while_a_node_did_not_listen_is_read(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens first and reads then."""
    connecting, go_on = asyncio.Event(), asyncio.Event()

    async def connect_slowly(*arguments: Any, **options: Any) -> Connection:
        connecting.set()
        await go_on.wait()
        return await connect(*arguments, **options)

    async with member(database) as node:
        await node.caught_up()
        monkeypatch.setattr(beat, "connect", connect_slowly)
        peer = await Peer.start(connection)
        await connection.fetch(TERMINATE)
        await connecting.wait()
        await peer.commit("t", 1)
        await peer.notify()
        go_on.set()
        await node.until(lambda: bool(node.log))

        assert node.log == [("t", 1)]


@pytest.mark.usefixtures("fast_beats")
async def test_a_connection_on_which_no_notification_arrives_is_replaced(database: str, connection: Connection) -> None:
    """As behind a pooler, or after the server has dropped the registration: statements still succeed."""
    async with member(database) as node:
        former = await connection.fetchval(LISTENERS)
        await node._beat._session.run("UNLISTEN *")
        await another_listener(connection, node, former)


async def test_a_connection_that_hangs_is_replaced(
    database: str, postgres: PostgresServer, connection: Connection, fast_beats: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an answer nor an end arrives on it. The tail does the same, and nothing is lost."""
    monkeypatch.setattr(beat, "LIMIT_S", 0.2)
    monkeypatch.setattr(tail, "READ_S", 0.2)
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(Proxy(0, postgres.port))
        node = await stack.enter_async_context(member(database.replace(f":{postgres.port}/", f":{link.port}/")))
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.until(lambda: bool(node.log))
        id_, former = node.id, await connection.fetchval(LISTENERS)
        with link.hanging():
            node._tail.wake()
            await node.until(lambda: node.misses > 0)
            await peer.commit("t", 2)
            while node._tail._session._connection is not None:  # noqa: ASYNC110 -- no event for it
                await asyncio.sleep(0.01)
        await another_listener(connection, node, former)
        await node.until(lambda: len(node.log) == 2)

        assert (node.id, node.resets) == (id_, 0)


@pytest.mark.usefixtures("fast_beats")
async def test_an_outage_is_logged_once(
    database: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node keeps trying, and is the same one afterwards."""
    monkeypatch.setattr(beat, "full_jitter", lambda _failures: 0.01)
    async with connected(database):
        pass
    async with member(database) as node:
        id_ = node.id
        with capture_logs() as lines:
            await postgres.stop()
            await node.until(lambda: node.misses >= 5)
            await postgres.start()
            await node.beats(2)

        assert [line["event"] for line in lines if line["event"].startswith("node.beat_")] == [
            "node.beat_failed",
            "node.beat_recovered",
        ]
        assert (node.id, node.resets) == (id_, 0)


@pytest.mark.usefixtures("fast_beats")
async def test_a_beat_does_not_wait_for_the_writer(database: str, connection: Connection) -> None:
    """Its commit may wait for a standby. It renews the lease if it succeeds, so the beat does not count as renewal."""
    async with member(database) as node:
        await node.beats(1)
        async with connection.transaction():
            await connection.execute("SELECT FROM nodes WHERE id = $1 FOR UPDATE", int(node.id))
            await node.beats(1)
            until_s = node.send_until_s
            await node.beats(2)
            assert node.send_until_s == until_s
            assert node.pulses[-1].alive
            assert not node.pulses[-1].renewed
        await node.beats(1)

        assert node.send_until_s > until_s
        assert node.misses == 0


async def test_a_node_that_cannot_connect_does_not_start() -> None:
    """The error names the host."""
    node = Member("postgresql://relay@127.0.0.1:1/none")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/none"):
        await node.start()
    await node.stop()


async def test_a_database_without_tables_is_an_error(database: str) -> None:
    """It says what is missing."""
    node = Member(database)
    with pytest.raises(StoreError, match="meta"):
        await node.start()


@pytest.mark.usefixtures("no_beats")
async def test_the_lease_counts_from_before_the_statement(database: str, connection: Connection) -> None:
    """The time that an answer takes does not prolong it."""
    before_s = uptime_s()
    async with member(database) as node:
        assert before_s + 7 <= node.send_until_s <= uptime_s() + 7
        assert node.send_until_s == node.pulses[0].sent_s + 7
