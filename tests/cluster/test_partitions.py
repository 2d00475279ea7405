"""The link between one node and the database fails: its tasks go on elsewhere, and its viewers miss nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from relay.app import Running
from relay.clock import uptime_s
from relay.core.events import State
from relay.core.upstream import UpstreamTask
from relay.journal.postgres import beat, connection, tail, writer
from relay.journal.postgres.notifier import Notifier
from relay.sandbox import Sandbox
from relay.tasks.follower import Follower
from tests.cluster.watching import let_go, send_until_s, start_held, through, until, watching
from tests.conftest import API_KEY, MakeRelay
from tests.postgres.server import PostgresServer
from tests.proxy import Proxy
from tests.tasks.support import MODEL, committed, ended

pytestmark = pytest.mark.cluster

LONGEST_S = 120.0


@pytest.fixture
async def link(postgres: PostgresServer) -> AsyncIterator[Proxy]:
    """Return the link between one node and the server."""
    async with Proxy(0, postgres.port) as link:
        yield link


@pytest.fixture
async def pair(
    database: str,
    link: Proxy,
    make_relay: MakeRelay,
    tmp_path: Path,
    short_times: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Running, Running]]:
    """Return two relays, of which the first reaches the database over the link."""
    monkeypatch.setattr(beat, "BEAT_S", 0.3)
    monkeypatch.setattr(beat, "LIMIT_S", 1.0)
    monkeypatch.setattr(tail, "READ_S", 1.0)
    monkeypatch.setattr(writer, "ANSWER_S", 1.0)
    monkeypatch.setattr(connection, "CONNECT_S", 1.0)
    async with AsyncExitStack() as stack:
        stores = through(database, link.port), database
        relays = [
            await stack.enter_async_context(make_relay(store=store, node=f"node-{number}", spool=tmp_path / "spool"))
            for number, store in enumerate(stores)
        ]
        yield relays[0], relays[1]


@pytest.mark.usefixtures("short_times")
async def test_a_node_that_is_cut_off_is_replaced(pair: tuple[Running, Running], link: Proxy, sandbox: Sandbox) -> None:
    """
    It sends no run meanwhile, and its viewers stay. When the link is back, it is another node.

    A request that it could not finish fails then, and is not sent.
    """
    cut, other = pair
    async with asyncio.timeout(LONGEST_S), AsyncExitStack() as stack:
        task = (await start_held(cut, sandbox)).id
        views = [view for relay in pair for view in await stack.enter_async_context(watching(relay.url, task))]
        former = cut.journal.node
        with link.hanging():
            body = {"model": MODEL, "input": {"prompt": "a fox"}}
            posting = asyncio.create_task(post(cut, "/v1/tasks", body))
            while task not in await other.journal.owned():  # noqa: ASYNC110 -- there is no event for it
                await asyncio.sleep(0.05)
            await let_go(other, sandbox, task)
            await until(lambda: views[1].ended)

            assert send_until_s(cut) < uptime_s()
            assert (views[0].ended, views[0].losses) == (False, 0)
            assert not posting.done()
            assert len(sandbox.runs) == 1
        await until(lambda: views[0].ended)

        assert await posting == 503
        assert cut.journal.node != former
        assert views[0].state == views[1].state
        assert views[0].losses == 0
        assert len(sandbox.runs) == 1
        assert (await committed(cut, (await start_held(cut, sandbox)).id)).upstream_id is not None


@pytest.mark.usefixtures("short_times")
async def test_an_order_for_a_node_that_is_cut_off_is_carried_out_once(
    pair: tuple[Running, Running], link: Proxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next owner of the task: neither lost with the former one, nor carried out by both."""
    called: list[Follower] = []
    call_back = Follower.called_back

    def called_back(follower: Follower, named: UpstreamTask | None = None) -> None:
        called.append(follower)
        call_back(follower, named)

    monkeypatch.setattr(Follower, "called_back", called_back)
    cut, other = pair
    async with asyncio.timeout(LONGEST_S):
        canceled, called_about = [await start_held(cut, sandbox) for _ in range(2)]
        stored = await other.journal.stored_task(called_about.id)
        assert stored is not None
        with link.hanging():
            assert await post(other, f"/hooks/wiro/{stored.hook}") == 200
            assert await post(other, f"/v1/tasks/{canceled.id}/cancel") == 202
            assert (await ended(other, canceled.id)).state is State.CANCELED
            await until(lambda: called)
        former = cut.journal.node
        await until(lambda: cut.journal.node != former)
        await let_go(other, sandbox, called_about.id)
        assert (await ended(other, called_about.id)).state is State.SUCCEEDED
        for relay in pair:
            assert await relay.journal.commands() == ()

        assert sandbox.tasks[canceled.upstream_id or ""].stops_asked == 1
        types = [entry.type for entry in (await cut.journal.read(canceled.id, after=0, limit=1000)).entries]
        assert (types.count("cancel"), types.count("done")) == (1, 1)
        assert len(called) == 1


async def post(relay: Running, path: str, body: object = None) -> int:
    """Send a request, and return the status."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with (
        aiohttp.ClientSession(relay.url, headers=headers) as session,
        session.post(path, json=body) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("failure", ["stranded", "terminated", "not notified"])
async def test_a_viewer_of_another_node_misses_nothing(
    pair: tuple[Running, Running],
    link: Proxy,
    sandbox: Sandbox,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
) -> None:
    """
    Whatever happens to what its node listens on: the connections go silent, or end, or nothing is told.

    The node finds that out by itself, and reads what it has not heard of. Its viewers notice nothing.
    """
    listening, owner = pair
    async with asyncio.timeout(LONGEST_S), AsyncExitStack() as stack:
        task = (await start_held(owner, sandbox)).id
        views = [view for relay in pair for view in await stack.enter_async_context(watching(relay.url, task))]
        node = listening.journal.node
        match failure:
            case "stranded":
                link.strand()
            case "terminated":
                await postgres.terminate_backends("application_name LIKE 'relay %'")
            case _:
                monkeypatch.setattr(Notifier, "committed", lambda *_: None)
        await let_go(owner, sandbox, task)
        await until(lambda: all(view.ended for view in views))

        assert views[0].state == views[1].state
        assert [view.losses for view in views] == [0, 0]
        assert [len(view.snapshots) for view in views] == [1, 1]
        assert listening.journal.node == node
