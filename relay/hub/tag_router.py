"""
Routes what is appended to tasks' logs to the channels of their tags.

An event names its task but not the task's tags. They are in the state that the writer passes along; where it passes
none, they are read from the journal once per task, and its events wait until then.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from relay import log
from relay.backoff import full_jitter
from relay.core.snapshot import Snapshot
from relay.errors import StoreDamaged, StoreError
from relay.hub.channels import Channels
from relay.hub.tag_channel import LISTED, TagChannel
from relay.hub.topic import ALL, TagTopic
from relay.hub.viewer import Viewer
from relay.journal.base import UNFINISHED, Journal
from relay.journal.entries import Appended
from relay.journal.lists import Filter

_log = log.get("hub")


class TagRouter:
    """The channels of all tags that have viewers, and that of all tasks."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], float],
        skipped: Callable[[Iterable[Viewer]], None],
        create: Callable[[TagTopic], TagChannel] = TagChannel,
    ) -> None:
        """
        Args:
            journal: where tags, states and lists are read.
            clock: returns unix seconds.
            skipped: called with the viewers that could not be written to.
            create: makes the channel of a tag.
        """
        self._journal = journal
        self._clock = clock
        self._skipped = skipped
        self.channels: Channels[TagTopic, TagChannel] = Channels(create, self._load, emptied=self._forget)
        self._tags_of: dict[str, tuple[str, ...]] = {}
        """The tags of each task that has been published and has not ended."""
        self._waiting: dict[str, list[Appended]] = {}
        """What was appended to tasks whose tags or state are being read."""
        self._unreadable: set[str] = set()
        """Tasks that could not be read. They are not read again for each of their events."""
        self._unflushed: set[TagChannel] = set()
        self._reading: asyncio.Task[None] | None = None

    def publish(self, appended: Appended) -> None:
        """Pass what one commit appended to one task's log to the channels of the task's tags. `flush` writes it."""
        if not self.channels:
            return
        task, folded = appended.task, appended.folded
        if folded is not None:
            self._tags_of[task] = folded.tags
        tags = self._tags_of.get(task)
        channels = self._channels_of(tags or ())
        if (waiting := self._waiting.get(task)) is not None:
            waiting.append(appended)
        elif folded is None and task in self._unreadable:
            pass
        elif folded is None and (tags is None or not all(task in channel for channel in channels)):
            self._waiting[task] = [appended]
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_waiting(), name="read tags")
        else:
            now = self._clock()
            for channel in channels:
                if folded is None or task in channel:
                    channel.publish(appended, now)
                else:
                    channel.introduce(folded, (), now)
            self._unflushed.update(channels)
        if _ends(appended):
            self._tags_of.pop(task, None)
            self._unreadable.discard(task)

    def delete(self, tasks: Sequence[str]) -> None:
        """Forget tasks that were deleted, and tell the viewers that may show them. `flush` writes that."""
        for task in tasks:
            self._tags_of.pop(task, None)
            self._waiting.pop(task, None)
            self._unreadable.discard(task)
            for channel in self.channels.all():
                channel.delete(task, self._clock())
        self._unflushed.update(self.channels.all())

    def flush(self) -> None:
        """Write what was published: one write per viewer and tag."""
        unflushed, self._unflushed = self._unflushed, set()
        for channel in unflushed:
            self._skipped(channel.flush())

    def reset(self) -> None:
        """Read all lists again, and send every summary to the viewers."""
        self._forget()
        self.channels.reload()

    def close(self) -> None:
        """Stop all reads."""
        self.channels.close()
        self._forget()

    def _channels_of(self, tags: Iterable[str]) -> list[TagChannel]:
        """Return the open channels that show a task with these tags."""
        topics: list[TagTopic] = [*(("tag", tag) for tag in tags), ALL]
        return [channel for topic in topics if (channel := self.channels.get(topic)) is not None]

    async def _read_waiting(self) -> None:
        """Read one task after another until none is waiting, and retry for as long as the journal fails."""
        failures = 0
        while self._waiting:
            task = next(iter(self._waiting))
            try:
                await self._read(task)
                failures = 0
            except StoreDamaged:  # logged by the journal, and permanent
                self._give_up(task)
            except OSError as error:
                if not isinstance(error, StoreError):  # a StoreError is logged by the journal
                    _log.error("tags.load_failed", task=task, error=str(error))
                await asyncio.sleep(full_jitter(failures))
                failures += 1
            except Exception:  # noqa: BLE001 -- one task that cannot be read must not hide all others
                _log.exception("tags.load_crashed", task=task)
                self._give_up(task)
        self._reading = None

    async def _read(self, task: str) -> None:
        """Read a task's tags and state, and send its summary to the viewers of its tags."""
        tags = self._tags_of.get(task)
        if tags is None:
            stored = await self._journal.stored_task(task)
            tags = () if stored is None else stored.tags
        snapshot = await self._journal.snapshot(task) if self._channels_of(tags) else None
        later = self._waiting.pop(task, None)
        if later is None:  # it was deleted
            return
        if snapshot is not None:
            self._introduce(snapshot, later)
        if _ends(later[-1]):
            self._tags_of.pop(task, None)
        else:
            self._tags_of[task] = tags

    def _introduce(self, snapshot: Snapshot, later: Sequence[Appended]) -> None:
        now = self._clock()
        for channel in self._channels_of(snapshot.tags):
            channel.introduce(snapshot, later, now)
            self._skipped(channel.flush())

    def _give_up(self, task: str) -> None:
        later = self._waiting.pop(task, None)
        if later is not None and not _ends(later[-1]):
            self._unreadable.add(task)

    async def _load(self, channel: TagChannel) -> None:
        """Read the list of a tag: stalled tasks first, then the others that have not ended, then the newest."""
        version, (_, tag) = channel.version, channel.topic
        unended = await self._page(Filter(states=UNFINISHED, tag=tag))
        stalled = await self._page(Filter(states=UNFINISHED, stalled=True, tag=tag)) if len(unended) == LISTED else ()
        newest = await self._page(Filter(tag=tag))
        listed = list(dict.fromkeys((*stalled, *unended, *newest)))[:LISTED]
        missing = [*listed, *channel.outdated_tasks.difference(listed)]
        for snapshot in await self._journal.snapshots([task for task in missing if task not in channel]):
            if channel.version != version:
                return
            if snapshot.id in channel:  # it may have been published during the read
                continue
            if channel.outdated:
                channel.introduce(snapshot, (), self._clock())
            else:
                channel.load(snapshot)
            if snapshot.done is None:
                self._tags_of[snapshot.id] = snapshot.tags
        if channel.version == version:
            channel.complete = len(unended) < LISTED
            channel.outdated_tasks.clear()
            self._skipped(channel.flush())

    async def _page(self, where: Filter) -> list[str]:
        return [position.id for position in await self._journal.page(where, after=None, limit=LISTED)]

    def _forget(self) -> None:
        """Drop what is known of tasks: while no tag has viewers nothing is published to update it."""
        self._tags_of.clear()
        self._waiting.clear()
        self._unreadable.clear()
        self._unflushed.clear()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None


def _ends(appended: Appended) -> bool:
    return appended.entries[-1].final
