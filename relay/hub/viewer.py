"""
One connection, as the hub sees it: a transport to write to, and its subscriptions.

What a client is sent when a task ends or a token expires depends on its kind of connection, so `relay.web.live`
implements that in subclasses.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from relay.hub.close_codes import Close
from relay.hub.framing import Framing
from relay.hub.topic import Topic

HIGH_WATER_BYTES = 32 * 1024
"""A viewer with more than this in its write buffer is slow: nothing is written to it until the buffer is empty."""


class Subscription:
    """A viewer's subscription to one topic."""

    __slots__ = ("expires_at", "framing", "stale_since", "token", "viewer")

    def __init__(self, viewer: "Viewer", expires_at: float | None, framing: Framing) -> None:
        self.viewer = viewer
        self.framing = framing
        """How its messages are encoded: as the viewer's, or only what a viewer of the status sees."""
        self.expires_at = expires_at
        """When the token expires, in unix seconds; None for an API key, which does not expire."""
        self.token: object = None
        """Identifies the token, for its revocation; None for an API key."""
        self.stale_since: int | None = None
        """The position in the channel since which the viewer, being slow, has missed messages; None if it has not."""


class Viewer(ABC, asyncio.Protocol):
    """
    A connection that the hub writes to, and the protocol of its transport.

    As a protocol, it learns when the write buffer passes the high-water mark and when the connection is lost. Polling
    each viewer's buffer instead would add 5 % to the cost of an event.
    """

    __slots__ = (
        "_transport",
        "framing",
        "gone",
        "on_full",
        "on_lost",
        "slow_since",
        "subscriptions",
        "write",
    )

    def __init__(self, framing: Framing, transport: asyncio.WriteTransport) -> None:
        """
        Args:
            framing: how messages are encoded.
            transport: the connection to write to. The viewer becomes its protocol.
        """
        self.framing = framing
        self._transport = transport
        self.write: Callable[[bytes], None] = transport.write
        self.subscriptions: dict[Topic, Subscription] = {}
        self.slow_since: float | None = None
        """When the viewer became slow, in unix seconds; None if it is not."""
        self.on_full: Callable[[Viewer], None] | None = None
        """Called when the write buffer passes `HIGH_WATER_BYTES`. Set by the hub."""
        self.on_lost: Callable[[Viewer], None] | None = None
        """Called when the connection is lost. Set by the hub."""
        self.gone = False
        """Whether it has left or is being closed. Nothing is written to it any more."""
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=0)
        transport.set_protocol(self)

    def __repr__(self) -> str:
        slow = "" if self.slow_since is None else " slow"
        return f"<{type(self).__name__} {self.framing.name} subscriptions={len(self.subscriptions)}{slow}>"

    def buffered(self) -> int:
        """Return the size of the write buffer in bytes."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Return whether the connection is lost or being closed."""
        return self._transport.is_closing()

    def abort(self) -> None:
        """Cut the connection at once, without sending what is in the write buffer. Idempotent."""
        if self.write is not _discard:
            self._transport.abort()

    def send(self, message: bytes) -> None:
        """Write one message that is not an event, to this viewer alone."""
        self.write(self.framing.encode(message, None))

    @abstractmethod
    def task_ended(self, task: str) -> None:
        """Handle the end of a subscription: the task's last event has been written."""

    @abstractmethod
    def task_deleted(self, message: bytes) -> None:
        """Handle the end of a subscription whose task was deleted: write the message."""

    @abstractmethod
    def subscription_expired(self, topic: Topic) -> None:
        """Handle the end of a subscription whose token has expired."""

    @abstractmethod
    def close(self, why: Close) -> None:
        """Begin to close the connection, without waiting. The viewer is `gone` from then on. Idempotent."""

    def pause_writing(self) -> None:
        if self.on_full is not None:
            self.on_full(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.write = _discard
        if self.on_lost is not None:
            self.on_lost(self)


def _discard(_data: bytes) -> None:
    """Write nothing: the connection is lost."""
