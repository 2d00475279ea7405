"""
Canceling tasks, callbacks, and the task list.

Starting and attaching have tests of their own: `test_starting.py`, `test_attaching.py`. The ids of tasks and callback
addresses (`relay.tasks.ids`) are tested in `tests/security/test_hooks.py`, the requests with the API.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import State
from relay.errors import Code, RequestError
from relay.journal.lists import Filter
from relay.journal.nodes import Command
from relay.sandbox import Sandbox
from relay.tasks import commands
from relay.tasks.follower import Follower
from tests.tasks.nodes import until
from tests.tasks.shared_journal import SharedJournal
from tests.tasks.support import WAIT_S, MakeRelay, ended, release, request


@pytest.mark.parametrize("shape", ["tasklist", "task", "status"])
async def test_a_callback_ends_a_task_whose_socket_is_silent(
    shape: str, make_relay: MakeRelay, sandbox: Sandbox
) -> None:
    """Whatever its body, and even if it is repeated: it makes the relay read the record, and nothing else."""
    async with make_relay() as relay:
        pass  # only to learn a free port
    port = int(relay.url.rsplit(":", 1)[1])
    async with make_relay(port=port, public_url=relay.url) as relay:
        sandbox.next_run(silent=True, webhook=shape, webhook_times=2)
        started = await relay.context.tasks.start(request())
        snapshot = await ended(relay, started.snapshot.id)
        assert snapshot.state is State.SUCCEEDED


async def test_an_unknown_callback_address_is_rejected(client: aiohttp.ClientSession) -> None:
    """404, whatever the body."""
    async with client.post("/hooks/wiro/unknown", data=b"{}") as answer:
        assert answer.status == 404


async def test_a_task_that_has_ended_cannot_be_canceled(relay: Running) -> None:
    """The message has its state."""
    started = await relay.context.tasks.start(request())
    await ended(relay, started.snapshot.id)
    async with asyncio.timeout(WAIT_S):
        while relay.context.tasks.following:  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0)
    with pytest.raises(RequestError, match="it is succeeded") as caught:
        await relay.context.tasks.cancel(started.snapshot.id, "key")
    assert caught.value.code is Code.CONFLICT


async def test_an_unknown_task_is_not_found(relay: Running) -> None:
    """By any use case."""
    tasks = relay.context.tasks
    for call in (tasks.snapshot("unknown"), tasks.stored_task("unknown"), tasks.cancel("unknown", "key")):
        with pytest.raises(RequestError) as caught:
            await call
        assert caught.value.code is Code.NOT_FOUND


async def test_the_list_is_cut_into_pages(relay: Running, sandbox: Sandbox) -> None:
    """Newest first; the last page has no next one."""
    tasks = relay.context.tasks
    started = [await tasks.start(request(prompt)) for prompt in ("one", "two", "three")]
    first = await tasks.lists.page(Filter(), after=None, limit=2)
    second = await tasks.lists.page(Filter(), after=first.next, limit=2)

    ids = [snapshot.id for page in (first, second) for snapshot in page.snapshots]
    assert ids == [one.snapshot.id for one in reversed(started)]
    assert second.next is None
    assert repr(tasks).startswith("<Tasks <Supervisor ")


async def test_new_tasks_are_rejected_while_the_relay_shuts_down(relay: Running, sandbox: Sandbox) -> None:
    """Those that are being followed go on."""
    sandbox.next_run(hold_at="task_start")
    started = await relay.context.tasks.start(request())
    await relay.context.tasks.drain(0)
    assert relay.context.tasks.draining
    with pytest.raises(RequestError) as caught:
        await relay.context.tasks.start(request())
    assert caught.value.code is Code.DRAINING
    await release(sandbox, started.snapshot.upstream_id)
    assert (await ended(relay, started.snapshot.id)).state is State.SUCCEEDED


class TestElsewhere:
    """Requests that reach a node that does not follow the task."""

    @pytest.fixture
    async def pair(self, make_node: MakeRelay, sandbox: Sandbox) -> AsyncIterator[tuple[Running, Running]]:
        """The first relay follows a task that waits on the platform."""
        sandbox.next_run(hold_at="task_start")
        async with make_node() as first, make_node() as second:
            yield first, second

    async def test_a_cancel_reaches_the_node_that_follows_the_task(self, pair: tuple[Running, Running]) -> None:
        """The client is answered when that node has noted it."""
        first, second = pair
        started = await first.context.tasks.start(request())
        snapshot = await second.context.tasks.cancel(started.snapshot.id, "viewer")

        assert snapshot.cancel is not None
        assert snapshot.cancel.by == "viewer"
        assert (await ended(second, started.snapshot.id)).state is State.CANCELED

    async def test_the_wait_for_the_other_node_is_limited(
        self, pair: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The command remains, for that node or for the next owner."""
        first, second = pair
        monkeypatch.setattr(commands, "CANCEL_S", 0.0)
        started = await first.context.tasks.start(request())
        view = cast("SharedJournal", first.journal)

        async def none() -> tuple[Command, ...]:
            return ()

        monkeypatch.setattr(view, "commands", none)
        snapshot = await second.context.tasks.cancel(started.snapshot.id, "key")
        assert (snapshot.cancel, snapshot.done) == (None, None)
        assert [command.task for command in view.store.commands.values()] == [started.snapshot.id]

    async def test_a_cancel_by_a_node_that_has_lost_the_task_reaches_the_owner(
        self, pair: tuple[Running, Running]
    ) -> None:
        """It has not noticed that before."""
        first, second = pair
        started = await first.context.tasks.start(request())
        cast("SharedJournal", first.journal).store.owners[started.snapshot.id] = second.journal.node
        snapshot = await first.context.tasks.cancel(started.snapshot.id, "key")

        assert snapshot.cancel is not None
        assert (await ended(second, started.snapshot.id)).state is State.CANCELED

    async def test_a_task_that_has_ended_elsewhere_cannot_be_canceled(
        self, pair: tuple[Running, Running], sandbox: Sandbox
    ) -> None:
        """As on the node that followed it. No command is stored."""
        first, second = pair
        started = await first.context.tasks.start(request())
        await release(sandbox, started.snapshot.upstream_id)
        await ended(second, started.snapshot.id)
        with pytest.raises(RequestError, match="it is succeeded"):
            await second.context.tasks.cancel(started.snapshot.id, "key")

    async def test_a_callback_reaches_the_node_that_follows_the_task(
        self, pair: tuple[Running, Running], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One for a task that has ended is dropped."""
        first, second = pair
        started = await first.context.tasks.start(request())
        task = started.snapshot.id
        hook = (await first.context.tasks.stored_task(task)).hook or ""
        called_back = asyncio.Event()
        monkeypatch.setattr(Follower, "called_back", lambda _follower, _named: called_back.set())

        async def read() -> bytes:
            return b"{}"

        await second.context.tasks.call_back("wiro", hook, {}, read)
        async with asyncio.timeout(WAIT_S):
            await called_back.wait()
        await release(sandbox, started.snapshot.upstream_id)
        await ended(second, task)
        store = cast("SharedJournal", first.journal).store
        await until(lambda: not store.commands)
        monkeypatch.setattr(store, "wake", lambda: None)
        await second.context.tasks.call_back("wiro", hook, {}, read)
        assert store.commands == {}
