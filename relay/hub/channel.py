"""
What all channels have in common: the subscriptions to one topic.

A channel writes to its viewers and never awaits. It keeps no backlog for a slow viewer, only the position since which
that viewer has missed messages.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from relay.hub.framing import Framing
from relay.hub.topic import Topic
from relay.hub.viewer import Subscription, Viewer

T = TypeVar("T", bound=Topic)


class Channel(ABC, Generic[T]):
    """The subscriptions to one topic, grouped by framing so that each message is encoded once per group."""

    def __init__(self, topic: T) -> None:
        self.topic = topic
        self.joining = 0
        """How many subscribers wait for the channel to be loaded, plus one for the load itself."""
        self.on_unused: Callable[[T], None] | None = None
        """Called with the topic when the last viewer has been removed and none is joining. Set by the registry."""
        self.outdated = False
        """Whether the state must be read again, and then be sent to every viewer."""
        self.version = 0
        """How often the state has become outdated. What was read from the journal in an earlier version is not used."""
        self._groups: dict[Framing, dict[Viewer, Subscription]] = {}

    @property
    @abstractmethod
    def loaded(self) -> bool:
        """Whether a new subscriber can be served without reading the journal."""

    @property
    def unused(self) -> bool:
        """Whether it has no viewers and none is joining."""
        return not self.joining and not any(self._groups.values())

    def add(self, viewer: Viewer, expires_at: float | None, framing: Framing | None = None) -> Subscription:
        """
        Subscribe a viewer, replacing its previous subscription if it has one, and return the new one.

        Args:
            viewer: a viewer that has joined.
            expires_at: when the subscription ends, in unix seconds; None for never.
            framing: how its messages are encoded; None for the viewer's own framing.
        """
        if (former := viewer.subscriptions.get(self.topic)) is not None:
            del self._groups[former.framing][viewer]
        subscription = Subscription(viewer, expires_at, framing or viewer.framing)
        self._groups.setdefault(subscription.framing, {})[viewer] = subscription
        viewer.subscriptions[self.topic] = subscription
        self.viewers_changed()
        return subscription

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer that is subscribed."""
        subscription = viewer.subscriptions.pop(self.topic)
        del self._groups[subscription.framing][viewer]
        self.viewers_changed()
        if self.unused and self.on_unused is not None:
            self.on_unused(self.topic)

    @property
    def viewers(self) -> list[Viewer]:
        """The subscribed viewers."""
        return [subscription.viewer for subscription in self._subscriptions()]

    def outdate(self) -> None:
        """Note that the state may be wrong: events were skipped, or events that it includes were lost."""
        self.outdated = True
        self.version += 1

    @abstractmethod
    def catch_up(self, subscription: Subscription, since: int, now: float) -> None:
        """
        Write the current state instead of the messages that a viewer has missed while it was slow.

        If there is more to write than its write buffer should hold, mark the subscription stale again.

        Args:
            subscription: the viewer's, which is no longer marked stale.
            since: its position when it missed the first message.
            now: the relay's time in unix seconds.
        """

    def viewers_changed(self) -> None:
        """React to a viewer that has been added or removed, has become slow, or has caught up."""

    def task_unsubscribed(self, viewer: Viewer, task: str, now: float) -> None:
        """React to the end of the viewer's own subscription to a task of this topic."""

    def _subscriptions(self) -> Iterator[Subscription]:
        return (subscription for group in self._groups.values() for subscription in group.values())
