"""A follower takes all signals that have arrived, and is woken for deadlines by one timer."""

import asyncio

import pytest

from relay.core.signals import CallbackReceived, Signal, StreamLost, StreamOpened
from relay.tasks.inbox import Inbox

WAIT_S = 30.0
FAR_AT = 1e6


async def waiting(inbox: Inbox, due_at: float | None, now: float) -> asyncio.Task[list[Signal]]:
    """Return a call of `take` that has begun to wait."""
    taking = asyncio.create_task(inbox.take(due_at, now))
    await asyncio.sleep(0)
    assert not taking.done()
    return taking


async def test_all_signals_that_have_arrived_are_taken() -> None:
    """In the order in which they arrived; a deadline in the past does not hide them."""
    inbox = Inbox(3)
    inbox.put_nowait(StreamOpened())
    inbox.put_nowait(StreamLost())
    assert await inbox.take(0.0, 1.0) == [StreamOpened(), StreamLost()]


async def test_a_signal_ends_the_wait() -> None:
    """One that arrives before the follower runs again is taken with it."""
    inbox = Inbox(3)
    taking = await waiting(inbox, None, 0.0)
    inbox.put_nowait(StreamOpened())
    inbox.put_nowait(StreamLost())
    assert await asyncio.wait_for(taking, WAIT_S) == [StreamOpened(), StreamLost()]


async def test_taking_makes_room() -> None:
    """What waited for room is put into the queue then."""
    inbox = Inbox(1)
    inbox.put_nowait(StreamOpened())
    putting = asyncio.create_task(inbox.put(StreamLost()))
    await asyncio.sleep(0)
    with pytest.raises(asyncio.QueueFull):
        inbox.put_nowait(CallbackReceived())
    assert await inbox.take(None, 0.0) == [StreamOpened()]
    await asyncio.wait_for(putting, WAIT_S)
    assert await inbox.take(None, 0.0) == [StreamLost()]


async def test_a_deadline_ends_the_wait() -> None:
    """Also the earlier one of two, and one that has passed."""
    inbox = Inbox(1)
    taking = await waiting(inbox, FAR_AT, 0.0)
    inbox.put_nowait(StreamOpened())
    await taking
    for due_at, now in ((0.01, 0.0), (1.0, 2.0)):
        assert await asyncio.wait_for(inbox.take(due_at, now), WAIT_S) == []


async def test_the_timer_is_left_in_place_for_a_later_deadline() -> None:
    """It is set again if the clock has passed it, and `close` stops it."""
    inbox = Inbox(1)
    alarm = None
    for due_at, now in ((FAR_AT, 0.0), (FAR_AT + 1, 1.0), (FAR_AT + 2, FAR_AT + 1)):
        taking = await waiting(inbox, due_at, now)
        alarm = inbox._alarm
        inbox.put_nowait(StreamOpened())
        await taking
        assert alarm is not None
        assert alarm is inbox._alarm
        assert not alarm.cancelled()
        assert inbox._alarm_at == (FAR_AT if now < FAR_AT else due_at)
    inbox.close()
    assert alarm is not None
    assert alarm.cancelled()
    assert inbox._alarm is None


async def test_a_signal_is_not_lost_with_a_cancelled_wait() -> None:
    """It stays in the queue."""
    inbox = Inbox(1)
    taking = await waiting(inbox, None, 0.0)
    inbox.put_nowait(StreamOpened())
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await inbox.take(None, 0.0) == [StreamOpened()]
