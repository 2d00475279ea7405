"""What a node reads of other nodes' commits, and when it skips some."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from relay.journal.postgres import tail
from relay.journal.postgres.tail import Tail
from tests.journal.postgres.cluster import Connection, Member, Peer, body, member

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("no_beats")]


async def test_a_commit_is_published_when_it_is_notified(database: str, connection: Connection) -> None:
    """What was committed before the start is not: listeners read states first."""
    peer = await Peer.start(connection)
    await peer.commit("t", 1, 2)
    async with member(database) as node:
        await peer.commit("t", 3)
        await peer.notify()
        await node.until(lambda: bool(node.log))

    assert node.log == [("t", 3)]
    assert node.heard_entries[0].body == body("t", 3)


async def test_a_commit_during_a_read_is_published_without_a_notification(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that has just read something reads again soon."""
    peer = await Peer.start(connection)
    has_hole = Tail._has_hole

    async def commit_once(self: Tail, events: Sequence[asyncpg.Record]) -> bool:
        monkeypatch.setattr(Tail, "_has_hole", has_hole)
        await peer.commit("t", 2)
        return await has_hole(self, events)

    async with member(database) as node:
        await peer.commit("t", 1)
        monkeypatch.setattr(Tail, "_has_hole", commit_once)
        await peer.notify()
        await node.until(lambda: len(node.log) == 2)

    assert node.log == [("t", 1), ("t", 2)]


async def test_a_commit_whose_notification_is_lost_is_published_after_the_next_beat(
    database: str, connection: Connection, fast_beats: None
) -> None:
    """A lost notification costs time only."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.until(lambda: bool(node.log))

    assert node.log == [("t", 1)]


async def test_a_node_that_appears_later_is_read_from_its_first_commit(database: str, connection: Connection) -> None:
    """Its commits before the first read are new, too, and so are the last ones of a node that has died."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await peer.commit("t", 2)
        await peer.update("alive = false")
        await node.caught_up()

    assert node.log == [("t", 1), ("t", 2)]


async def test_a_log_that_several_nodes_wrote_is_published_in_order(database: str, connection: Connection) -> None:
    """The new owner's commit is notified before those of the former one are read."""
    async with member(database) as node:
        peers = sorted([await Peer.start(connection) for _ in range(3)], key=lambda each: each.id, reverse=True)
        await peers[0].commit("t", 1, 2)
        await peers[1].commit("t", 3)
        await peers[2].commit("t", 4)
        await peers[0].commit("t", 5)
        await peers[2].notify()
        await node.until(lambda: len(node.log) == 5)

    assert node.log == [("t", seq) for seq in range(1, 6)]
    assert node.resets == 0


async def test_a_read_that_is_published_in_slices_is_complete(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice may end in the middle of a batch, and the limit itself is not too much."""
    monkeypatch.setattr(tail, "SLICE_ROWS", 2)
    monkeypatch.setattr(tail, "MOST_ROWS", 7)
    async with member(database) as node:
        peer, other = await Peer.start(connection), await Peer.start(connection)
        await peer.commit("a", 1, 2, 3)
        await other.commit("b", 1, 2, 3, final=True)
        await peer.commit("a", 4)
        await node.caught_up()
        await peer.commit("a", 5)
        await node.caught_up()

    assert node.log == [*(("a", seq) for seq in range(1, 5)), *(("b", seq) for seq in range(1, 4)), ("a", 5)]
    assert node.resets == 0


@pytest.mark.parametrize("seqs", [(1, 2, 3, 4), (1, 2, 3, 4, 5, 6)])
async def test_a_backlog_that_is_too_large_is_skipped(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch, seqs: tuple[int, ...]
) -> None:
    """The listeners are reset, and then receive what comes after it."""
    monkeypatch.setattr(tail, "MOST_ROWS", 3)
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", *seqs)
        await node.caught_up()
        assert (node.log, node.resets) == ([], 1)
        await peer.commit("t", seqs[-1] + 1)
        await node.caught_up()

    assert (node.log, node.resets) == ([("t", seqs[-1] + 1)], 1)


@pytest.mark.parametrize("known", [True, False])
async def test_events_that_were_trimmed_before_they_were_read_lead_to_a_reset(
    database: str, connection: Connection, known: bool
) -> None:
    """Whether or not the node has published events of the task before."""
    peer = await Peer.start(connection)
    await peer.commit("t", 1)
    async with member(database) as node:
        if known:
            await peer.commit("t", 2)
            await node.caught_up()
        await peer.commit("t", 3, 4, 5, trimmed=(1, 2, 3, 4))
        await node.caught_up()
        before = list(node.log)
        await peer.commit("t", 6)
        await node.caught_up()

    assert (before, node.resets) == ([("t", 2)] if known else [], 1)
    assert node.log == [*before, ("t", 6)]


async def test_events_that_were_trimmed_after_they_were_read_are_not_missed(
    database: str, connection: Connection
) -> None:
    """A log is usually trimmed long after its events were read."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1, 2, 3)
        await node.caught_up()
        await peer.commit("t", 4, 5, trimmed=(1, 2, 3))
        await node.caught_up()

    assert (node.log, node.resets) == ([("t", seq) for seq in range(1, 6)], 0)


async def test_the_first_read_of_a_task_that_has_run_for_long_is_no_hole(database: str, connection: Connection) -> None:
    """Its earlier events are stored, and were committed before this node started."""
    peer = await Peer.start(connection)
    await peer.commit("t", 1, 2)
    async with member(database) as node:
        await peer.commit("t", 3)
        await node.caught_up()

    assert (node.log, node.resets) == ([("t", 3)], 0)


async def test_an_event_that_cannot_be_read_is_skipped(database: str, connection: Connection) -> None:
    """It must not stop the events after it."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit_bodies("t", {1: b"damaged"})
        await node.caught_up()
        await peer.commit("t", 2)
        await node.caught_up()

    assert (node.log, node.resets) == ([("t", 2)], 1)


async def test_own_commits_and_old_notifications_are_not_read(database: str, connection: Connection) -> None:
    """The writer publishes the former, and the latter may arrive after a read."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.caught_up()
        node._tail.heard(int(node.id), 1)
        node._tail.heard(peer.id, 1)
        assert not node._tail._wake.is_set()
        node._tail.heard(peer.id, 2)
        assert node._tail._wake.is_set()


async def test_a_broken_connection_is_replaced(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and nothing is published twice."""
    monkeypatch.setattr(tail, "full_jitter", lambda _failures: 0.0)
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        await node.caught_up()
        await connection.fetch(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'relay tail'"
        )
        await peer.commit("t", 2)
        await node.caught_up()

    assert (node.log, node.resets) == ([("t", 1), ("t", 2)], 0)


async def test_cursors_of_nodes_that_were_deleted_are_forgotten(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a process would keep one for each node that there has ever been."""
    monkeypatch.setattr(tail, "MOST_CURSORS", 2)
    async with member(database) as node:
        gone, kept, last = [await Peer.start(connection) for _ in range(3)]
        for task, peer in (("a", gone), ("b", kept), ("c", last)):
            await peer.commit(task, 1)
        await connection.execute("DELETE FROM nodes WHERE id = $1", gone.id)
        await node.caught_up()
        assert set(node._tail._next) >= {kept.id, last.id}
        await connection.execute("DELETE FROM nodes WHERE id = $1", kept.id)
        node._tail._most_cursors = 1
        await last.commit("c", 2)
        await node.caught_up()

    assert kept.id not in node._tail._next
    assert last.id in node._tail._next


async def test_the_lag_is_the_time_since_something_was_to_be_read(database: str, connection: Connection) -> None:
    """It is reported with each beat."""
    async with member(database) as node:
        await node.caught_up()
        assert node._tail.lag_s == 0.0
        node._tail.wake()
        assert node._tail.lag_s > 0.0


async def test_a_reset_during_a_read_discards_what_it_returns(database: str, connection: Connection) -> None:
    """The cursors are those of another history then."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        reading = asyncio.create_task(node._tail._read())
        await asyncio.sleep(0)
        node._tail.begin(int(node.id), {peer.id: 5})
        await reading

        assert node.log == []
        assert node._tail._next == {peer.id: 6}


async def test_a_reset_between_two_slices_discards_the_rest(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large read is published in several steps."""
    monkeypatch.setattr(tail, "SLICE_ROWS", 2)
    async with member(database) as node:
        peer = await Peer.start(connection)
        node.deliveries.add(lambda _: node._tail.begin(int(node.id), {peer.id: 5}), None)
        await peer.commit("t", 1, 2, 3, 4)
        await node.caught_up()

        assert node.log == [("t", 1), ("t", 2)]
        assert node._tail._next == {peer.id: 6}


async def test_a_reset_while_entries_are_skipped_keeps_its_own_cursors(database: str, connection: Connection) -> None:
    """What was asked before it is of another history."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        await peer.commit("t", 1)
        skipping = asyncio.create_task(node._tail._skip())
        await asyncio.sleep(0)
        node._tail.begin(int(node.id), {peer.id: 5})
        await skipping

        assert node._tail._next == {peer.id: 6}
        assert node.resets == 0


async def test_a_caller_that_does_not_wait_any_more_does_not_stop_the_tail(
    database: str, connection: Connection
) -> None:
    """Other callers that wait get their answer, and later commits are heard."""
    async with member(database) as node:
        peer = await Peer.start(connection)
        gone, waits = asyncio.create_task(node.caught_up()), asyncio.create_task(node.caught_up())
        await asyncio.sleep(0)
        gone.cancel()
        await waits
        await peer.commit("t", 1)
        await node.caught_up()

    assert gone.cancelled()
    assert node.log == [("t", 1)]


async def test_waiting_for_the_tail_ends_with_the_node(database: str, connection: Connection) -> None:
    """A caller would wait for ever otherwise."""
    node = Member(database)
    waiting = asyncio.create_task(node.caught_up())
    await asyncio.sleep(0)
    await node._tail.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
