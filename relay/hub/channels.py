"""The registry of open channels: one for tasks, one for tags."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from relay.hub.channel import Channel, T

C = TypeVar("C", bound=Channel[Any])


class Channels(Generic[T, C]):
    """
    The open channels of one kind, by topic.

    A channel is created for its first subscriber, loaded from the journal once for all that wait for it, and removed
    with its last viewer. It receives events from its creation on, so that none is lost while it is loaded.
    """

    def __init__(
        self,
        create: Callable[[T], C],
        load: Callable[[C], Awaitable[None]],
        *,
        emptied: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            create: makes the channel of a topic.
            load: reads its state from the journal.
            emptied: called when the last channel has been removed.
        """
        self._create = create
        self._load = load
        self._emptied = emptied
        self._channels: dict[T, C] = {}
        self._loads: dict[T, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def __getitem__(self, topic: T) -> C:
        return self._channels[topic]

    def get(self, topic: T) -> C | None:
        """Return the open channel of a topic."""
        return self._channels.get(topic)

    @asynccontextmanager
    async def opened(self, topic: T) -> AsyncIterator[C]:
        """
        Open a channel for a subscriber. It stays open until the block ends, then for as long as it has viewers.

        `load` may find nothing to load, and then the channel is not `loaded`.

        Raises:
            OSError: the journal failed.
        """
        channel = self._channels.get(topic)
        if channel is None:
            channel = self._channels[topic] = self._create(topic)
            channel.on_unused = self._discard
        channel.joining += 1
        try:
            if not channel.loaded:
                # A subscriber that leaves must not cancel the load for the others.
                await asyncio.shield(self._loads.get(topic) or self._begin_load(channel))
            yield channel
        finally:
            self._leave(channel)

    def close(self) -> None:
        """Cancel all loads."""
        for load in self._loads.values():
            load.cancel()

    def _begin_load(self, channel: C) -> asyncio.Task[None]:
        channel.joining += 1  # if all subscribers leave, the load still ends with its channel in place
        load = asyncio.create_task(self._run_load(channel), name=f"load {channel.topic}")
        self._loads[channel.topic] = load
        return load

    async def _run_load(self, channel: C) -> None:
        try:
            await self._load(channel)
        finally:
            del self._loads[channel.topic]
            self._leave(channel)

    def _leave(self, channel: C) -> None:
        channel.joining -= 1
        if channel.unused:
            self._discard(channel.topic)

    def _discard(self, topic: T) -> None:
        del self._channels[topic]
        if not self._channels:
            self._emptied()
