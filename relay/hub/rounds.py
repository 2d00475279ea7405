"""The connected viewers, which the hub visits in rounds: one timer for all of them, and none per viewer."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from relay.hub.viewer import Viewer

ROUND_S = 14
"""
Every viewer is visited, and pinged, once in this time.

The protocol promises a message every 15 s. A client that receives none for 20 s considers the connection dead.
"""


class Rounds:
    """The connected viewers in ROUND_S groups, one of which is visited each second."""

    def __init__(self, visit: Callable[[Sequence[Viewer]], None]) -> None:
        self._visit = visit
        self._groups: list[set[Viewer]] = [set() for _ in range(ROUND_S)]
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    def __iter__(self) -> Iterator[Viewer]:
        return (viewer for group in self._groups for viewer in group)

    def add(self, viewer: Viewer) -> None:
        """Add a viewer to the smallest group."""
        min(self._groups, key=len).add(viewer)
        self._schedule()

    def discard(self, viewer: Viewer) -> bool:
        """Remove a viewer. Idempotent. Return whether it was there."""
        for group in self._groups:
            if viewer in group:
                group.remove(viewer)
                return True
        return False

    def visit_next(self) -> None:
        """Visit the next group. The timer stops when no viewer is left."""
        self._timer = None
        self._next = (self._next + 1) % ROUND_S
        self._visit(list(self._groups[self._next]))
        if any(self._groups):
            self._schedule()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1, self.visit_next)
