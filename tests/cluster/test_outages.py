"""The database is down for longer than a lease: the relays wait for it, and none takes over the tasks of another."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from relay.clock import uptime_s
from relay.core.events import State
from relay.journal.postgres import beat
from relay.sandbox import Sandbox
from tests.cluster.conftest import StartNodes
from tests.cluster.short_times import LEASE_S
from tests.cluster.watching import let_go, send_until_s, start_held, status, until, watching
from tests.postgres.server import PostgresServer

LONGEST_S = 120.0


@pytest.mark.usefixtures("short_times")
async def test_an_outage_of_the_database_is_waited_for(
    database: str,
    postgres: PostgresServer,
    start_nodes: StartNodes,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    All leases have run out when it is back.

    Viewers stay connected. The relays are alive and not ready meanwhile, and the same nodes with the same tasks after
    it.
    """
    monkeypatch.setattr(beat, "full_jitter", lambda _failures: 0.1)  # a lease is short here
    async with asyncio.timeout(LONGEST_S), start_nodes(database) as relays, AsyncExitStack() as stack:
        with capture_logs() as lines:
            tasks = [(await start_held(relay, sandbox)).id for relay in relays]
            watched = [await stack.enter_async_context(watching(relay.url, *tasks)) for relay in relays]
            views = [view for each in watched for view in each]
            nodes = [relay.journal.node for relay in relays]
            await postgres.kill()
            assert [await status(relay, "/livez") for relay in relays] == [200] * 3
            assert [await status(relay, "/readyz") for relay in relays] == [503] * 3
            await until(lambda: all(uptime_s() > send_until_s(relay) + LEASE_S for relay in relays))
            await postgres.start()
            while [await status(relay, "/readyz") for relay in relays] != [200] * 3:  # noqa: ASYNC110 -- no event for it
                await asyncio.sleep(0.05)
            await until(lambda: all(uptime_s() < send_until_s(relay) for relay in relays))
            for relay, task in zip(relays, tasks, strict=True):
                await let_go(relay, sandbox, task)
            await until(lambda: all(view.ended for view in views))

        assert [relay.journal.node for relay in relays] == nodes
        assert {view.losses for view in views} == {0}
        assert {view.state.state for view in views if view.state is not None} == {State.SUCCEEDED}
        assert len(sandbox.runs) == 3
        assert not [line for line in lines if line["event"] in ("node.declared_dead", "tasks.taken_over")]
