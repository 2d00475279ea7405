"""The hub as a whole: viewers that join, leave and are disconnected."""

import asyncio

from relay.hub.close_codes import DRAINING, KEYS_CHANGED
from relay.hub.hub import DRAIN_STEPS, Hub
from tests.hub.fakes import SHOP, TASK, Clock, FakeViewer, SlowJournal, join, visit, watch


async def test_nothing_is_written_after_a_close(journal: SlowJournal, hub: Hub) -> None:
    """Bytes after a close frame would be a protocol error."""
    viewer = await join(hub)
    written = len(viewer.transport.written)
    await hub.drain(0)
    await journal.log("a")
    visit(hub)

    assert viewer.closes == [DRAINING]
    assert len(viewer.transport.written) == written
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_a_drain_disconnects_all_viewers_in_batches(hub: Hub) -> None:
    """It takes the given time, whatever the number of viewers."""
    viewers = [await join(hub) for _ in range(2 * DRAIN_STEPS)]
    draining = asyncio.create_task(hub.drain(0.2))
    await asyncio.sleep(0)
    assert hub.viewers == 2 * DRAIN_STEPS - 2
    await draining

    assert [viewer.closes for viewer in viewers] == [[DRAINING]] * len(viewers)
    assert (hub.viewers, hub.channels) == (0, 0)


async def test_viewers_with_an_api_key_are_disconnected_when_the_keys_change(hub: Hub, clock: Clock) -> None:
    """Tokens expire by themselves, and keys do not."""
    with_key, with_token = await join(hub), await join(hub, expires_at=clock.now + 10)
    with_both = await watch(hub, expires_at=clock.now + 10)
    await hub.subscribe(with_both, ("task", TASK))
    hub.disconnect_key_holders()

    assert with_key.closes == with_both.closes == [KEYS_CHANGED]
    assert with_token.closes == []
    assert hub.viewers == 1


async def test_a_hub_describes_itself(hub: Hub) -> None:
    """The descriptions appear in debuggers and test failures."""
    viewer = await watch(hub, ("tag", SHOP), ("task", TASK))
    channels = [hub._channel(topic) for topic in viewer.subscriptions]

    assert repr(hub) == "<Hub channels=2 viewers=1 slow=0>"
    assert [*map(repr, channels)] == [
        "<TagChannel shop summaries=0 viewers=1>",
        f"<TaskChannel {TASK} seq=1 viewers=1>",
    ]
    assert repr(viewer) == "<FakeViewer sse-http-1.0 subscriptions=2>"


async def test_a_closed_hub_forwards_nothing(hub: Hub, journal: SlowJournal) -> None:
    """Its timers and reads are cancelled, and connections are left to their owners."""
    viewer = await join(hub)
    journal.gate.clear()
    waiting = FakeViewer()
    hub.join(waiting)
    joining = asyncio.create_task(watch(hub, ("tag", SHOP)))
    await asyncio.sleep(0)
    hub.close()
    await asyncio.gather(joining, return_exceptions=True)
    await journal.log("a")

    assert joining.cancelled()
    assert viewer.types == ["snapshot"]
    assert viewer.closes == []
