"""The hub as a whole: viewers that join, leave and are disconnected."""

import asyncio

from relay.hub.close_codes import DRAINING, KEYS_CHANGED
from relay.hub.cursor import Cursor
from relay.hub.hub import DRAIN_STEPS, Hub
from relay.hub.viewer import HIGH_WATER_BYTES
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


async def test_subscriptions_end_at_once_when_their_tokens_are_revoked(journal: SlowJournal, clock: Clock) -> None:
    """Those with other tokens stay, and so do those with an API key. The next visit is not awaited."""
    revoked: set[object] = set()
    hub = Hub(journal, clock, revoked.__contains__)
    viewers = {token: FakeViewer() for token in ("one", "other", None)}
    for token, viewer in viewers.items():
        hub.join(viewer)
        await hub.subscribe(viewer, ("task", TASK), token=token)
    hub.end_invalid()
    assert [viewer.expired_topics for viewer in viewers.values()] == [[], [], []]
    revoked.add("one")
    hub.end_invalid()
    await journal.log("a")
    hub.close()

    assert [viewer.expired_topics for viewer in viewers.values()] == [[("task", TASK)], [], []]
    assert [viewer.types for viewer in viewers.values()] == [["snapshot"], *[["snapshot", "output"]] * 2]


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


async def test_viewers_and_what_they_are_sent_are_counted(journal: SlowJournal, hub: Hub) -> None:
    """An event counts once for each viewer that it is written to, by the framing of the viewer."""
    await journal.start("t2", SHOP)
    one, two = await join(hub), await join(hub, Cursor(epoch=journal.epoch, seq=1))
    tagged = await watch(hub, ("tag", SHOP))
    counts = hub.counts
    assert counts.connected == {one.framing: 3}
    assert counts.subscribed == {("snapshot",): 1, ("resumed",): 1, ("listed",): 1}

    written_bytes = sum(len(each.transport.written) for each in (one, two, tagged))
    await journal.log("a", "b")
    await journal.advance(1.0, task="t2")
    sent = counts.sent[one.framing]
    assert sent.events == 2 + 2 + 1
    assert sent.size_bytes == sum(len(each.transport.written) for each in (one, two, tagged)) - written_bytes

    one.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("c")
    await journal.log("d")
    assert hub.slow_viewers == 1
    assert sent.events == 5 + 2 + 1
    one.transport.unread = 0
    hub._slow.sweep()
    assert counts.slow == {("fell_behind",): 1, ("caught_up",): 1}
    for viewer in (one, one, two, tagged):
        hub.leave(viewer)
    assert counts.connected[one.framing] == 0
