"""
A viewer that takes over the connection of its request, so that nothing of aiohttp remains.

The handler of the request ends when the first subscriptions have begun. From then on, the viewer lives in the callbacks
of its transport and of the hub.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from relay import log
from relay.hub.close_codes import TOO_SLOW, Close
from relay.hub.framing import Framing
from relay.hub.slow_viewers import TOO_SLOW_S
from relay.hub.viewer import Viewer
from relay.web.http.connection import release
from relay.web.http.context import Context, context
from relay.web.live.slots import Slot, take_slot

DISCARDED_BYTES = 64 * 1024
"""How much is read and discarded of what a client sends although nothing is expected. Then TCP stops it."""

CLIENT = "client"
"""Counted in place of a close code if the client has ended the connection, or was lost. Its own code is not used."""

_log = log.get("web")


class LiveViewer(Viewer):
    """A viewer over WebSocket or SSE."""

    __slots__ = ("_discarded", "_early", "_limit", "_slot", "_worker", "closing", "parts", "transport")

    def __init__(self, framing: Framing, request: web.Request) -> None:
        """
        Take over the connection of a request whose response, up to here, has been sent.

        Raises:
            ConnectionResetError: the client has disconnected.
        """
        self.parts: Context = context(request)
        self.transport, self._early = release(request, self)
        super().__init__(framing, self.transport)
        self._slot: Slot | None = None
        self._worker: asyncio.Task[object] | None = None
        """The task that works for this viewer. It is cancelled with the connection."""
        self.closing = False
        """Whether the connection is being closed or lost."""
        self._limit: asyncio.TimerHandle | None = None
        self._discarded = 0

    @property
    def address(self) -> str | None:
        """The address of the client, as its limit counts it."""
        return None if self._slot is None else self._slot.address

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Read from the client while the block, in the handler, begins subscriptions. An error cuts the connection."""
        self._worker = asyncio.current_task()
        try:
            self.transport.resume_reading()
            early, self._early = self._early, b""
            self.data_received(early)
            yield
        except BaseException:
            self.abort()
            raise
        finally:
            self._worker = None
        self.opened()

    def opened(self) -> None:
        """React to the end of `opening`."""

    def admit(self, request: web.Request) -> bool:
        """Take a slot and join the hub. If there is none, close the connection and return False."""
        slot = take_slot(request)
        if isinstance(slot, Close):
            self.close(slot)
            return False
        self._slot = slot
        self.parts.hub.join(self)
        return True

    def disconnect(self, why: Close) -> None:
        """Leave the hub and close the connection."""
        self.parts.hub.disconnect(self, why)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # The kernel waits as long as the hub for a client that does not read, and is often the first to give up.
        too_slow = self.slow_since is not None and isinstance(exc, TimeoutError)
        if self.begin_close(TOO_SLOW.code if too_slow else CLIENT) and too_slow:
            _log.info("viewer.too_slow", framing=self.framing.name)
        self.cancel_limit()
        self.parts.gate.stream_lost(self)
        if self._worker is not None:
            self._worker.cancel()

    def begin_close(self, code: int | str) -> bool:
        """
        Free the slot. Return whether this is the first call: the connection was not being closed yet.

        Args:
            code: why, for the metrics: a close code, or CLIENT.
        """
        first, self.closing, self.gone = not self.closing, True, True
        if first:
            self.parts.hub.counts.disconnected[str(code),] += 1
        if self._slot is not None:
            self._slot.free()
        return first

    def end(self) -> None:
        """Close the connection when everything has been sent. A client that does not read is cut later."""
        self.cancel_limit()
        self.transport.close()
        if self.buffered():
            self.set_limit(TOO_SLOW_S, self.abort)

    def set_limit(self, within_s: float, then: Callable[[], None]) -> None:
        """Call `then` if the connection is not lost within this time."""
        self._limit = asyncio.get_running_loop().call_later(within_s, then)

    def cancel_limit(self) -> None:
        """Cancel what `set_limit` has set."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def discard(self, data: bytes) -> None:
        """Ignore what a client sends. TCP flow control stops a client that sends much."""
        self._discarded += len(data)
        if self._discarded > DISCARDED_BYTES:
            self.transport.pause_reading()
