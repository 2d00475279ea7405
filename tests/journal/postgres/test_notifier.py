"""How often other nodes are told of commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.errors import StoreError
from relay.journal.postgres import notifier
from relay.journal.postgres.connection import connect
from relay.journal.postgres.notifier import Notifier
from tests.journal.postgres.cluster import NEVER_S, Connection

pytestmark = pytest.mark.cluster


class Ear:
    """Records what is notified."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.payloads.append(str(payload))
        self._changed.set()

    async def until(self, payload: str) -> None:
        while payload not in self.payloads:
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def running(dsn: str) -> AsyncIterator[Notifier]:
    """Run a notifier during the block."""
    one = Notifier(dsn)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await one.close()


@pytest.fixture
async def ear(connection: Connection) -> Ear:
    ear = Ear()
    await connection.add_listener("relay", ear)
    return ear


async def test_many_commits_cost_few_notifications(database: str, ear: Ear) -> None:
    """The first one is told at once, and the last one is told."""
    async with running(database) as one:
        one.committed("7", 1)
        await ear.until("7:1")
        for batch in range(2, 101):
            one.committed("7", batch)
        await ear.until("7:100")

    assert ear.payloads == ["7:1", "7:100"]


async def test_notifications_are_sent_with_a_pause_in_between(
    database: str, connection: Connection, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one takes a lock of the whole server."""
    monkeypatch.setattr(notifier, "PAUSE_S", NEVER_S)
    async with running(database) as one:
        one.committed("7", 1)
        await ear.until("7:1")
        one.committed("7", 2)
        for _ in range(50):
            await connection.execute("SELECT")

    assert ear.payloads == ["7:1"]


@pytest.mark.parametrize("newer", [True, False])
async def test_a_notification_that_fails_is_sent_again(
    database: str, ear: Ear, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    """Unless there is a newer one: a batch that is told includes all earlier ones."""
    monkeypatch.setattr(notifier, "full_jitter", lambda _failures: 0.0)
    async with running(database) as one:

        async def fail_once(*arguments: object, **options: object) -> object:
            monkeypatch.setattr(notifier, "connect", connect)
            if newer:
                one.committed("7", 2)
            raise StoreError("the server is down")

        monkeypatch.setattr(notifier, "connect", fail_once)
        one.committed("7", 1)
        await ear.until("7:2" if newer else "7:1")

    assert ear.payloads == ["7:2" if newer else "7:1"]


async def test_another_connection_is_used_when_the_server_may_be_another_one(database: str, ear: Ear) -> None:
    """The former one may still accept statements."""
    async with running(database) as one:
        one.committed("7", 1)
        await ear.until("7:1")
        one.reconnect()
        one.committed("7", 2)
        await ear.until("7:2")

    assert ear.payloads == ["7:1", "7:2"]
