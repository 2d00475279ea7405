"""
Decide which connections are accepted, and close idle ones to make room for new ones.

A client that connects and sends nothing must not keep others out. When file descriptors run short, the connections that
have been idle the longest are closed, as nginx does with its reusable connections.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from relay import log
from relay.backoff import Bucket
from relay.counting import LabeledCounter
from relay.web.http.connection_counts import ConnectionCounts
from relay.web.http.file_descriptors import Descriptors, OpenFiles

MIN_IDLE_S = 5.0
"""A connection that has served a request stays open at least this long: closed earlier, it could lose the next one."""

LOG_LINES_PER_S = 1 / 60
"""How often the log repeats that connections are refused or descriptors are short."""

SCAN_INTERVAL_FACTOR = 20
"""The pause between two scans for idle connections, as a multiple of the time that a scan takes."""

_log = log.get("web")


class IdleConnection(Protocol):
    """A connection, as the gate uses it."""

    @property
    def idle_since(self) -> tuple[bool, float] | None:
        """
        Return whether it has served a request, and since when it has been idle, in monotonic seconds.

        None while a request is being answered.
        """

    def dismiss(self) -> None:
        """Close the connection."""


class Stream(Protocol):
    """A connection that has become a viewer's, as the gate uses it. It is never idle."""

    def abort(self) -> None:
        """Cut the connection at once."""


class Gate:
    """Admits connections within the limits and keeps track of those that are open."""

    def __init__(
        self, counts: ConnectionCounts, configured_limit: int, descriptors: Descriptors, clock: Callable[[], float]
    ) -> None:
        """
        Args:
            counts: of the connections, in total and per client address.
            configured_limit: the limit in total if there are enough file descriptors for it.
            descriptors: shows whether enough of them are free.
            clock: returns monotonic seconds.
        """
        self._counts = counts
        self.configured_limit = configured_limit
        self._descriptors = descriptors
        self._open_files = OpenFiles(descriptors, clock)
        self._clock = clock
        self.refused = LabeledCounter({("limit",): 0, ("no_files",): 0})
        """Connections that were not admitted, because of a configured `limit` or of `no_files`."""
        self.dismissed = 0
        """Idle connections that were closed to make room."""
        self._open: dict[IdleConnection, str | None] = {}
        self._streams: dict[Stream, str | None] = {}
        self._all_left = asyncio.Event()
        self.settling = False
        """Whether each connection is to be closed after its next response: another process accepts the new ones."""
        self._awaited: set[IdleConnection] = set()
        self._settled = asyncio.Event()
        self._idle: dict[IdleConnection, tuple[bool, float]] = {}
        """The connections that the last scan found idle, the first one to close first."""
        self._next_scan_at = 0.0
        self._refused_log = Bucket(1, LOG_LINES_PER_S, clock())
        self._exhausted_log = Bucket(1, LOG_LINES_PER_S, clock())

    def __repr__(self) -> str:
        return f"<Gate {self._counts!r}>"

    @property
    def connections(self) -> int:
        """How many connections are open, those of viewers included."""
        return self._counts.total

    @property
    def limit(self) -> int:
        """How many connections may be open."""
        return self._counts.limit

    @property
    def descriptors(self) -> Descriptors:
        """The limits on file descriptors."""
        return self._descriptors

    @property
    def open_files(self) -> int:
        """How many file descriptors are open."""
        return self._open_files.count()

    def enter(self, connection: IdleConnection, address: str | None) -> bool:
        """
        Admit a connection if a limit allows it, closing idle ones if necessary. Return whether it was admitted.

        Args:
            connection: the new connection.
            address: the key under which its client address is counted.
        """
        in_use = self._descriptors.in_use()  # with that of the new connection
        is_full = self.limit < self.configured_limit and self._counts.total >= self.limit
        # Close two for each new one: after a burst, connections hold more descriptors than their share.
        made_room = (is_full or in_use > self._descriptors.for_viewers) and self._make_room(2) > 0
        if (is_full or in_use > self._descriptors.for_connections) and not made_room:
            self.refused["no_files",] += 1
            self._log_exhausted()
            return False
        if not self._counts.add(address):
            self.refused["limit",] += 1
            if not self._refused_log.take(self._clock()):
                _log.warning("connections.refused", client_address=address, connections=self._counts.total)
            return False
        self._open[connection] = address
        return True

    def hand_over(self, connection: IdleConnection, stream: Stream) -> None:
        """Keep a stream in the place of the connection that it was."""
        self._idle.pop(connection, None)
        self._streams[stream] = self._open.pop(connection)
        self._all_left.clear()
        self._stop_awaiting(connection)

    def leave(self, connection: IdleConnection) -> None:
        """Forget a connection. Does nothing if it is not known."""
        self._idle.pop(connection, None)
        if connection in self._open:
            self._counts.remove(self._open.pop(connection))
            self._stop_awaiting(connection)

    async def settle(self, within_s: float) -> None:
        """
        Close each connection after its next response, and wait until none of them is being answered.

        A connection that has not sent its first request yet is waited for too: its client could not know whether a
        request on a closed connection was served. `within_s` seconds are the limit.
        """
        self.settling = True
        self._awaited = {each for each in self._open if (since := each.idle_since) is None or not since[0]}
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._awaited:
                    self._settled.clear()
                    await self._settled.wait()

    def _stop_awaiting(self, connection: IdleConnection) -> None:
        self._awaited.discard(connection)
        if not self._awaited:
            self._settled.set()

    def stream_lost(self, stream: Stream) -> None:
        """Forget a stream."""
        self._counts.remove(self._streams.pop(stream))
        if not self._streams:
            self._all_left.set()

    async def close_streams(self, within_s: float) -> None:
        """Wait until all streams have ended, and cut those that are left after `within_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._streams:
                    await self._all_left.wait()
        for stream in list(self._streams):
            stream.abort()
        while self._streams:
            await self._all_left.wait()

    def free_descriptors(self) -> int:
        """Return how many more file descriptors the process may open."""
        return max(0, self._descriptors.limit - self.open_files)

    def has_room(self, pending: int = 0) -> bool:
        """
        Return whether a descriptor is free for one more viewer or platform stream, closing idle connections for it.

        Args:
            pending: the number of other streams that are about to be opened.
        """
        missing = self._descriptors.in_use() + pending + 1 - self._descriptors.for_viewers
        if missing <= 0 or self._make_room(missing) == missing:
            return True
        self._log_exhausted()
        return False

    def _make_room(self, count: int) -> int:
        """Close up to `count` idle connections and return how many. The event loop frees their descriptors later."""
        closed = 0
        while closed < count and (connection := self._take_longest_idle()) is not None:
            self.leave(connection)
            connection.dismiss()
            closed += 1
        self.dismissed += closed
        return closed

    def _take_longest_idle(self) -> IdleConnection | None:
        while self._scan():
            connection, since = next(iter(self._idle.items()))
            del self._idle[connection]
            if connection.idle_since == since:
                return connection
        return None

    def _scan(self) -> bool:
        """Look for idle connections if none is known and a scan is due. Return whether any is known."""
        began = self._clock()
        if not self._idle and began >= self._next_scan_at:
            # False sorts first: connections that never sent a request are closed first, regardless of their age.
            newest = (True, began - MIN_IDLE_S)
            found = [(since, each) for each in self._open if (since := each.idle_since) is not None and since <= newest]
            self._idle = {each: since for since, each in sorted(found, key=lambda pair: pair[0])}
            ended = self._clock()
            self._next_scan_at = ended + SCAN_INTERVAL_FACTOR * (ended - began)
        return bool(self._idle)

    def _log_exhausted(self) -> None:
        if not self._exhausted_log.take(self._clock()):
            limit, connections = self._descriptors.limit, self._counts.total
            _log.error("descriptors.exhausted", limit=limit, connections=connections, hint="raise `ulimit -n`")
