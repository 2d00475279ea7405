"""What the tests with several relays in one process share: tasks, viewers, links, and waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import aiohttp

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.journal.postgres.journal import PostgresJournal
from relay.sandbox import Sandbox
from tests.chaos.viewers import TaskLink, View, Viewer
from tests.conftest import API_KEY
from tests.tasks.support import committed, request
from tests.tasks.support import release as release_run

POLL_S = 0.02


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that has no event."""
    while not condition():  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(POLL_S)


def through(dsn: str, port: int) -> str:
    """Return the address of a database at another port."""
    head, _, rest = dsn.rpartition("@127.0.0.1:")
    return f"{head}@127.0.0.1:{port}/{rest.partition('/')[2]}"


def journal_of(relay: Running) -> PostgresJournal:
    """Return the journal of a relay."""
    assert isinstance(relay.journal, PostgresJournal)
    return relay.journal


def send_until_s(relay: Running) -> float:
    """Return until when the lease of a relay permits it to send runs."""
    return journal_of(relay)._owner().membership.send_until_s


async def start_held(relay: Running, sandbox: Sandbox, hold_at: str = "task_start") -> Snapshot:
    """Start a task that stops at stages of its run; return its state when the platform has accepted it."""
    sandbox.next_run(hold_at=hold_at)
    started = await relay.context.tasks.start(request())
    assert started.refusal is None
    return await committed(relay, started.snapshot.id)


async def let_go(relay: Running, sandbox: Sandbox, task: str) -> None:
    """Let the run of a task continue from the stage that it stops at."""
    await release_run(sandbox, (await committed(relay, task)).upstream_id)


@asynccontextmanager
async def watching(url: str, *tasks: str) -> AsyncIterator[list[View]]:
    """Watch tasks over a WebSocket each during the block, and reconnect when a connection is lost."""
    views = [View(link=TaskLink(task=task, credential=API_KEY)) for task in tasks]
    viewer = Viewer(url, Random(0), cut_share=0.0)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(viewer.over_socket(view)) for view in views]
        await until(lambda: all(view.state for view in views))
        yield views
        for each in running:
            each.cancel()


async def status(relay: Running, path: str) -> int:
    """Return the status that a relay answers a GET with."""
    async with aiohttp.ClientSession() as session, session.get(f"{relay.url}{path}") as answer:
        return answer.status
