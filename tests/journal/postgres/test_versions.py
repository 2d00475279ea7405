"""Nodes of two versions share a database during a rolling deploy."""

from typing import TYPE_CHECKING

from relay.core.events import Event, Source, State, Unknown
from relay.journal.postgres import migrations
from tests.journal.postgres.conftest import Start
from tests.journal.postgres.records import create, seqs

if TYPE_CHECKING:
    import pytest

    from relay.journal.postgres.connection import Connection

TABLES = (
    "nodes",
    "heads",
    "tasks",
    "upstreams",
    "events",
    "claims",
    "commands",
    "secrets",
    "meta",
    "listed",
    "words",
    "copies",
    "webhooks",
    "tombstones",
    "audit",
    "revocations",
    "tallies",
    "starts",
    "spent",
    "usage",
)


async def test_an_older_node_reads_what_a_later_one_writes(
    start: Start, sql: "Connection", monkeypatch: "pytest.MonkeyPatch"
) -> None:
    """It passes over columns and types of events that it does not know, and goes on to write."""
    older = await start()
    await create(older, "a")
    version = migrations.SCHEMA_VERSION
    with monkeypatch.context() as later:
        later.setattr(migrations, "SCHEMA_VERSION", version + 1)
        added = "; ".join(f"ALTER TABLE {table} ADD COLUMN later text DEFAULT 'x'" for table in TABLES)
        later.setattr(migrations, "_UPGRADES", {version: added})
        newer = await start()
    await create(newer, "b")
    landing = Event(type="landing", task="b", seq=2, state=State.RUNNING, at=9.0, source=Source.LIVE, data=Unknown())
    await newer.append([landing])

    assert await seqs(older, "b") == [1, 2]
    (entry,) = (await older.read("b", after=1, limit=10)).entries
    assert (entry.type, entry.state) == ("landing", State.RUNNING)
    snapshot = await older.snapshot("b")
    assert snapshot is not None
    assert (snapshot.seq, snapshot.state) == (2, State.RUNNING)
    await create(older, "c")
    assert await seqs(newer, "c") == [1]
    restarted = await start()
    await create(restarted, "d")
    assert await seqs(newer, "d") == [1]
