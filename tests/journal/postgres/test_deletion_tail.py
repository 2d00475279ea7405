"""What another node has deleted is found: at least once, whatever the order in which transactions end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from relay.journal.postgres.connection import connect
from relay.journal.postgres.deletion_tail import NEXT, DeletionTail
from relay.journal.postgres.session import Session
from tests.journal.postgres.cluster import connected, member

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_DELETE = "INSERT INTO tombstones (task, at, upstream) VALUES ($1, extract(epoch FROM clock_timestamp()) - $2, false)"


@pytest.fixture
async def two(database: str) -> "AsyncIterator[tuple[Connection, Connection]]":
    """Return two connections to a database with tables."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(connected(database)),
            await stack.enter_async_context(connected(database)),
        )


async def test_a_deletion_that_is_committed_late_is_found(database: str, two: "tuple[Connection, Connection]") -> None:
    """Its transaction began before one whose deletion was found already. Nothing is told again at once."""
    slow, quick = two
    told: list[str] = []
    tail, session = DeletionTail(told.extend), Session(partial(connect, database, "tail"))
    await quick.execute(_DELETE, "before", 0)
    tail.begin(await quick.fetchval(NEXT))

    async def look() -> list[str]:
        tail.look_soon()
        await tail.read(session, 5.0)
        await tail.read(session, 5.0)  # not due
        heard, told[:] = list(told), []
        return heard

    late = slow.transaction()
    await late.start()
    await slow.execute(_DELETE, "late", 0)
    await quick.execute(_DELETE, "first", 0)
    assert await look() == ["first"]
    assert await look() == []
    await late.commit()
    assert await look() == ["late"]
    assert await look() == []
    await quick.execute(_DELETE, "of another server", 90_000)
    assert await look() == []
    await session.close()


async def test_a_node_hears_what_another_one_has_deleted(database: str, two: "tuple[Connection, Connection]") -> None:
    """By a notification, or with its next beat."""
    sql, _ = two
    async with member(database) as node:
        told: list[str] = []
        node.deliveries.add(lambda _: None, deleted=told.extend)
        await sql.execute(_DELETE, "a", 0)
        await sql.execute("SELECT pg_notify('relay', 'deleted:7')")
        await node.caught_up()
        await sql.execute(_DELETE, "b", 0)
        await node.beats()
        await node.caught_up()
        assert told == ["a", "b"]
