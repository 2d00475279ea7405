"""
The viewers that read more slowly than events arrive.

A viewer becomes slow when its write buffer passes the high-water mark. Nothing more is written to it until the buffer
is empty; then it is sent the current state instead of what it has missed.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from relay import log
from relay.hub.channel import Channel
from relay.hub.close_codes import TOO_SLOW, Close
from relay.hub.counts import HubCounts
from relay.hub.topic import Topic
from relay.hub.viewer import HIGH_WATER_BYTES, Viewer

SWEEP_S = 0.1
"""How often the write buffers of slow viewers are checked."""

TOO_SLOW_S = 60.0
"""A viewer whose write buffer has not been empty for this long is disconnected."""

_log = log.get("hub")


class SlowViewers:
    """The slow viewers of a hub. There is a timer only while there are any."""

    def __init__(
        self,
        clock: Callable[[], float],
        channel: Callable[[Topic], Channel[Any]],
        disconnect: Callable[[Viewer, Close], None],
        counts: HubCounts | None = None,
    ) -> None:
        """
        Args:
            clock: returns unix seconds.
            channel: returns the open channel of a topic.
            disconnect: called with a viewer that is too slow.
            counts: of the hub.
        """
        self._clock = clock
        self._channel = channel
        self._disconnect = disconnect
        self._counts = HubCounts() if counts is None else counts
        self._viewers: set[Viewer] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    def add(self, viewers: Iterable[Viewer]) -> None:
        """Mark viewers as slow, except those that are already or have left."""
        now = self._clock()
        for viewer in viewers:
            if viewer.slow_since is None and not viewer.gone:
                self._viewers.add(viewer)
                self._counts.slow["fell_behind",] += 1
                self._mark(viewer, now)
        self._schedule()

    def discard(self, viewer: Viewer) -> None:
        """Forget a viewer that leaves."""
        self._viewers.discard(viewer)

    def sweep(self) -> None:
        """Catch up the viewers whose write buffers are empty, and disconnect those that are too slow."""
        self._timer = None
        now = self._clock()
        for viewer in list(self._viewers):
            if viewer.is_closing():
                continue  # lost: its protocol learns it in the next iteration of the event loop
            if viewer.buffered() == 0:
                self._catch_up(viewer, now)
            elif viewer.slow_since is not None and now - viewer.slow_since >= TOO_SLOW_S:
                _log.info("viewer.too_slow", framing=viewer.framing.name)
                self._disconnect(viewer, TOO_SLOW)
        self._schedule()

    def catch_up(self, viewer: Viewer) -> None:
        """Write everything that a viewer has missed. Its write buffer must always be empty."""
        while viewer in self._viewers:
            self._catch_up(viewer, self._clock())

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _catch_up(self, viewer: Viewer, now: float) -> None:
        """Write what a viewer has missed, up to what its write buffer should hold."""
        # Tags first: a task channel may end its subscription here, and then the tags would send that task, too.
        for topic, subscription in sorted(viewer.subscriptions.items(), key=_is_task):
            if (since := subscription.stale_since) is not None:
                subscription.stale_since = None
                self._channel(topic).catch_up(subscription, since, now)
            if viewer.buffered() > HIGH_WATER_BYTES:
                break
        if viewer.buffered() > HIGH_WATER_BYTES or _is_stale(viewer):
            viewer.slow_since = now  # its buffer has been empty, so it has another TOO_SLOW_S
        else:
            self._viewers.discard(viewer)
            self._counts.slow["caught_up",] += 1
            self._mark(viewer, None)

    def _mark(self, viewer: Viewer, slow_since: float | None) -> None:
        viewer.slow_since = slow_since
        for topic in viewer.subscriptions:
            self._channel(topic).viewers_changed()

    def _schedule(self) -> None:
        if self._viewers and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self.sweep)


def _is_task(item: tuple[Topic, object]) -> bool:
    (kind, _), _ = item
    return kind == "task"


def _is_stale(viewer: Viewer) -> bool:
    return any(subscription.stale_since is not None for subscription in viewer.subscriptions.values())
