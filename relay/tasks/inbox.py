"""The signals of one task that wait to be committed."""

import asyncio

from relay.core.signals import Signal


class Inbox(asyncio.Queue[Signal]):
    """
    A queue that one follower takes from, all at once.

    Most deadlines of a task are far off and move with every signal. So the timer is not set for each wait: it is left
    in place if it is early, and then wakes the follower once without a signal.
    """

    def __init__(self, size: int) -> None:
        """
        Args:
            size: while this many signals are waiting, `put` waits, too.
        """
        super().__init__(size)
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    async def take(self, due_at: float | None, now: float) -> list[Signal]:
        """
        Wait for signals and return all that have arrived; none at `due_at` at the latest, and possibly earlier.

        Args:
            due_at: when to return without a signal, in unix seconds; null for never.
            now: the present time by the same clock.
        """
        if self.empty():
            loop = asyncio.get_running_loop()
            if due_at is not None and not (self._alarm is not None and now < self._alarm_at <= due_at):
                self.close()
                self._alarm, self._alarm_at = loop.call_later(max(0.0, due_at - now), self._ring), due_at
            self._waiter = loop.create_future()
            await self._waiter
        return [self.get_nowait() for _ in range(self.qsize())]

    def close(self) -> None:
        """Stop the timer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _put(self, item: Signal) -> None:
        super()._put(item)
        self._wake()

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
