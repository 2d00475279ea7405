"""What nodes do to each other's tasks: leases, taking over, the queue of a provider, and runs that are being sent."""

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from relay.core.events import State
from relay.core.upstream import UpstreamTask
from relay.journal.nodes import Command, Order
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.lease import LEASE
from tests.journal.postgres.conftest import Start
from tests.journal.postgres.records import batches, create, event, record, submit

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection


async def flags(sql: "Connection", task: str) -> tuple[bool, bool]:
    """Return whether a task is in line, and whether its run is being sent."""
    row = await sql.fetchrow("SELECT in_line, sending FROM heads WHERE task = $1", task)
    assert row is not None
    return row["in_line"], row["sending"]


async def expire(sql: "Connection", journal: PostgresJournal) -> None:
    """Let the lease of a node run out."""
    await sql.execute("UPDATE nodes SET until = clock_timestamp() WHERE id = $1", int(journal.node))


# Leases


async def test_a_node_is_declared_dead_when_its_lease_has_run_out(start: Start, sql: "Connection") -> None:
    """By another one that is alive, and not before."""
    one, other = await start(), await start()
    assert await sql.fetchval("SELECT relay_declare_dead($1)", int(other.node)) == []
    await expire(sql, one)
    assert await sql.fetchval("SELECT relay_declare_dead($1)", int(other.node)) == [int(one.node)]
    assert await sql.fetchval("SELECT relay_declare_dead($1)", int(other.node)) == []
    await expire(sql, other)
    assert await sql.fetchval("SELECT relay_declare_dead($1)", int(one.node)) == [], "a dead node declares nothing"
    assert not await sql.fetchval("SELECT alive FROM relay_beat($1, $2, 0, 0)", int(one.node), LEASE)
    assert await sql.fetchval("SELECT alive FROM relay_beat($1, $2, 0, 0)", int(other.node), LEASE)


async def test_a_commit_renews_the_lease(start: Start, sql: "Connection") -> None:
    """A lease that has run out is good until another node says otherwise."""
    one, other = await start(), await start()
    await expire(sql, one)
    await create(one, "a")
    assert await sql.fetchval("SELECT relay_declare_dead($1)", int(other.node)) == []


async def test_a_beat_does_not_wait_for_a_commit(journal: PostgresJournal, sql: "Connection", database: str) -> None:
    """A commit may wait for a standby. It renews the lease itself."""
    other = await connect(database, "test", limit_s=10)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE", int(journal.node))
        assert await other.fetchval("SELECT alive FROM relay_beat($1, $2, 0, 0)", int(journal.node), LEASE)
    await close(other)


async def test_a_node_is_not_declared_dead_during_its_commit(start: Start, sql: "Connection", database: str) -> None:
    """The commit holds its row, and renews its lease."""
    one, two = await start(), await start()
    await expire(sql, one)
    other = await connect(database, "test", limit_s=10)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE", int(one.node))
        assert await other.fetchval("SELECT relay_declare_dead($1)", int(two.node)) == []
    await close(other)


async def test_a_name_belongs_to_one_node(sql: "Connection") -> None:
    """A process that starts under it does not wait for the lease of the last one."""
    for number in (1, 2):
        await sql.execute("SELECT relay_register($1, 'one', $2, true)", number, LEASE)
    await sql.execute("SELECT relay_register(3, 'two', $1, true)", LEASE)
    await sql.execute("SELECT relay_register(4, 'two', $1, false)", LEASE)
    alive = await sql.fetch("SELECT id FROM nodes WHERE alive AND id < 5 ORDER BY id")
    assert [row["id"] for row in alive] == [2, 3, 4]


async def test_the_nodes_are_listed(start: Start, sql: "Connection") -> None:
    """With what they own and what they reported last."""
    one = await start()
    await create(one, "a")
    await create(one, "b")
    await one.append([event("b", 2, State.SUCCEEDED)])
    await sql.execute("SELECT relay_beat($1, $2, 7, 0.25)", int(one.node), LEASE)
    (node,) = [node for node in await one.nodes() if node.id == one.node]
    assert (node.name, node.alive, node.tasks, node.viewers, node.lag_s) == ("test", True, 1, 7, 0.25)
    assert 0 <= node.seen_s < 60


async def test_space_is_counted_after_a_node_is_forgotten(start: Start, sql: "Connection") -> None:
    """The one that forgets it counts what it had written."""
    one = await start()
    await create(one, "a")
    size = await one.size_bytes()
    assert size > 2000
    await sql.execute("UPDATE nodes SET alive = false, seen_at = seen_at - interval '2 days'")
    await sql.execute("SELECT relay_register(1, 'one', $1, false)", LEASE)
    assert await sql.fetchval("SELECT count(*) FROM nodes") == 1
    assert await one.size_bytes() == size


# Taking over


async def test_tasks_of_a_dead_node_are_taken_over(start: Start, sql: "Connection") -> None:
    """The oldest first, up to a limit, of some providers, and none that has ended or has an owner."""
    one, other = await start(), await start()
    for task, created_at, provider in (
        ("c", 3.0, "wiro"),
        ("a", 1.0, "wiro"),
        ("x", 0.0, "apikley"),
        ("b", 2.0, "wiro"),
    ):
        await create(one, task, created_at=created_at, provider=provider)
    await create(one, "ended", created_at=0.5)
    await one.append([event("ended", 2, State.SUCCEEDED)])
    await create(other, "mine")
    assert await other.take_over(["wiro"], limit=2) == ()

    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(one.node))
    assert await other.take_over(["wiro"], limit=2) == ("a", "b")
    assert await other.take_over(["wiro"], limit=2) == ("c",)
    assert await other.take_over(["wiro"], limit=2) == ()
    assert await other.owned() == ("a", "mine", "b", "c")
    await other.append([event("a", 2)])


async def test_released_tasks_are_taken_over_at_once(start: Start) -> None:
    """Also by the node that has released them."""
    one, other = await start(), await start()
    await create(one, "a")
    await one.release()
    assert await one.owned() == ()
    assert await other.take_over(["wiro"], limit=5) == ("a",)
    await other.release()
    assert await one.take_over(["wiro"], limit=5) == ("a",)


async def test_a_queued_task_that_is_given_back_is_left_to_another_node(start: Start) -> None:
    """It keeps no other task waiting meanwhile, and has its place again when it is taken over."""
    one, other = await start(), await start()
    for number, task in enumerate(("a", "b")):
        await create(one, task, created_at=float(number))
        await one.append([event(task, 2, State.HELD)])
    await one.give_back("a")
    await other.give_back("b")  # it is another node's
    assert await one.owned() == ("b",)
    assert await one.queued("wiro") == ("b",)
    assert await one.take_over(["wiro"], limit=5, leave=["a"]) == ()
    assert await other.take_over(["wiro"], limit=5) == ("a",)
    assert await one.queued("wiro") == ("a", "b")


async def test_a_dead_node_takes_nothing_over(start: Start, sql: "Connection") -> None:
    """It is about to become another one."""
    one, other = await start(), await start()
    await create(one, "a")
    await one.release()
    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(other.node))
    assert await other.take_over(["wiro"], limit=5) == ()


async def test_a_task_is_taken_over_by_one_node(start: Start, database: str, sql: "Connection") -> None:
    """Of several that try at once."""
    one = await start()
    tasks = [f"t{number:03}" for number in range(60)]
    for task in tasks:
        await create(one, task)
    thieves = [secrets.randbits(62) for _ in range(4)]
    connections = [await connect(database, "test") for _ in thieves]
    for thief in thieves:
        await sql.execute("SELECT relay_register($1, 'thief', $2, false)", thief, LEASE)
    for _ in range(15):
        await sql.execute("UPDATE heads SET owner = NULL")
        taken = await asyncio.gather(
            *(
                connection.fetchval("SELECT relay_take_over($1, '{wiro}', 40)", thief)
                for connection, thief in zip(connections, thieves, strict=True)
            )
        )
        left = await sql.fetch("SELECT task FROM heads WHERE owner IS NULL")
        assert sorted([task for each in taken for task in each] + [row["task"] for row in left]) == tasks
    for connection in connections:
        await close(connection)


async def test_a_take_over_waits_for_no_other_node(start: Start, sql: "Connection", database: str) -> None:
    """Another one may be paused in a transaction, with locks on tasks and on nodes. The rest is taken over."""
    one, two = await start(), await start()
    for task in ("a", "b"):
        await create(one, task)
    await one.release()
    await expire(sql, one)
    limited = await connect(database, "test", limit_s=10)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM heads WHERE task = 'a' FOR UPDATE")
        await sql.execute("SELECT 1 FROM nodes WHERE id = $1 FOR UPDATE", int(one.node))
        assert await limited.fetchval("SELECT relay_declare_dead($1)", int(two.node)) == []
        assert await limited.fetchval("SELECT relay_take_over($1, '{wiro}', 5)", int(two.node)) == ["b"]
    assert await limited.fetchval("SELECT relay_take_over($1, '{wiro}', 5)", int(two.node)) == ["a"]
    await close(limited)


# The queue, and runs that are being sent


async def test_a_task_is_in_line_from_its_first_hold_until_it_is_accepted(
    journal: PostgresJournal, sql: "Connection"
) -> None:
    """Also while it is sent, so that a task behind it is not sent before it."""
    await create(journal, "a")
    assert await flags(sql, "a") == (False, True)
    seen = []
    for seq, state in enumerate(
        (State.HELD, State.HELD, State.SUBMITTING, State.HELD, State.SUBMITTING, State.QUEUED), 2
    ):
        await journal.append([event("a", seq, state)])
        seen.append(await flags(sql, "a"))
    assert seen == [(True, False), (True, False), (True, True), (True, False), (True, True), (False, False)]


async def test_a_task_that_is_created_behind_others_is_in_line(journal: PostgresJournal, sql: "Connection") -> None:
    """Of its provider."""
    await create(journal, "a", created_at=1.0)
    await journal.append([event("a", 2, State.HELD)])
    await create(journal, "b", created_at=2.0)
    await create(journal, "x", created_at=3.0, provider="apikley")
    await journal.create(record("c", created_at=0.5), submit("c", state=State.QUEUED))
    assert await journal.queued("wiro") == ("a", "b")
    assert await journal.queued("apikley") == ()


async def test_runs_of_other_nodes_that_are_being_sent_are_listed(start: Start) -> None:
    """Until they are sent, or their outcome is unknown."""
    one, other = await start(), await start()
    for task, provider in (("a", "wiro"), ("b", "wiro"), ("x", "apikley")):
        await create(one, task, provider=provider)
    assert await other.sending("wiro") == ("a", "b")
    assert await one.sending("wiro") == ()
    await one.append([event("a", 2, State.QUEUED)])
    assert await other.sending("wiro") == ("b",)
    await other.sent("b")
    assert await other.sending("wiro") == ("b",), "only its owner knows"
    await one.sent("b")
    assert await other.sending("wiro") == ()


async def test_a_task_that_was_attached_to_is_not_sent(journal: PostgresJournal, sql: "Connection") -> None:
    """So it does not queue, and no search waits for it."""
    await create(journal, "a", created_at=1.0)
    await journal.append([event("a", 2, State.HELD)])
    attached = replace(record("b"), upstream=UpstreamTask(upstream_id=None, socket_token="t"))
    await journal.create(attached, submit("b"))
    assert await flags(sql, "b") == (False, False)


async def test_a_run_that_is_searched_for_blocks_no_queue(journal: PostgresJournal, sql: "Connection") -> None:
    """A search can take minutes; the tasks behind it are sent meanwhile."""
    await create(journal, "a")
    await journal.append([event("a", 2, State.HELD)])
    await journal.append([event("a", 3, State.SUBMITTING)])
    assert await flags(sql, "a") == (True, True)
    await journal.sent("a")
    assert await flags(sql, "a") == (False, False)


async def test_an_event_of_a_run_that_is_searched_for_does_not_send_it(
    journal: PostgresJournal, sql: "Connection"
) -> None:
    """Such as a request to cancel it."""
    await create(journal, "a")
    await journal.sent("a")
    await journal.append([event("a", 2, State.SUBMITTING)])
    assert await flags(sql, "a") == (False, False)


@pytest.mark.parametrize(
    ("states", "after"),
    [
        ([], (False, False)),
        ([State.HELD], (True, False)),
        ([State.HELD, State.SUBMITTING], (False, False)),
        ([State.HELD, State.SUBMITTING, State.HELD], (True, False)),
    ],
)
async def test_a_run_that_is_taken_over_is_not_being_sent(
    start: Start, sql: "Connection", states: list[State], after: tuple[bool, bool]
) -> None:
    """One that may have been sent is searched for, outside of the line. One that waited keeps its place."""
    one, other = await start(), await start()
    await create(one, "a")
    for seq, state in enumerate(states, 2):
        await one.append([event("a", seq, state)])
    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(one.node))
    assert await other.take_over(["wiro"], limit=5) == ("a",)
    assert await flags(sql, "a") == after


# Commands


async def test_a_command_reaches_the_owner(start: Start) -> None:
    """Also a later one, until it is done. The same command twice is one."""
    one, other = await start(), await start()
    await create(one, "a")
    cancel = Command(id="1", task="a", order=Order.CANCEL, by="viewer")
    called = Command(id="2", task="a", order=Order.CALLED_BACK)
    for command in (cancel, called, cancel):
        await other.command(command)
    assert await one.commands() == (cancel, called)
    assert await other.commands() == ()
    await one.release()
    await other.take_over(["wiro"], limit=5)
    assert await other.commands() == (cancel, called)
    await other.append([event("a", 2)])
    await other.finish("1")
    await other.finish("2")
    await other.finish("2")
    assert await other.commands() == ()


async def test_a_command_notifies_the_owner(start: Start, sql: "Connection") -> None:
    """A release notifies everyone, too."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    await sql.add_listener("relay", lambda *args: heard.put_nowait(str(args[3])))
    one, other = await start(), await start()
    await create(one, "a")
    await other.command(Command(id="1", task="a", order=Order.CANCEL))
    assert await heard.get() == f"command:{one.node}"
    await one.release()
    assert await heard.get() == f"released:{one.node}"


async def test_a_refused_commit_has_its_number(journal: PostgresJournal, sql: "Connection") -> None:
    """Numbers have no gaps, whether or not a commit has events."""
    await create(journal, "a")
    with pytest.raises(ValueError, match="not the next"):
        await journal.append([event("a", 5)])
    assert await batches(sql, journal) == 2
