"""
Copies between stores of every kind: what arrives, and that an interrupted or wrong copy is never served.

Covers the modules `transfer` of both kinds, too.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from relay.core.events import Cost, Output, Stall, State
from relay.core.snapshot import begin, fold
from relay.core.spending import Charge, Limit
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.errors import ConfigError, RelayError, StoreDamaged, StoreError
from relay.journal import copying
from relay.journal.audit import Action, AuditEntry, AuditFilter
from relay.journal.base import Claim, Journal, StoredTask, Subscription
from relay.journal.copying import Copied, Differs, copy_all
from relay.journal.deletions import Tombstone
from relay.journal.file_copies import CopyState, copies_of
from relay.journal.lists import Filter
from relay.journal.nodes import Command, Order
from relay.journal.outbox import DeliveryFilter, Outcome, Status, Webhook
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.transfer import postgres_store
from relay.journal.revocations import Kind, Revocation
from relay.journal.sqlite import SQLiteJournal
from relay.journal.sqlite.transfer import sqlite_store
from relay.journal.transfer import CHUNK_ROWS, LogRow, Store, TaskCopy, digests, unsent
from tests.journal.postgres.membership import join
from tests.journal.postgres.records import event, record, seqs, submit
from tests.postgres.server import PostgresServer

LONG = CHUNK_ROWS + 50
"""A log of this length is read in several steps."""


@dataclass(frozen=True, slots=True)
class SQLiteSide:
    """A store in a file."""

    path: Path

    def journal(self) -> Journal:
        return SQLiteJournal(self.path)

    @asynccontextmanager
    async def store(self, *, target: bool) -> AsyncIterator[Store]:
        with sqlite_store(self.path, target=target) as store:
            yield store

    async def run(self, statement: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement)
        connection.close()

    async def leave(self) -> None:
        """Do nothing: the lock is gone with the journal."""


@dataclass(frozen=True, slots=True)
class PostgresSide:
    """A store in a database."""

    dsn: str

    def journal(self) -> Journal:
        return PostgresJournal(self.dsn, join=join)

    def store(self, *, target: bool) -> AbstractAsyncContextManager[Store]:
        return postgres_store(self.dsn, target=target)

    async def run(self, statement: str) -> None:
        connection = await connect(self.dsn, "test")
        await connection.execute(statement)
        await close(connection)

    async def leave(self) -> None:
        """Say that all nodes have stopped, which the membership of the tests does not."""
        await self.run("UPDATE nodes SET alive = false")


Side = SQLiteSide | PostgresSide


ACROSS = ["sqlite to postgres", "postgres to sqlite"]
WITHIN = ["sqlite to sqlite", "postgres to postgres"]


@pytest.fixture(params=ACROSS)
async def sides(
    request: pytest.FixtureRequest, shared_postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[tuple[Side, Side]]:
    """Return two stores that do not exist yet."""
    async with AsyncExitStack() as lent:

        async def make(kind: str, name: str) -> Side:
            if kind == "sqlite":
                return SQLiteSide(tmp_path / name)
            return PostgresSide(await lent.enter_async_context(shared_postgres.database()))

        source, _, target = request.param.partition(" to ")
        yield await make(source, "from.db"), await make(target, "to.db")


@pytest.fixture
def source(sides: tuple[Side, Side]) -> Side:
    return sides[0]


@pytest.fixture
def target(sides: tuple[Side, Side]) -> Side:
    return sides[1]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGE_TASKS", 2)


@asynccontextmanager
async def opened(side: Side, *, lock: bool = True) -> AsyncIterator[Journal]:
    """Open the journal of a side during the block."""
    journal = side.journal()
    await journal.open(lock=lock)
    try:
        yield journal
    finally:
        await journal.close()
        if lock:
            await side.leave()


def ignore(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


async def copy(source: Side, target: Side, progress: copying.Progress = ignore) -> Copied:
    async with source.store(target=False) as ours, target.store(target=True) as theirs:
        return await copy_all(ours, theirs, progress)


def full(task: str) -> StoredTask:
    """Return a task with everything that can be stored for one."""
    return replace(
        record(task, created_at=2.5),
        model="Öwner/Model",
        tags=("z-tag", "b", "z-tag"),
        title="Kätzchen",
        input={"prompt": "ä\0", "nested": [1, {"deep": None}], "float": 0.1},
        metadata={"customer": "é"},
        hook="secret-hook",
        webhook=Subscription(url="https://hooks.example.com/", events=("task.done",)),
        started_by="shop",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        checked=CheckedInput(model="O/m", input={"seed": 10**29}),
        files=(
            File(
                input="image",
                filename="kätzchen.png",
                content_type="image/png",
                size_bytes=7,
                sha256="ab" * 32,
                path=Path("upload/0"),
            ),
        ),
    )


async def fill(side: Side) -> None:
    """Store a task with everything, one with a long log, one that is trimmed and has ended, and two that wait."""
    async with opened(side) as journal:
        key = Claim(key="the-key", digest="d", task="full", at=7.25)
        await journal.create(full("full"), submit("full"), claim=key)
        named = UpstreamTask(upstream_id="u-1", socket_token="t-1")
        hooks = [
            Webhook(id=f"msg_{number}", task="full", url=url, type="task.done", body=b'"\xc3\xa9"', created_at=9.5)
            for number, url in enumerate(("https://a/", "https://a/", "https://b/", "https://c/"))
        ]
        await journal.append([event("full", 2)], upstream=named, webhooks=hooks)
        await journal.outbox.claim((), per_url=5, limit=10)
        failed = Outcome(status=Status.PENDING, answer="HTTP 500", tried_at=10.5, again_in_s=3600.0)
        await journal.outbox.settle("msg_2", failed)
        await journal.outbox.settle("msg_3", replace(failed, status=Status.DELIVERED))
        await journal.create(record("long"), submit("long"))
        stall = Stall(silent_s=60.0, checked="nothing new")
        await journal.append([replace(event("long", 2), type="stall", data=stall)])
        await journal.append([event("long", seq) for seq in range(3, LONG + 1)])
        await journal.create(record("over"), submit("over"))
        events = [submit("over"), event("over", 2), event("over", 3, State.SUCCEEDED)]
        state = fold(begin(events[0], journal.epoch), events[1:])
        outputs = Output(content_type="image/png", name="ä.png", size=7, url="https://cdn.example/0.png")
        await journal.append(
            events[1:], snapshot=state, folded=state, copies=copies_of("over", "wiro", (outputs, outputs))
        )
        (file,) = await journal.copies.claim(9.0, limit=1)
        kept = replace(file, state=CopyState.KEPT, sha256="ab" * 32, kept_at=9.5, attempts=2)
        await journal.copies.settle(kept)
        await journal.copies.claim(9.0, limit=1)
        for task in ("wait-1", "wait-2"):
            await journal.create(record(task), submit(task))
            await journal.append([event(task, 2, State.HELD)])
        await journal.keep_secret("api_key", "rk_kept")
        await journal.save_time(1234.5)


@pytest.mark.parametrize("sides", [*ACROSS, *WITHIN], indirect=True)
async def test_everything_arrives(source: Side, target: Side) -> None:
    """A journal reads in the copy what it read in the source."""
    await fill(source)

    copied = await copy(source, target)

    assert (copied.tasks, copied.added, copied.events, copied.unsent_files) == (5, 5, 2 + LONG + 3 + 4, 1)
    async with opened(source, lock=False) as ours, opened(target) as theirs:
        for task in ("full", "long", "over", "wait-1", "wait-2"):
            assert await theirs.stored_task(task) == await ours.stored_task(task)
            assert await theirs.read(task, after=0, limit=1000) == await ours.read(task, after=0, limit=1000)
            there, here = await theirs.snapshot(task), await ours.snapshot(task)
            assert there is not None
            assert here is not None
            assert replace(there, epoch="") == replace(here, epoch="")
        ours_kept, theirs_kept = [
            [replace(file, owner=None) for file in await each.copies.of_task("over")] for each in (ours, theirs)
        ]
        assert (len(ours_kept), ours_kept) == (2, theirs_kept)
        assert await theirs.find_hook("wiro", "secret-hook") == "full"
        assert await theirs.find_upstream("wiro", UpstreamTask(upstream_id="u-1", socket_token=None)) == "full"
        assert await theirs.find_upstream("wiro", UpstreamTask(upstream_id=None, socket_token="t-1")) == "full"
        assert await theirs.find_claim("the-key") == Claim(key="the-key", digest="d", task="full", at=7.25)
        assert await theirs.queued("wiro") == ("wait-1", "wait-2")
        assert await theirs.prompts(["full"]) == {"full": "ä\ufffd"}
        held, word, title = Filter(states=(State.HELD,)), Filter(words=("model",)), Filter(words=("kätz",))
        for where in (Filter(), Filter(tag="z-tag"), held, word, title, Filter(stalled=True)):
            assert await theirs.page(where, after=None, limit=10) != ()
            assert await theirs.page(where, after=None, limit=10) == await ours.page(where, after=None, limit=10)
        assert await theirs.keep_secret("api_key", "another") == "rk_kept"
        assert await theirs.saved_time() == 1234.5
        assert await theirs.size_bytes() > 5000
        everything = DeliveryFilter()
        mine, same = [await each.outbox.page(everything, before=None, limit=10) for each in (ours, theirs)]
        assert [replace(each, next_in_s=None) for each in same] == [unsent(each) for each in mine]
        due = await theirs.outbox.claim((), per_url=5, limit=10)
        assert sorted(each.webhook.id for each in due.deliveries) == ["msg_0", "msg_2"]
        await theirs.take_over(["wiro"], limit=10)
        await theirs.append([event("full", 3)], webhooks=[replace(due.deliveries[0].webhook, id="msg_9")])
        newest = await theirs.outbox.page(everything, before=None, limit=1)
        assert newest[0].webhook.id == "msg_9"


async def test_the_first_relay_continues_the_tasks(source: Side, target: Side) -> None:
    """It owns all that have not ended, and appends to their logs."""
    await fill(source)
    await copy(source, target)

    async with opened(target) as journal:
        await journal.take_over(["wiro"], limit=10)
        assert await journal.owned() == ("long", "wait-1", "wait-2", "full")
        await journal.append([event("long", LONG + 1)])
        assert (await seqs(journal, "long"))[-1] == LONG + 1
        assert await journal.prune(ended_before=1e9, limit=10) == ("over",)


async def test_what_is_left_of_deleted_tasks_arrives(source: Side, target: Side) -> None:
    """Their tombstones and their idempotency keys."""
    await fill(source)
    claim = Claim(key="a-key", digest="d", task="gone", at=7.25)
    async with opened(source) as journal:
        await journal.create(record("gone"), submit("gone"), claim=claim)
        await journal.append([event("gone", 2, State.SUCCEEDED)])
        await journal.deletions.delete(["gone"], at=20.0, upstream=True)
    await copy(source, target)

    async with opened(target) as journal:
        assert await journal.deletions.find("gone") == Tombstone(task="gone", at=20.0, upstream=True)
        assert await journal.find_claim("a-key") == claim


async def test_the_accounts_arrive(source: Side, target: Side) -> None:
    """What was started and spent, and what running tasks have reserved."""
    estimate = Cost(amount=0.5, unit="usd")
    charged = Charge(day=3, provider="p", model="m", key="k", tags=("u",), counts={"count": 1, "cost:usd": 2.0})
    async with opened(source) as journal:
        for name in ("ended", "running"):
            await journal.create(replace(record(name), tags=("u",), estimate=estimate), submit(name))
        await journal.append([event("ended", 2, State.SUCCEEDED)], charge=charged)
        uses = await journal.accounts.usage(since=3, until=3, tagged=True)
    await copy(source, target)

    async with opened(target) as journal:
        assert await journal.accounts.usage(since=3, until=3, tagged=True) == uses
        spending = Limit(account="tag:u", counted="usd", most=2.6)
        starts = Limit(account="tag:u", counted="starts", most=2)
        for limit in (spending, starts):
            more = replace(record("more"), estimate=estimate)
            exceeded = (await journal.create(more, submit("more"), limits=[limit])).exceeded
            assert exceeded is not None
            assert (exceeded.used, exceeded.reserved) == ((2.0, 0.5) if limit is spending else (2, 0))


async def test_the_audit_and_revocations_arrive(source: Side, target: Side) -> None:
    """What is added later has other numbers."""
    entries = [AuditEntry(id=name, at=1.5, action=Action.START, key="shop", status=201) for name in ("a", "b")]
    revoked = Revocation(kind=Kind.TAG, name="é", at=5.0, expires_at=50.0)
    async with opened(source) as journal:
        await journal.audit.add(entries)
        await journal.revocations.add(revoked)
    await copy(source, target)

    async with opened(target) as journal:
        await journal.audit.add([replace(entries[0], id="c")])
        page = await journal.audit.page(AuditFilter(), before=None, limit=5)
        assert [each.entry.id for each in page] == ["c", "b", "a"]
        assert page[1].entry == entries[1]
        assert (await journal.revocations.since(0)).revocations == (revoked,)


async def test_a_copy_back_is_the_same(source: Side, target: Side, tmp_path: Path) -> None:
    """The hash of all tasks does not depend on the kind of the store."""
    await fill(source)
    there = await copy(source, target)

    back = await copy(target, SQLiteSide(tmp_path / "back.db"))

    assert back == there


async def test_the_copy_has_a_new_epoch(source: Side, target: Side) -> None:
    """Cursors of viewers from before the copy are not valid in it, even if the target was served before."""
    async with opened(target) as journal:
        before = journal.epoch
        await journal.keep_secret("api_key", "unused")
    if isinstance(target, PostgresSide):
        await target.run("INSERT INTO meta (name, value) VALUES ('epoch:1:00000001', 'old')")
    await fill(source)

    await copy(source, target)

    if isinstance(target, PostgresSide):
        await target.run("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM meta WHERE name LIKE 'epoch:%'); END $$")
    async with opened(target) as journal:
        assert journal.epoch != before
        assert await journal.keep_secret("api_key", "another") == "rk_kept"


class Interrupted(Exception):
    """Raised by a test in the middle of a copy."""


def interrupt(at: int) -> Callable[[str, int, int], None]:
    """Return a progress that raises once a number of tasks is copied."""

    def progress(what: str, done: int, _total: int) -> None:
        if (what, done) == ("Copying", at):
            raise Interrupted

    return progress


async def test_an_interrupted_copy_is_continued(source: Side, target: Side) -> None:
    """What is there is not copied again; meanwhile, no relay serves the incomplete store."""
    await fill(source)
    with pytest.raises(Interrupted):
        await copy(source, target, interrupt(2))

    for lock in (True, False):
        with pytest.raises(ConfigError, match="not finished: run `relay store copy` again"):
            await target.journal().open(lock=lock)
    copied = await copy(source, target)

    assert (copied.tasks, copied.added, copied.events) == (5, 3, 7)
    async with opened(target) as journal:
        assert len(await seqs(journal, "long")) == LONG


async def test_a_page_is_copied_as_a_whole_or_not(source: Side, target: Side) -> None:
    """A copy that ends amid the logs of a page leaves nothing of it."""
    await fill(source)

    async def broken() -> AsyncIterator[list[LogRow]]:
        async with source.store(target=False) as ours:
            async for rows in ours.log("full", "long"):
                yield list(rows)
        raise Interrupted

    async with target.store(target=True) as theirs:
        async with source.store(target=False) as ours:
            page = await ours.tasks(after="", limit=2)
        await theirs.begin()
        with pytest.raises(Interrupted):
            await theirs.add(page, broken())
        assert await theirs.count() == 0
    assert (await copy(source, target)).added == 5


async def test_a_repeated_copy_only_verifies(source: Side, target: Side) -> None:
    """Nothing is added to a complete copy."""
    await fill(source)
    first = await copy(source, target)

    assert await copy(source, target) == replace(first, added=0, events=0)


async def test_a_target_with_other_tasks_is_not_written_to(source: Side, target: Side) -> None:
    """Neither if the source has none of them, nor if their logs are longer."""
    await fill(source)
    async with opened(target) as journal:
        await journal.create(record("own"), submit("own"))

    with pytest.raises(Differs, match=r"the target has other tasks than the source \(own\)"):
        await copy(source, target)

    async with opened(target) as journal:
        assert [found.id for found in await journal.page(Filter(), after=None, limit=10)] == ["own"]


async def test_a_copy_that_was_served_is_not_written_to(source: Side, target: Side) -> None:
    """Its logs have more events than those of the source."""
    await fill(source)
    await copy(source, target)
    async with opened(target) as journal:
        await journal.take_over(["wiro"], limit=10)
        await journal.append([event("wait-2", 3)])

    with pytest.raises(Differs, match="wait-2"):
        await copy(source, target)


async def test_a_source_that_was_served_during_a_copy_is_noticed(source: Side, target: Side) -> None:
    """What was copied is not the source any more."""
    await fill(source)
    with pytest.raises(Interrupted):
        await copy(source, target, interrupt(2))
    async with opened(source) as journal:
        await journal.take_over(["wiro"], limit=10)
        await journal.append([event("full", 3)])

    with pytest.raises(Differs, match=r"the source has changed since the copy began \(differences: full\)"):
        await copy(source, target)


@pytest.mark.parametrize("sides", ["sqlite to postgres"], indirect=True)
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            "INSERT INTO tasks SELECT (jsonb_populate_record(t, '{\"id\": \"zz\"}')).* FROM tasks t WHERE id = 'over'",
            "the target has 6 tasks, and the source 5",
        ),
        ("DELETE FROM tasks WHERE id = 'wait-2'", "1 tasks differ between the stores, such as wait-2"),
    ],
    ids=["added", "deleted"],
)
async def test_a_target_that_changes_during_the_comparison_is_noticed(
    source: Side, target: Side, monkeypatch: pytest.MonkeyPatch, change: str, difference: str
) -> None:
    """After the last task of the source, too. A file is locked, so this only happens to a database."""
    await fill(source)

    async def change_then_read(store: Store, tasks: Sequence[TaskCopy]) -> dict[str, bytes]:
        monkeypatch.setattr(copying, "digests", digests)
        await target.run(change)
        return await digests(store, tasks)

    monkeypatch.setattr(copying, "digests", change_then_read)

    with pytest.raises(Differs, match=difference):
        await copy(source, target)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET body = body || body WHERE task = 'long' AND seq = 201",
        "DELETE FROM events WHERE task = 'long' AND seq = 3",
        "UPDATE tasks SET metadata = input WHERE id = 'full'",
        "UPDATE claims SET digest = 'e'",
        "DELETE FROM claims",
    ],
)
async def test_a_difference_is_found(source: Side, target: Side, change: str) -> None:
    """An incorrect copy is not finished, so that no relay serves it."""
    await fill(source)
    with pytest.raises(Interrupted):
        await copy(source, target, interrupt(4))
    await target.run(change if isinstance(target, PostgresSide) else change.replace("body || body", "x'00'"))

    with pytest.raises(Differs, match=r"1 tasks differ between the stores, such as (long|full)\."):
        await copy(source, target)

    with pytest.raises(ConfigError, match="not finished"):
        await target.journal().open(lock=True)


@pytest.mark.parametrize("which", ["source", "target"])
async def test_a_store_that_a_relay_has_open_is_refused(sides: tuple[Side, Side], which: str) -> None:
    """Nothing is copied from it or to it."""
    source, target = sides
    await fill(source)

    async with opened(source if which == "source" else target):
        with pytest.raises(ConfigError, match=r"in use by another relay|the relay test uses .*: stop it"):
            await copy(source, target)

    assert (await copy(source, target)).added == 5


async def test_a_store_that_does_not_exist_is_no_source(source: Side, target: Side) -> None:
    """It is not created."""
    with pytest.raises(ConfigError, match=r"there is no store at|the database has no tables yet"):
        await copy(source, target)
    assert not isinstance(source, SQLiteSide) or not source.path.exists()


async def test_a_store_that_was_never_used_can_be_copied(source: Side, target: Side) -> None:
    """It has no tasks, and no time was saved in it."""
    async with opened(source):
        pass

    assert (await copy(source, target)).tasks == 0

    async with opened(target) as journal:
        assert await journal.saved_time() is None
        assert await journal.page(Filter(), after=None, limit=1) == ()


# SQLite only


@pytest.mark.parametrize("sides", ["sqlite to postgres"], indirect=True)
async def test_a_damaged_file_is_named(source: Side, target: Side) -> None:
    """A task without events cannot be copied, and a table that is missing is an error of the store."""
    await fill(source)
    await source.run("DELETE FROM events WHERE task = 'wait-1'")
    with pytest.raises(StoreDamaged, match="wait-1"):
        await copy(source, target)

    async with source.store(target=False) as store:
        await source.run("DROP TABLE events")
        with pytest.raises(StoreError, match="the SQLite store failed: no such table: events"):
            await store.ends(after="", limit=1)


# PostgreSQL only


@pytest.fixture
async def databases(postgres: PostgresServer) -> AsyncIterator[tuple[PostgresSide, PostgresSide]]:
    async with postgres.database() as one, postgres.database() as two:
        yield PostgresSide(one), PostgresSide(two)


async def test_a_relay_that_starts_waits_for_the_end_of_the_copy(databases: tuple[PostgresSide, PostgresSide]) -> None:
    """It neither serves the source, which would change, nor the target, which is not complete."""
    source, target = databases
    await fill(source)
    async with source.store(target=False) as ours, target.store(target=True) as theirs:
        journals = [source.journal(), target.journal()]
        starts = [asyncio.create_task(journal.open(lock=True)) for journal in journals]
        for side in databases:
            connection = await connect(side.dsn, "test")
            waiting = "SELECT true FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            waiting += " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            while not await connection.fetchval(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await close(connection)
        await copy_all(ours, theirs, ignore)

    await asyncio.gather(*starts)
    for journal in journals:
        await journal.close()


async def test_two_copies_at_once_are_refused(databases: tuple[PostgresSide, PostgresSide], tmp_path: Path) -> None:
    """The second one changes nothing."""
    source, target = databases
    await fill(source)
    async with source.store(target=False) as ours, target.store(target=True) as theirs:
        with pytest.raises(ConfigError, match="another copy uses"):
            await copy(source, SQLiteSide(tmp_path / "to.db"))
        assert (await copy_all(ours, theirs, ignore)).added == 5


async def test_orders_are_copied_and_refused_by_sqlite(
    databases: tuple[PostgresSide, PostgresSide], tmp_path: Path
) -> None:
    """An order that is lost would be a cancellation without effect, or a run that is never found."""
    source, target = databases
    await fill(source)
    named = UpstreamTask(upstream_id="u-9", socket_token="t-9")
    order = Command(id="c", task="long", order=Order.CALLED_BACK, by="", named=named)
    async with opened(source) as journal:
        await journal.command(order)

    await copy(source, target)

    async with opened(target) as journal:
        await journal.take_over(["wiro"], limit=10)
        assert await journal.commands() == (order,)
    with pytest.raises(RelayError, match="task long has orders that its owner has not received"):
        await copy(source, SQLiteSide(tmp_path / "to.db"))


async def test_a_node_whose_lease_has_run_out_is_dead_after_the_copy(
    databases: tuple[PostgresSide, PostgresSide],
) -> None:
    """A relay that comes back after a pause registers again, and does not continue with its old state."""
    source, target = databases
    await fill(source)
    await source.run("UPDATE nodes SET alive = true, until = now() - interval '1 second'")

    await copy(source, target)

    await source.run("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM nodes WHERE alive); END $$")


async def test_the_size_is_that_of_the_source(databases: tuple[PostgresSide, PostgresSide]) -> None:
    """The first relay takes over the count."""
    source, target = databases
    await fill(source)
    async with opened(source, lock=False) as journal:
        size = await journal.size_bytes()

    await copy(source, target)

    async with opened(target, lock=False) as journal:
        assert await journal.size_bytes() == size
        assert await journal.nodes() == ()
    async with opened(target) as journal:
        assert await journal.size_bytes() == size
        assert [node.name for node in await journal.nodes()] == ["test"]


async def test_a_failing_server_is_named(
    databases: tuple[PostgresSide, PostgresSide], postgres: PostgresServer
) -> None:
    """The error is one of the store, so the command says how to continue."""
    source, target = databases
    await fill(source)
    async with source.store(target=False) as ours, target.store(target=True) as theirs:
        await postgres.terminate_backends("application_name = 'relay copy'")
        with pytest.raises(StoreError, match=r"PostgreSQL at 127\.0\.0\.1"):
            await copy_all(ours, theirs, ignore)

    assert (await copy(source, target)).tasks == 5


# SQLite only


async def test_tasks_that_are_the_same_upstream_task_are_copied(tmp_path: Path, database: str) -> None:
    """Earlier versions could store them. The first one is found."""
    source, target = SQLiteSide(tmp_path / "from.db"), PostgresSide(database)
    await fill(source)
    await source.run("UPDATE tasks SET upstream_id = 'u-1' WHERE id = 'long'")

    assert (await copy(source, target)).added == 5
    assert (await copy(target, SQLiteSide(tmp_path / "back.db"))).added == 5

    async with opened(target, lock=False) as journal:
        assert await journal.find_upstream("wiro", UpstreamTask(upstream_id="u-1", socket_token=None)) == "full"
