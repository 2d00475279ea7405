"""What the hub does every second: pings, and the end of subscriptions that have expired."""

from relay.hub.hub import Hub
from relay.hub.rounds import ROUND_S
from relay.hub.viewer import HIGH_WATER_BYTES
from tests.hub.fakes import SHOP, TASK, Clock, SlowJournal, brief, join, sweep, visit, watch


async def test_every_viewer_is_pinged_once_per_round(hub: Hub, journal: SlowJournal) -> None:
    """A slow viewer is not pinged."""
    viewers = [await join(hub) for _ in range(ROUND_S * 2)]
    viewers[0].slow_since = 1.0
    for _ in range(ROUND_S):
        visit(hub)

    pings = [viewer.types.count("ping") for viewer in viewers]
    assert pings == [0] + [1] * (len(viewers) - 1)
    assert ROUND_S < 15


async def test_a_subscription_expires_within_a_round(hub: Hub, journal: SlowJournal, clock: Clock) -> None:
    """The others of the same viewer continue."""
    await journal.start("t2")
    viewer = await join(hub, expires_at=clock.now + 10)
    await hub.subscribe(viewer, ("task", "t2"), expires_at=clock.now + 1000)
    for _ in range(ROUND_S):
        visit(hub)
    assert viewer.expired_topics == []
    clock.now += 10
    for _ in range(ROUND_S):
        visit(hub)
    await journal.log("a")
    await journal.log("b", task="t2")

    assert viewer.expired_topics == [("task", TASK)]
    assert viewer.messages[-1]["task"] == "t2"
    assert hub.channels == 1


async def test_an_idle_hub_has_no_timer(hub: Hub, journal: SlowJournal) -> None:
    """Without viewers nothing is scheduled, neither pings nor sweeps."""
    assert (hub._viewers._timer, hub._slow._timer) == (None, None)
    viewer = await join(hub)
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    await journal.log("a")
    assert hub._viewers._timer is not None
    assert hub._slow._timer is not None
    hub.leave(viewer)
    hub._slow._timer.cancel()
    hub._viewers._timer.cancel()
    visit(hub)
    sweep(hub)

    assert not any((hub._viewers._timer, hub._slow._timer))


async def test_a_subscription_to_a_tag_expires_within_a_round(hub: Hub, journal: SlowJournal, clock: Clock) -> None:
    """The channel is removed with its last viewer."""
    await journal.start("a", SHOP)
    viewer = await watch(hub, expires_at=clock.now + 10)
    await hub.subscribe(viewer, ("tag", "vip"), expires_at=clock.now + 1000)
    for _ in range(ROUND_S):
        visit(hub)
    assert viewer.expired_topics == []
    clock.now += 10
    for _ in range(ROUND_S):
        visit(hub)
    await journal.end("a")

    assert viewer.expired_topics == [("tag", SHOP)]
    assert "done a" not in brief(viewer)
    assert hub.channels == 1
