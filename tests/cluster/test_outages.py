"""The database is down: the relays wait for it, and none takes over the tasks of another."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.app import Running
from relay.core.events import State
from relay.journal.postgres import beat
from relay.sandbox import Sandbox
from tests.cluster.watching import let_go, send_until_s, start_held, status, through, until, watching
from tests.conftest import MakeRelay
from tests.postgres.server import PostgresServer
from tests.proxy import Proxy

pytestmark = pytest.mark.cluster

LONGEST_S = 120.0
BEATS = 3


async def test_an_outage_of_the_database_is_waited_for(
    database: str,
    postgres: PostgresServer,
    make_relay: MakeRelay,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Viewers stay connected. The relays are alive and not ready meanwhile, and the same nodes with the same tasks after.

    All leases have run out when the database is back, and the last node takes longer to find it than the others.
    """
    monkeypatch.setattr(beat, "BEAT_S", 0.2)
    monkeypatch.setattr(beat, "full_jitter", lambda _failures: 0.1)
    async with asyncio.timeout(LONGEST_S), Proxy(0, postgres.port) as link, AsyncExitStack() as stack:
        relays = [
            await stack.enter_async_context(make_relay(store=store, node=f"node-{number}", spool=tmp_path / "spool"))
            for number, store in enumerate((database, database, through(database, link.port)))
        ]
        with capture_logs() as lines:
            tasks = [(await start_held(relay, sandbox)).id for relay in relays]
            watched = [await stack.enter_async_context(watching(relay.url, *tasks)) for relay in relays]
            views = [view for each in watched for view in each]
            nodes = [relay.journal.node for relay in relays]
            await postgres.kill()
            assert [await status(relay, "/livez") for relay in relays] == [200] * 3
            assert [await status(relay, "/readyz") for relay in relays] == [503] * 3
            with link.refusing():
                await postgres.start()
                async with postgres.connection(database.rpartition("/")[2]) as connection:
                    await connection.execute("UPDATE nodes SET until = clock_timestamp() - interval '1 minute'")
                await beats(relays[0])
            await beats(relays[2])
            await until_ready(relays)
            for relay, task in zip(relays, tasks, strict=True):
                await let_go(relay, sandbox, task)
            await until(lambda: all(view.ended for view in views))

        assert [relay.journal.node for relay in relays] == nodes
        assert {view.losses for view in views} == {0}
        assert {view.state.state for view in views if view.state is not None} == {State.SUCCEEDED}
        assert len(sandbox.runs) == 3
        assert not [line for line in lines if line["event"] in ("node.declared_dead", "tasks.taken_over")]


async def beats(relay: Running) -> None:
    """Wait until a node has renewed its lease a few times."""
    for _ in range(BEATS):
        last_s = send_until_s(relay)
        await until(lambda last_s=last_s: send_until_s(relay) != last_s)  # type: ignore[misc]


async def until_ready(relays: list[Running]) -> None:
    """Wait until all relays are ready."""
    while [await status(relay, "/readyz") for relay in relays] != [200] * len(relays):  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.05)
