"""The registry of open channels: one for tasks, one for tags."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from relay import log
from relay.backoff import full_jitter
from relay.errors import StoreDamaged
from relay.hub.channel import Channel, T

RELOADS = 8
"""How many channels are loaded again at the same time."""

C = TypeVar("C", bound=Channel[Any])

_log = log.get("hub")


class Channels(Generic[T, C]):
    """
    The open channels of one kind, by topic.

    A channel is created for its first subscriber, loaded from the journal once for all that wait for it, and removed
    with its last viewer. It receives events from its creation on, so that none is lost while it is loaded. When the
    journal has skipped or lost events, all channels are loaded again.
    """

    def __init__(
        self,
        create: Callable[[T], C],
        load: Callable[[C], Awaitable[None]],
        *,
        reloaded: Callable[[C], None] = lambda _channel: None,
        emptied: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            create: makes the channel of a topic.
            load: reads its state from the journal. It uses nothing that was read in an earlier version of the channel.
            reloaded: called when it has been loaded again. It is not `loaded` if there was nothing to load.
            emptied: called when the last channel has been removed.
        """
        self._create = create
        self._load = load
        self._reloaded = reloaded
        self._emptied = emptied
        self._channels: dict[T, C] = {}
        self._loads: dict[T, asyncio.Task[None]] = {}
        self._reloading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._channels)

    def __getitem__(self, topic: T) -> C:
        return self._channels[topic]

    def get(self, topic: T) -> C | None:
        """Return the open channel of a topic."""
        return self._channels.get(topic)

    def all(self) -> Sequence[C]:
        """Return all open channels."""
        return tuple(self._channels.values())

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
                await self._wait_for_load(channel)
            yield channel
        finally:
            self._leave(channel)

    def reload(self) -> None:
        """Load every channel again. Its viewers keep what they have until then."""
        for channel in self._channels.values():
            channel.outdate()
        if self._reloading is not None:
            self._reloading.cancel()
        self._reloading = asyncio.create_task(self._reload_all(), name="reload channels")

    def close(self) -> None:
        """Cancel all loads."""
        if self._reloading is not None:
            self._reloading.cancel()
        for load in self._loads.values():
            load.cancel()

    async def _wait_for_load(self, channel: C) -> None:
        """Wait for the load that is running, or else start one. A subscriber that leaves does not cancel it."""
        await asyncio.shield(self._loads.get(channel.topic) or self._begin_load(channel))

    def _begin_load(self, channel: C) -> asyncio.Task[None]:
        channel.joining += 1  # if all subscribers leave, the load still ends with its channel in place
        load = asyncio.create_task(self._run_load(channel), name=f"load {channel.topic}")
        self._loads[channel.topic] = load
        return load

    async def _run_load(self, channel: C) -> None:
        try:
            version = None
            while channel.version != version:
                version = channel.version
                await self._load(channel)
            if channel.outdated:
                channel.outdated = False
                self._reloaded(channel)
        finally:
            del self._loads[channel.topic]
            self._leave(channel)

    async def _reload_all(self) -> None:
        """Load all outdated channels, a few at a time."""
        topics = iter(tuple(self._channels))
        await asyncio.gather(*(self._reload_each(topics) for _ in range(RELOADS)))

    async def _reload_each(self, topics: Iterator[T]) -> None:
        for topic in topics:
            failures = 0
            while (channel := self._channels.get(topic)) is not None and channel.outdated:
                try:
                    await self._wait_for_load(channel)
                except StoreDamaged:  # logged by the journal, and permanent
                    self._reloaded(channel)
                    break
                except OSError:  # logged by the journal; the viewers wait
                    await asyncio.sleep(full_jitter(failures))
                    failures += 1
                except Exception:  # noqa: BLE001 -- one state that cannot be read must not outdate all others
                    _log.exception("channel.load_crashed", topic=channel.topic)
                    self._reloaded(channel)
                    break

    def _leave(self, channel: C) -> None:
        channel.joining -= 1
        if channel.unused:
            self._discard(channel.topic)

    def _discard(self, topic: T) -> None:
        del self._channels[topic]
        if not self._channels:
            self._emptied()
