"""
One connection, as the hub sees it: something that bytes are written to, which may fall behind, and which leaves.

What a viewer is told when a task has ended or a token expired depends on its wire: `relay.web` says that in a subclass.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from relay.hub.flow_control import Flow
from relay.hub.framing import Form

BEHIND_BYTES = 32 * 1024
"""More than this in a viewer's write buffer, and it is behind: nothing more is written until it has drained."""


Subject = Literal["task", "tag", "all"]
"""What a subscription can be about: one task, the tasks of one tag, or all tasks."""

Tag = str | None
"""Whose tasks a tag's channel shows; null stands for all tasks, whatever their tags."""


def about(subject: Subject, name: str | None) -> dict[str, str | bool]:
    """Return the field with which a message names what a subscription is about."""
    return {"all": True} if name is None else {subject: name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Why the relay ends a connection. Codes 4000-4499 tell a client to come back, 4500-4999 not to."""

    code: int
    reason: str


ENDED = Close(code=1000, reason="the task has ended")
DRAINING = Close(code=4001, reason="the relay is shutting down; come back soon")
TOKEN_EXPIRED = Close(code=4002, reason="the token has expired; come back with a fresh one")
TOO_SLOW = Close(code=4003, reason="too slow even for snapshots")
TOO_MANY = Close(code=4004, reason="too many connections")
KEYS_CHANGED = Close(code=4005, reason="the relay's API keys have changed; come back and prove yours again")
TOKEN_INVALID = Close(code=4500, reason="the token is invalid or has expired")
NOT_ALLOWED = Close(code=4501, reason="the token does not allow this")
NO_SUCH_TASK = Close(code=4504, reason="there is no such task")
FAILED = Close(code=1011, reason="the relay failed; come back later")


def protocol_error(reason: str) -> Close:
    """Return the close for a client that does not speak our protocol; `reason` says what was wrong."""
    return Close(code=4505, reason=reason)


class Subscription:
    """A viewer's place in the channel of one task."""

    __slots__ = ("expires_at", "stale", "viewer")

    def __init__(self, viewer: "Viewer", expires_at: float | None) -> None:
        self.viewer = viewer
        self.expires_at = expires_at
        self.stale = False
        """Something was not written because the viewer is behind: it is owed a snapshot."""


class TagSubscription:
    """A viewer's place in the channel of one tag, or of all tasks."""

    __slots__ = ("expires_at", "known_up_to", "listed", "viewer")

    def __init__(self, viewer: "Viewer", expires_at: float | None) -> None:
        self.viewer = viewer
        self.expires_at = expires_at
        self.listed = False
        """Whether it has been given the list. One that comes while it is behind waits for it."""
        self.known_up_to: int | None = None
        """Up to which revision of the channel it was told, while it is behind and has missed something."""


class Viewer(ABC):
    """One connection. The hub writes to it; whoever owns the connection reports when it is gone (`Hub.leave`)."""

    __slots__ = (
        "abort",
        "behind_since",
        "buffered",
        "filled",
        "form",
        "gone",
        "ping_round",
        "subscriptions",
        "tags",
        "write",
    )

    def __init__(self, form: Form, transport: asyncio.WriteTransport) -> None:
        self.form = form
        self.write = transport.write
        self.abort = transport.abort
        self.buffered = transport.get_write_buffer_size
        self.subscriptions: dict[str, Subscription] = {}
        """By task."""
        self.tags: dict[Tag, TagSubscription] = {}
        """By tag; the subscription to all tasks is under null."""
        self.behind_since: float | None = None
        self.filled: Callable[[Viewer], None] | None = None
        """Called when more than `BEHIND_BYTES` wait to be sent. The hub's."""
        self.gone = False
        """It has left or is being closed: nothing more is written to it."""
        self.ping_round = 0
        transport.set_write_buffer_limits(high=BEHIND_BYTES, low=0)
        inner = transport.get_protocol()
        if not isinstance(inner, asyncio.Protocol):
            raise TypeError(f"a viewer's connection is a stream; this one has a {type(inner).__name__}")
        transport.set_protocol(Flow(inner, self._fill))

    def __repr__(self) -> str:
        behind = "" if self.behind_since is None else " behind"
        subscribed = f"tasks={len(self.subscriptions)} tags={len(self.tags)}"
        return f"<{type(self).__name__} {self.form.name} {subscribed}{behind}>"

    def _fill(self) -> None:
        if self.filled is not None:
            self.filled(self)

    def send(self, message: bytes) -> None:
        """Write one message to this viewer alone; it leads to no cursor."""
        self.write(self.form.wrap(message, None))

    @abstractmethod
    def ended(self, task: str) -> None:
        """Take note that the task's last event has been written."""

    @abstractmethod
    def expired(self, subject: Subject, name: str | None) -> None:
        """Take note that the right to see the task or the tag is over; `name` is null for all tasks."""

    @abstractmethod
    def close(self, why: Close) -> None:
        """End the connection, without waiting for it. It is `gone` from then on. Idempotent."""
