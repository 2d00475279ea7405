"""
Commits to PostgreSQL: each takes effect once, whatever happens to its answer, and no job disturbs another one.

Covers errands, jobs, rows and session, too.
"""

import asyncio
import secrets
from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest
from structlog.testing import capture_logs

from relay.clock import uptime_s
from relay.core.events import State
from relay.core.upstream import UpstreamTask
from relay.errors import Fenced, StoreError, Taken
from relay.journal.base import Claim, Created
from relay.journal.entries import Entry
from relay.journal.postgres import writer as writer_module
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.epoch import read_epoch
from relay.journal.postgres.jobs import Job
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.lease import SEND_S
from relay.journal.postgres.session import Session, Unanswered
from tests.journal.postgres.conftest import Start
from tests.journal.postgres.membership import LoneNode, join
from tests.journal.postgres.proxy import Proxy, proxied
from tests.journal.postgres.records import batches, claim, create, event, record, seqs, submit, waiting
from tests.postgres.server import PostgresServer, postgres_server

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

ANOTHER_EPOCH = "DELETE FROM meta WHERE name LIKE 'epoch:%'"
"""The next connection makes another one."""


def hear(journal: PostgresJournal) -> list[Entry]:
    """Return a list that every entry committed from now on is added to."""
    heard: list[Entry] = []
    journal.listen(lambda appended: heard.extend(entry for each in appended for entry in each.entries))
    return heard


def lone_node(journal: PostgresJournal) -> LoneNode:
    """Return the journal's stand-in of a membership."""
    node = journal._owner().membership
    assert isinstance(node, LoneNode)
    return node


@asynccontextmanager
async def busy(sql: "Connection", journal: PostgresJournal) -> AsyncIterator[None]:
    """Keep the writer waiting during the block, so that everything that it gets later is committed at once."""
    before = await batches(sql, journal)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM nodes WHERE id = $1 FOR UPDATE", int(journal.node))
        first = asyncio.create_task(create(journal, f"busy-{before}"))
        await waiting(sql, "Lock")
        yield
        await asyncio.sleep(0)  # what the block started has reached the queue
    await first


@pytest.fixture
async def cut(database: str, start: Start) -> AsyncIterator[tuple[Proxy, PostgresJournal]]:
    """Return a journal behind a proxy that can lose its answers; its statements are prepared."""
    async with proxied(database) as (proxy, dsn):
        journal = await start(dsn)
        await create(journal, "a")
        yield proxy, journal


# Lost answers


@pytest.mark.parametrize("cuts", [1, 3])
async def test_a_commit_whose_answer_is_lost_takes_effect_once(
    cut: tuple[Proxy, PostgresJournal], sql: "Connection", cuts: int
) -> None:
    """It is repeated under its number, however often. Each listener is called once."""
    proxy, journal = cut
    heard = hear(journal)
    proxy.cuts = cuts
    await asyncio.gather(journal.append([event("a", 2)]), create(journal, "b"))
    await journal.append([event("a", 3)])

    assert len(proxy.lost) == cuts
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([1, 2, 3], [1])
    assert sorted((entry.task, entry.seq) for entry in heard) == [("a", 2), ("a", 3), ("b", 1)]
    assert lone_node(journal).committed == list(range(1, await batches(sql, journal) + 1))


async def test_a_repeated_commit_does_not_prolong_the_time_to_send(cut: tuple[Proxy, PostgresJournal]) -> None:
    """It counts from the first attempt, after which another node may have waited for the lease."""
    proxy, journal = cut
    proxy.cuts = 1
    created = await create(journal, "b")

    assert created.winner is None
    assert created.send_until_s <= proxy.lost[0] + SEND_S


async def test_a_time_to_send_counts_from_before_the_commit(journal: PostgresJournal) -> None:
    """It ends a few seconds after that."""
    began_s = uptime_s()
    created = await create(journal, "a")
    assert began_s <= created.send_until_s - SEND_S <= uptime_s()


async def test_a_repeated_refusal_does_not_free_the_key_of_a_newer_task(
    cut: tuple[Proxy, PostgresJournal], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another node has used the key between the commit and its repetition. The key would start a third task."""
    monkeypatch.setattr(writer_module, "ANSWER_S", 1.0)
    proxy, journal = cut
    other = await start()
    await claim(journal, "refused", "key")
    proxy.swallows = 1
    refusing = asyncio.create_task(journal.append([event("refused", 2, State.FAILED)], frees_key=True))
    while not proxy.lost:  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    assert (await claim(other, "newer", "key")).winner is None
    await refusing

    winner = (await claim(journal, "third", "key")).winner
    assert winner is not None
    assert winner.task == "newer"


async def test_jobs_that_were_refused_in_a_lost_answer_learn_why(cut: tuple[Proxy, PostgresJournal]) -> None:
    """They are tried again, in another commit."""
    proxy, journal = cut
    await claim(journal, "k1", "key")
    proxy.cuts = 1
    late, wrong, good = await asyncio.gather(
        claim(journal, "k2", "key"),
        journal.append([event("a", 7)]),
        create(journal, "b"),
        return_exceptions=True,
    )

    assert not isinstance(late, BaseException)
    assert late.winner == Claim(key="key", digest="d", task="k1", at=1.0)
    assert isinstance(wrong, ValueError)
    assert not isinstance(good, BaseException)
    assert await journal.stored_task("k2") is None


async def test_an_answer_that_does_not_come_is_given_up(
    cut: tuple[Proxy, PostgresJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection can be open and dead. The commit is repeated on another one."""
    monkeypatch.setattr(writer_module, "ANSWER_S", 0.3)
    proxy, journal = cut
    heard = hear(journal)
    proxy.swallows = 1
    await journal.append([event("a", 2)])

    assert len(proxy.lost) == 1
    assert await seqs(journal, "a") == [1, 2]
    assert [entry.seq for entry in heard] == [2]


async def test_a_connection_that_the_server_ended_is_replaced(
    journal: PostgresJournal, postgres: PostgresServer
) -> None:
    """While it was idle."""
    await create(journal, "a")
    for seq in (2, 3):
        assert await postgres.terminate_backends("application_name = 'relay writer'") == 1
        await journal.append([event("a", seq)])
    assert await seqs(journal, "a") == [1, 2, 3]


async def test_a_connection_that_breaks_while_it_is_made_is_a_failure_of_the_store(database: str) -> None:
    """As when there is none. The statement was not sent."""

    async def broken() -> "Connection":
        connection = await connect(database, "test")
        connection.terminate()
        return connection

    with pytest.raises(StoreError, match="broke at once"):
        await Session(broken).run("SELECT 1")


async def test_a_cancelled_caller_cancels_no_statement(cut: tuple[Proxy, PostgresJournal], sql: "Connection") -> None:
    """The server would stop to wait for the standby. The statements run to their ends."""
    proxy, journal = cut
    await journal.keep_secret("name", "value")
    async with sql.transaction():
        await sql.execute("LOCK TABLE nodes, secrets, meta")
        calls = [
            asyncio.create_task(each)
            for each in (
                journal.append([event("a", 2)]),
                journal.save_time(7.0),
                journal.keep_secret("other", "value"),
            )
        ]
        await waiting(sql, "Lock")
        await waiting(sql, "Lock", "relay errands")
        before = proxy.connections
        for call in calls:
            call.cancel()
        assert [type(each) for each in await asyncio.gather(*calls, return_exceptions=True)] == [CancelledError] * 3
    assert await journal.keep_secret("other", "another") == "value"
    assert await journal.saved_time() == 7.0
    assert proxy.connections == before + 1, "that of a reader"
    assert await seqs(journal, "a") == [1, 2]


async def test_an_error_of_the_client_library_is_a_broken_connection(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises one that is not about the connection if the server ended that while it was idle."""
    await create(journal, "a")
    fetch, broken = asyncpg.Connection.fetch, [asyncpg.InternalClientError("cannot switch to state 12")]

    async def fetch_or_fail(connection: "Connection", query: str, *arguments: object) -> object:
        if "relay_append" in query and broken:
            raise broken.pop()
        return await fetch(connection, query, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch_or_fail)
    await journal.append([event("a", 2)])
    assert await seqs(journal, "a") == [1, 2]
    assert not broken


@pytest.mark.cluster
async def test_a_wait_for_a_standby_that_was_cut_short_is_repeated() -> None:
    """
    The commit is visible then, and not on the standby. Its repetition writes, so that it waits again.

    The server reports success, with a warning.
    """
    async with postgres_server() as server, server.database() as dsn:
        journal = PostgresJournal(dsn, join=join)
        await journal.open(lock=True)
        sql = await connect(dsn, "test")
        await create(journal, "a")
        await server.configure(synchronous_standby_names="missing")
        while await sql.fetchval("SHOW synchronous_standby_names") != "missing":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        appending = asyncio.create_task(journal.append([event("a", 2)]))
        started = None
        for _ in range(3):  # the first wait, that of the repetition, and that of another one
            async with asyncio.timeout(60):
                pid, started = await next_wait(sql, started)
            assert await sql.fetchval("SELECT pg_cancel_backend($1)", pid)
        await next_wait(sql, started)
        assert await sql.fetchval("SELECT count(*) FROM events WHERE task = 'a'") == 2
        assert not appending.done()

        await server.configure(synchronous_standby_names="")
        await appending
        assert await seqs(journal, "a") == [1, 2]
        await journal.close()
        await close(sql)


@pytest.mark.cluster
async def test_a_cancelled_caller_does_not_end_the_wait_for_the_standby() -> None:
    """No request to cancel the commit reaches the server: the same statement waits on, and the caller has gone."""
    async with postgres_server() as server, server.database() as dsn, proxied(dsn) as (proxy, address):
        journal = PostgresJournal(address, join=join)
        await journal.open(lock=True)
        sql = await connect(dsn, "test")
        await create(journal, "a")
        await server.configure(synchronous_standby_names="missing")
        while await sql.fetchval("SHOW synchronous_standby_names") != "missing":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        appending = asyncio.create_task(journal.append([event("a", 2)]))
        waiting_since = await next_wait(sql, None)
        before = proxy.connections
        appending.cancel()
        with pytest.raises(CancelledError):
            await appending
        behind = asyncio.create_task(journal.append([event("a", 3)]))
        await asyncio.sleep(0)
        assert await next_wait(sql, None) == waiting_since
        assert proxy.connections == before

        await server.configure(synchronous_standby_names="")
        await behind
        assert await seqs(journal, "a") == [1, 2, 3]
        await journal.close()
        await close(sql)


async def next_wait(sql: "Connection", after: datetime | None) -> tuple[int, datetime]:
    """Return the process and the start of the writer's next statement that waits for a standby."""
    query = """
        SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'relay writer' AND wait_event = 'SyncRep'
          AND ($1::timestamptz IS NULL OR query_start > $1)"""
    while (row := await sql.fetchrow(query, after)) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return row["pid"], row["query_start"]


# Jobs of one commit


async def test_jobs_of_one_commit_succeed_and_fail_each_for_itself(journal: PostgresJournal, sql: "Connection") -> None:
    """A refused job writes nothing, and the others are committed."""
    upstream = UpstreamTask(upstream_id="7", socket_token="t")
    await claim(journal, "held", "key")
    for task in ("a", "b", "c"):
        await create(journal, task)
    await journal.append([event("a", 2)], upstream=upstream)
    before = await batches(sql, journal)
    async with busy(sql, journal):
        jobs = [
            asyncio.create_task(each)
            for each in (
                journal.append([event("a", 3)]),
                journal.append([event("b", 9)]),
                journal.append([event("c", 2)], upstream=replace(upstream, upstream_id="8")),
                journal.append([event("unknown", 2)]),
                claim(journal, "new", "key"),
                create(journal, "held"),
                create(journal, "d"),
                journal.create(replace(record("e"), upstream=replace(upstream, socket_token=None)), submit("e")),
            )
        ]
    good, wrong, taken, unknown, held, exists, new, same = await asyncio.gather(*jobs, return_exceptions=True)

    assert await batches(sql, journal) == before + 2
    assert isinstance(good, float)
    assert isinstance(wrong, ValueError)
    assert "seq 9 is not the next" in str(wrong)
    assert isinstance(taken, Taken)
    assert isinstance(unknown, ValueError)
    assert isinstance(held, Created)
    assert held.winner is not None
    assert isinstance(exists, ValueError)
    assert not isinstance(new, BaseException)
    assert isinstance(same, Taken)
    assert [await seqs(journal, task) for task in ("a", "b", "c", "d", "e", "new")] == [
        [1, 2, 3],
        [1],
        [1],
        [1],
        [],
        [],
    ]
    assert await journal.find_upstream("wiro", replace(upstream, upstream_id="8", socket_token=None)) is None
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id=None, socket_token="t")) == "a"


async def test_a_create_that_loses_its_upstream_task_frees_its_key(journal: PostgresJournal) -> None:
    """Nothing of it is left."""
    upstream = UpstreamTask(upstream_id="7", socket_token=None)
    await journal.create(replace(record("a"), upstream=upstream), submit("a"))
    lost = Claim(key="key", digest="d", task="b", at=1.0)
    with pytest.raises(Taken):
        await journal.create(replace(record("b"), upstream=upstream), submit("b"), claim=lost)
    assert await journal.find_claim("key") is None
    assert (await claim(journal, "c", "key")).winner is None


async def test_jobs_of_one_task_and_of_one_key_keep_their_order(journal: PostgresJournal, sql: "Connection") -> None:
    """Those of a task are committed one after the other. Of creates with one key, the first one wins."""
    await create(journal, "a")
    async with busy(sql, journal):
        appends = [asyncio.create_task(journal.append([event("a", seq)])) for seq in range(2, 6)]
        claims = [asyncio.create_task(claim(journal, task, "key")) for task in ("x", "y", "z")]
    await asyncio.gather(*appends)
    winners = [created.winner.task if created.winner else None for created in await asyncio.gather(*claims)]

    await journal.append([event("a", 6)])
    assert await seqs(journal, "a") == [1, 2, 3, 4, 5, 6]
    assert winners == [None, "x", "x"]


@pytest.mark.parametrize("wrong", [secrets.token_hex(5_000), "a\0b"], ids=["too long", "unstorable"])
async def test_a_job_that_the_database_refuses_fails_alone(
    journal: PostgresJournal, sql: "Connection", wrong: str
) -> None:
    """The others of its commit are committed one by one."""
    await create(journal, "a")
    async with busy(sql, journal):
        jobs = [asyncio.create_task(each) for each in (create(journal, wrong), journal.append([event("a", 2)]))]
    failed, good = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(failed, ValueError)
    assert isinstance(good, float)
    assert await seqs(journal, "a") == [1, 2]


async def test_jobs_after_the_one_that_finds_the_node_dead_are_not_tried(
    journal: PostgresJournal, sql: "Connection"
) -> None:
    """They were to be committed one by one, because one of them is wrong. The node dies after the first."""
    await create(journal, "a")
    number = await batches(sql, journal) + 2  # one for the commit that the others wait for
    await sql.execute(
        f"CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.alive := false; RETURN NEW; END $$;"
        f"CREATE TRIGGER die BEFORE UPDATE ON nodes FOR EACH ROW WHEN (NEW.batch = {number}) EXECUTE FUNCTION die()"
    )
    async with busy(sql, journal):
        jobs = [
            asyncio.create_task(each)
            for each in (
                create(journal, "b"),
                journal.append([event("a", 2)]),
                create(journal, secrets.token_hex(5_000)),
            )
        ]
    good, *others = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(good, Created)
    assert [type(other) for other in others] == [Fenced, Fenced]
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([1], [1])
    await lone_node(journal).registered.wait()


async def test_a_commit_that_the_server_cannot_make_fails(journal: PostgresJournal, sql: "Connection") -> None:
    """Such as on a full disk: nothing of it is stored, and it is not repeated. Later ones succeed."""
    await sql.execute(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER fill BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    with pytest.raises(StoreError, match="could not be written: no space left on device"):
        await create(journal, "a")
    await sql.execute("DROP TRIGGER fill ON tasks")
    await create(journal, "a")
    assert await seqs(journal, "a") == [1]


async def test_a_commit_in_doubt_is_not_settled_by_a_server_that_cannot_commit(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt before may have taken effect, so the caller waits for an answer."""
    session = journal._owner().writer._session
    run = session.run
    failures = iter([Unanswered("the connection broke"), asyncpg.DiskFullError("no space left on device")])

    async def fail_twice(statement: str, *arguments: object, limit_s: float) -> "list[asyncpg.Record]":
        for failure in failures:
            raise failure
        return await run(statement, *arguments, limit_s=limit_s)

    monkeypatch.setattr(session, "run", fail_twice)
    await create(journal, "a")
    assert await seqs(journal, "a") == [1]


async def test_a_defect_in_a_listener_stops_neither_the_writer_nor_its_callers(journal: PostgresJournal) -> None:
    """The commit may have been made, so the node becomes another one and does not use its number again."""
    former = journal.node

    def break_off(_appended: object) -> None:
        remove()
        raise LookupError("a defect")

    remove = journal.listen(break_off)
    with capture_logs() as logs, pytest.raises(StoreError, match="could not be written: LookupError"):
        await create(journal, "a")
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["journal.job_failed"]
    await lone_node(journal).registered.wait()
    assert journal.node != former
    await create(journal, "b")
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([1], [1])


async def test_a_defect_while_the_writer_connects_fails_no_job(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None was taken from the queue. The next attempt commits it, and the node stays the same."""
    writer, former = journal._owner().writer, journal.node
    opening, failures = writer._open, iter([LookupError("a defect")])

    async def fail_once() -> "Connection":
        for failure in failures:
            raise failure
        return await opening()

    monkeypatch.setattr(writer, "_open", fail_once)
    writer._session.drop()
    await create(journal, "a")
    assert next(failures, None) is None
    assert (await seqs(journal, "a"), journal.node) == ([1], former)


async def test_a_commit_that_dead_locks_is_repeated(
    journal: PostgresJournal, postgres: PostgresServer, database: str
) -> None:
    """The server ends one of two transactions that wait for each other; here, it is the writer's."""
    await claim(journal, "a", "key")
    async with postgres.connection(database.rpartition("/")[2]) as other:
        await other.execute("SET deadlock_timeout = '1h'")
        async with other.transaction():
            await other.execute("SELECT 1 FROM claims WHERE key = 'key' FOR UPDATE")
            creating = asyncio.create_task(claim(journal, "b", "key"))
            await waiting(other, "Lock")
            await other.execute("SELECT 1 FROM nodes WHERE id = $1 FOR UPDATE", int(journal.node))
        created = await creating
    assert created.winner is not None
    assert created.winner.task == "a"


# Fencing


async def test_a_dead_node_writes_nothing(journal: PostgresJournal, sql: "Connection") -> None:
    """Its appends and creates raise Fenced, before and after it is another node; a create as that one succeeds."""
    await create(journal, "a")
    former = journal.node
    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(former))
    results = await asyncio.gather(journal.append([event("a", 2)]), create(journal, "b"), return_exceptions=True)
    assert [type(result) for result in results] == [Fenced, Fenced]

    await lone_node(journal).registered.wait()
    assert journal.node != former
    with pytest.raises(Fenced):
        await journal.append([event("a", 2)])
    assert await seqs(journal, "a") == [1]
    await create(journal, "c")
    assert await seqs(journal, "b") == []
    assert await journal.take_over(["wiro"], limit=5) == ("a",)
    await journal.append([event("a", 2)])
    assert await seqs(journal, "a") == [1, 2]


async def test_a_task_of_another_node_is_not_written_to(start: Start) -> None:
    """Not even the next event."""
    one, other = await start(), await start()
    await create(one, "a")
    with pytest.raises(Fenced):
        await other.append([event("a", 2)])
    assert await seqs(one, "a") == [1]


async def test_a_job_of_a_former_node_is_not_committed_by_the_next(journal: PostgresJournal, sql: "Connection") -> None:
    """Even if the process has taken the task over in between: another follower appends. Jobs behind it succeed."""
    await create(journal, "a")
    node, former = lone_node(journal), int(journal.node)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM nodes WHERE id = $1 FOR UPDATE", former)
        first = asyncio.create_task(create(journal, "b"))
        await waiting(sql, "Lock")
        second = asyncio.create_task(journal.append([event("a", 2)]))
        await asyncio.sleep(0)
        await node.start()
        await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", former)
        await sql.execute("UPDATE heads SET owner = $1", int(node.id))
        third = asyncio.create_task(create(journal, "c"))
        await asyncio.sleep(0)
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(result) for result in results] == [Fenced, Fenced]
    await third
    assert (await seqs(journal, "a"), await seqs(journal, "c")) == ([1], [1])
    assert node.registered.is_set(), "the node that has registered meanwhile was taken for dead"


async def test_a_commit_that_was_made_before_the_node_died_is_seen(
    cut: tuple[Proxy, PostgresJournal], sql: "Connection"
) -> None:
    """Its caller must not go on, but viewers receive the events: this node is not asked for its own commits."""
    proxy, journal = cut
    heard = hear(journal)
    former = int(journal.node)
    await sql.execute(
        f"CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.alive := false; RETURN NEW; END $$;"
        f"CREATE TRIGGER die BEFORE UPDATE ON nodes FOR EACH ROW WHEN (NEW.id = {former}) EXECUTE FUNCTION die()"
    )
    proxy.cuts = 1
    with pytest.raises(Fenced):
        await journal.append([event("a", 2)])
    assert await seqs(journal, "a") == [1, 2]
    assert [entry.seq for entry in heard] == [2]
    await lone_node(journal).registered.wait()
    assert int(journal.node) != former


async def test_a_lost_answer_is_known_after_another_node_has_written_on(
    cut: tuple[Proxy, PostgresJournal], start: Start, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of the log is the other node's then, and does not tell what this commit took."""
    monkeypatch.setattr(writer_module, "ANSWER_S", 1.0)
    proxy, journal = cut
    other = await start()
    heard = hear(journal)
    proxy.swallows = 1
    appending = asyncio.create_task(journal.append([event("a", 2)]))
    while not proxy.lost:  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(journal.node))
    assert await other.take_over(["wiro"], limit=5) == ("a",)
    await other.append([event("a", 3)])
    with pytest.raises(Fenced):
        await appending

    assert [entry.seq for entry in heard] == [2]
    assert await seqs(other, "a") == [1, 2, 3]


async def test_a_node_that_has_registered_again_is_not_fenced_for_its_former_self(
    cut: tuple[Proxy, PostgresJournal], sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a commit of the former one may come later than the beat that found it dead."""
    monkeypatch.setattr(writer_module, "ANSWER_S", 1.0)
    proxy, journal = cut
    proxy.swallows = 1
    appending = asyncio.create_task(journal.append([event("a", 2)]))
    while not proxy.lost:  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    await sql.execute("UPDATE nodes SET alive = false WHERE id = $1", int(journal.node))
    await lone_node(journal).start()
    node = journal.node
    with pytest.raises(Fenced):
        await appending
    await lone_node(journal).registered.wait()
    await create(journal, "b")

    assert journal.node == node


async def test_a_database_that_has_lost_commits_fences_the_node(journal: PostgresJournal, sql: "Connection") -> None:
    """As after the promotion of a standby that was behind."""
    await create(journal, "a")
    former = journal.node
    await sql.execute("UPDATE nodes SET batch = 0 WHERE id = $1", int(former))
    with pytest.raises(Fenced):
        await create(journal, "b")
    assert await seqs(journal, "b") == []
    await lone_node(journal).registered.wait()
    await create(journal, "b")


async def test_a_node_that_the_database_does_not_know_is_fenced(journal: PostgresJournal, sql: "Connection") -> None:
    """As after a failover that lost its registration."""
    await sql.execute("DELETE FROM nodes")
    with pytest.raises(Fenced):
        await create(journal, "a")
    assert await seqs(journal, "a") == []


async def test_nothing_new_is_committed_to_a_database_with_another_epoch(
    journal: PostgresJournal, sql: "Connection", postgres: PostgresServer
) -> None:
    """As after a failover that lost commits of other nodes: what this node knows of its tasks may be wrong."""
    await create(journal, "a")
    former, epoch = journal.node, journal.epoch
    await sql.execute(ANOTHER_EPOCH)
    await postgres.terminate_backends("application_name = 'relay writer'")
    results = await asyncio.gather(
        journal.append([event("a", 2)]), create(journal, "b"), journal.append([event("a", 3)]), return_exceptions=True
    )
    assert [type(result) for result in results] == [Fenced, Fenced, Fenced]
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([1], [])

    await lone_node(journal).registered.wait()
    assert former != journal.node
    assert epoch != journal.epoch
    await create(journal, "c")
    with pytest.raises(Fenced):
        await journal.append([event("a", 2)])


async def test_a_connection_that_ends_before_a_commit_is_sent_may_be_replaced_by_one_to_another_epoch(
    journal: PostgresJournal, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs have been taken from the queue. They are not sent to that server."""
    await create(journal, "a")
    await sql.execute(ANOTHER_EPOCH)
    writer = journal._owner().writer
    take = writer._take

    def take_and_drop() -> list[Job]:
        monkeypatch.undo()
        writer._session.drop()
        return take()

    monkeypatch.setattr(writer, "_take", take_and_drop)
    with pytest.raises(Fenced):
        await create(journal, "b")
    assert await seqs(journal, "b") == []
    await lone_node(journal).registered.wait()
    await create(journal, "c")


async def test_a_connection_to_a_former_server_does_not_replace_a_node_that_has_registered_elsewhere(
    journal: PostgresJournal, sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch that the connection finds is older than the node."""
    node, epochs = lone_node(journal), 0

    async def read_late(connection: "Connection") -> str:
        nonlocal epochs
        epochs += 1
        found = await read_epoch(connection)
        if epochs == 1:
            await sql.execute(ANOTHER_EPOCH)
            await node.start()
        return found

    monkeypatch.setattr(writer_module, "read_epoch", read_late)
    journal._owner().writer._session.drop()
    registered = []
    monkeypatch.setattr(node, "fenced", lambda: registered.append(node.id))
    with pytest.raises(Fenced):
        await create(journal, "a")
    await create(journal, "b")

    assert epochs == 2
    assert registered == []
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([], [1])


async def test_a_commit_in_doubt_is_finished_in_another_epoch(
    cut: tuple[Proxy, PostgresJournal], sql: "Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have taken effect before the failover. The node is another one after that."""
    proxy, journal = cut
    heard = hear(journal)
    former, fenced, register = journal.node, asyncio.Event(), lone_node(journal).fenced
    monkeypatch.setattr(lone_node(journal), "fenced", fenced.set)
    await sql.execute(ANOTHER_EPOCH)
    proxy.cuts = 1
    await journal.append([event("a", 2)])
    assert fenced.is_set()
    register()
    await lone_node(journal).registered.wait()

    assert former != journal.node
    assert await seqs(journal, "a") == [1, 2]
    assert [entry.seq for entry in heard] == [2]
    with pytest.raises(Fenced):
        await journal.append([event("a", 3)])


async def test_of_creates_with_one_key_on_three_nodes_one_wins(start: Start) -> None:
    """All others receive its claim, and nothing else is created."""
    nodes = [await start() for _ in range(3)]
    created = await asyncio.gather(*(claim(nodes[n % 3], f"t{n}", f"key{n % 2}") for n in range(60)))
    for parity in (0, 1):
        mine = [one for n, one in enumerate(created) if n % 2 == parity]
        winners = {one.winner.task for one in mine if one.winner is not None}
        assert sum(one.winner is None for one in mine) == 1
        assert len(winners) == 1
    logs = [await seqs(nodes[0], f"t{n}") for n in range(60)]
    assert sorted(map(len, logs)) == [0] * 58 + [1, 1]


# Outages


async def test_jobs_fail_when_there_is_no_connection_for_too_long(
    journal: PostgresJournal, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were not tried. Later ones succeed, and reads do, too."""
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.2)
    await create(journal, "a")
    await postgres.stop()
    with pytest.raises(StoreError, match="could not be written"):
        await journal.append([event("a", 2)])
    with pytest.raises(StoreError, match="cannot connect"):
        await seqs(journal, "a")
    assert await journal.check() == "the store cannot be written"

    await postgres.start()
    assert await seqs(journal, "a") == [1]
    assert await journal.check() is None
    await journal.append([event("a", 2)])
    assert await seqs(journal, "a") == [1, 2]


async def test_a_commit_in_doubt_waits_for_the_end_of_an_outage(
    cut: tuple[Proxy, PostgresJournal], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it took effect is unknown, so no caller may be told that it did not. Jobs behind it fail."""
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.0)
    proxy, journal = cut
    postgres.pause()
    proxy.asked.clear()
    in_doubt = asyncio.create_task(journal.append([event("a", 2)]))
    await proxy.asked.wait()
    await postgres.kill()
    with pytest.raises(StoreError):
        await create(journal, "b")
    assert not in_doubt.done()
    await postgres.start()
    await in_doubt
    assert (await seqs(journal, "a"), await seqs(journal, "b")) == ([1, 2], [])


async def test_a_journal_closes_while_the_database_is_gone(
    cut: tuple[Proxy, PostgresJournal], postgres: PostgresServer
) -> None:
    """Its jobs fail."""
    _, journal = cut
    await postgres.stop()
    jobs = [asyncio.create_task(journal.append([event("a", seq)])) for seq in (2, 3)]
    await asyncio.sleep(0)
    await journal.close()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError, StoreError]
    await postgres.start()


async def test_a_journal_closes_while_a_commit_is_in_doubt(
    cut: tuple[Proxy, PostgresJournal], postgres: PostgresServer
) -> None:
    """The database does not come back, so the outcome stays unknown, and the caller gets an error."""
    proxy, journal = cut
    postgres.pause()
    proxy.asked.clear()
    in_doubt = asyncio.create_task(journal.append([event("a", 2)]))
    await proxy.asked.wait()
    await postgres.kill()
    while journal._owner().writer.availability.reason is None:  # noqa: ASYNC110 -- until it tries to connect again
        await asyncio.sleep(0.01)
    await journal.close()
    with pytest.raises(StoreError, match="could not be written"):
        await in_doubt
    await postgres.start()


async def test_the_last_event_ends_what_was_ordered(start: Start, sql: "Connection") -> None:
    """An order about a task that has ended is done, and so is one that the owner names."""
    one = await start()
    for task in ("a", "b"):
        await create(one, task)
        for number in (1, 2):
            await sql.execute("SELECT relay_command($1, $2, 'cancel', '', NULL)", f"{task}{number}", task)
    await one.append([event("a", 2)])
    await one.finish("a2")
    await one.append([event("b", 2, State.SUCCEEDED)])
    assert [command.id for command in await one.commands()] == ["a1"]
