"""The registry of channels: loads that are shared, and channels that are removed."""

import asyncio
import contextlib
from typing import Any

import pytest

from relay.errors import Code, RequestError
from relay.hub.hub import Hub
from tests.hub.fakes import TASK, FakeViewer, SlowJournal, join


async def test_concurrent_subscribers_share_one_load(journal: SlowJournal, hub: Hub) -> None:
    """Twenty viewers of a task cost one read of the journal."""
    viewers = await asyncio.gather(*(join(hub) for _ in range(20)))

    assert journal.reads == 1
    assert {viewer.state() == journal.states[TASK] for viewer in viewers} == {True}


async def test_a_load_continues_when_the_first_subscriber_is_cancelled(journal: SlowJournal, hub: Hub) -> None:
    """The other subscribers get the state, and everything after it."""
    journal.gate.clear()
    first = asyncio.create_task(join(hub))
    await journal.asked.wait()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    second = asyncio.create_task(join(hub))
    await asyncio.sleep(0)
    third = asyncio.create_task(join(hub))
    await asyncio.sleep(0)
    journal.gate.set()
    await journal.log("on it goes")
    viewers = [await second, await third]
    await journal.log("and on")

    assert journal.reads == 1
    assert [viewer.state() for viewer in viewers] == [journal.states[TASK]] * 2


async def test_a_channel_whose_subscribers_have_left_is_removed_after_its_load(journal: SlowJournal, hub: Hub) -> None:
    """Nothing is kept, and no error is reported."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    journal.gate.clear()
    viewer = FakeViewer()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("task", TASK)))
    await journal.asked.wait()
    joining.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining
    hub.leave(viewer)
    (loading,) = hub._tasks._loads.values()
    journal.gate.set()
    await loading

    assert (hub.viewers, hub.channels, hub._tasks._loads) == (0, 0, {})
    assert complaints == []


async def test_a_viewer_that_leaves_during_the_load_is_sent_nothing(journal: SlowJournal, hub: Hub) -> None:
    """It is not added to the channel either."""
    journal.gate.clear()
    viewer = FakeViewer()
    hub.join(viewer)
    joining = asyncio.create_task(hub.subscribe(viewer, ("task", TASK)))
    await journal.asked.wait()
    hub.leave(viewer)
    journal.gate.set()
    await joining

    assert viewer.messages == []
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_an_unknown_task_leaves_no_channel(hub: Hub) -> None:
    """The subscriber gets NOT_FOUND."""
    with pytest.raises(RequestError) as caught:
        await join(hub, task="nobody")

    assert caught.value.code is Code.NOT_FOUND
    assert hub.channels == 0


async def test_a_failed_load_is_repeated_for_the_next_subscriber(journal: SlowJournal, hub: Hub) -> None:
    """The error is raised for all subscribers that waited, and only for those."""
    journal.failure = OSError("the disk is gone")
    results = await asyncio.gather(join(hub), join(hub), return_exceptions=True)
    journal.failure = None
    viewer = await join(hub)

    assert [type(result) for result in results] == [OSError, OSError]
    assert viewer.state() == journal.states[TASK]


async def test_a_channel_is_removed_with_its_last_viewer(journal: SlowJournal, hub: Hub) -> None:
    """Leaving and unsubscribing twice are allowed."""
    one, other = await join(hub), await join(hub)
    hub.leave(one)
    hub.leave(one)
    assert hub.channels == 1
    hub.unsubscribe(other, ("task", TASK))
    hub.unsubscribe(other, ("task", TASK))

    assert (hub.channels, hub.viewers) == (0, 1)
