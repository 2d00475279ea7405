"""
Which connections are let in, and which idle one makes room for a new one.

A client that connects and asks for nothing must not keep others out: when descriptors are short, the connections that
have been idle for the longest time are closed, as nginx does with its `reusable` ones.
"""

from collections.abc import Callable
from typing import Protocol

from relay import log
from relay.backoff import Bucket
from relay.web.http.connection_counts import Crowd
from relay.web.http.file_descriptors import Descriptors

KEPT_S = 5.0
"""A client that has asked for something is given so long to ask for more: closed earlier, its next request is lost."""

LINES_PER_S = 1 / 60
"""How often the log repeats that connections are refused, or that descriptors are short."""

REST = 20
"""Looking takes at most one part in so many of the time."""

_log = log.get("web")


class Idle(Protocol):
    """A connection, as far as the gate looks at it."""

    @property
    def idle_since(self) -> tuple[bool, float] | None:
        """Whether it has ever sent a request, and when its last answer ended; null while one is being answered."""

    def dismiss(self) -> None:
        """Close it."""


class Gate:
    """The connections there are."""

    def __init__(self, crowd: Crowd, descriptors: Descriptors, clock: Callable[[], float]) -> None:
        """
        Args:
            crowd: counts the connections, and those of one address.
            descriptors: tells by a connection's number whether others still have descriptors.
            clock: gives monotonic seconds.
        """
        self._crowd = crowd
        self._descriptors = descriptors
        self._clock = clock
        self._inside: dict[Idle, str | None] = {}
        self._idle: dict[Idle, tuple[bool, float]] = {}
        """Those that were idle at the last look, the first to go first."""
        self._look_after = 0.0
        self._refusals, self._shortages = Bucket(1, LINES_PER_S, clock()), Bucket(1, LINES_PER_S, clock())

    def __repr__(self) -> str:
        return f"<Gate {self._crowd!r}>"

    def enter(self, connection: Idle, who: str | None, number: int) -> bool:
        """
        Let a connection in, if there is room or room can be made.

        Args:
            connection: the new one.
            who: whose it is, as the crowd counts.
            number: its file descriptor.
        """
        # Two for one: those that came in a burst have taken more descriptors than they should.
        made_room = number >= self._descriptors.for_viewers and self._make_room(2) > 0
        if number >= self._descriptors.for_connections and not made_room:
            self._say_short()
            return False
        if not self._crowd.enter(who):
            if not self._refusals.take(self._clock()):
                _log.warning("connections.refused", peer=who, connections=self._crowd.size)
            return False
        self._inside[connection] = who
        return True

    def leave(self, connection: Idle) -> None:
        """Count one less. Idempotent."""
        self._idle.pop(connection, None)
        if connection in self._inside:
            self._crowd.leave(self._inside.pop(connection))

    def has_room(self, coming: int = 0) -> bool:
        """Say whether one more viewer or stream can have a descriptor, beside `coming` others; idle ones make room."""
        wanted = self._descriptors.lowest_free() + coming + 1 - self._descriptors.for_viewers
        if wanted <= 0 or self._make_room(wanted) == wanted:
            return True
        self._say_short()
        return False

    def _make_room(self, wanted: int) -> int:
        """Close idle connections; return how many. Their descriptors are free when the loop comes round."""
        closed = 0
        while closed < wanted and (found := self._longest_idle()) is not None:
            self.leave(found)
            found.dismiss()
            closed += 1
        return closed

    def _longest_idle(self) -> Idle | None:
        while self._look():
            found, since = next(iter(self._idle.items()))
            del self._idle[found]
            if found.idle_since == since:
                return found
        return None

    def _look(self) -> bool:
        """See that idle connections are known; say whether there are any."""
        began = self._clock()
        if not self._idle and began >= self._look_after:
            kept_after = (True, began - KEPT_S)
            found = [
                (since, each) for each in self._inside if (since := each.idle_since) is not None and since <= kept_after
            ]
            self._idle = {each: since for since, each in sorted(found, key=lambda pair: pair[0])}
            ended = self._clock()
            self._look_after = ended + REST * (ended - began)
        return bool(self._idle)

    def _say_short(self) -> None:
        if not self._shortages.take(self._clock()):
            limit, connections = self._descriptors.limit, self._crowd.size
            _log.error("descriptors.exhausted", limit=limit, connections=connections, hint="raise `ulimit -n`")
