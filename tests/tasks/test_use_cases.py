"""
Canceling tasks, callbacks, and the task list.

Starting and attaching have tests of their own: `test_starting.py`, `test_attaching.py`. The ids of tasks and callback
addresses (`relay.tasks.ids`) are tested in `tests/security/test_hooks.py`, the requests with the API.
"""

import asyncio

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import State
from relay.errors import Code, RequestError
from relay.journal.base import Filter
from relay.sandbox import Sandbox
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
    first = await tasks.page(Filter(), after=None, limit=2)
    second = await tasks.page(Filter(), after=first.next, limit=2)

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
