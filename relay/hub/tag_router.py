"""
The channels of all tags that somebody watches, and that of all tasks: which of them an event belongs to, and what they
begin with.

An event names its task, not its tags. Those are learnt once for each task, and only while a tag is watched: from
`submit`, which comes first, or else from the journal. Until they are known, what is heard of the task is kept.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from relay import log
from relay.backoff import full_jitter
from relay.core.snapshot import Snapshot, begin
from relay.errors import StoreDamaged, StoreError
from relay.hub.tag_channel import LISTED, TagChannel
from relay.hub.viewer import Tag, TagSubscription, Viewer
from relay.journal.base import UNFINISHED, Filter, Journal
from relay.journal.entries import Entry

_log = log.get("hub")


class Tags:
    """All tags' channels of this process."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], float],
        fell_behind: Callable[[Sequence[Viewer]], None],
    ) -> None:
        """
        Args:
            journal: where tags, states and lists are read.
            clock: gives unix seconds.
            fell_behind: is given the viewers to whom nothing more can be written now.
        """
        self._journal = journal
        self._clock = clock
        self._fell_behind = fell_behind
        self._channels: dict[Tag, TagChannel] = {}
        """By tag; that of all tasks is under null."""
        self._loading: dict[Tag, asyncio.Task[None]] = {}
        self._tags_of: dict[str, tuple[str, ...]] = {}
        """Of each task that was heard of while a tag was watched, and has not ended."""
        self._waiting: dict[str, list[Entry]] = {}
        """What was heard of tasks whose tags or state are being looked up."""
        self._unreadable: set[str] = set()
        """Tasks whose state cannot be read. They are not looked up again at each of their events."""
        self._changed: set[TagChannel] = set()
        self._looking_up: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._channels)

    async def subscribe(self, viewer: Viewer, tag: Tag, *, expires_at: float | None) -> None:
        """
        Show a viewer the list of a tag, then everything that happens to its tasks; null shows all tasks.

        Raises:
            OSError: the journal failed.
        """
        channel = self._channels.get(tag)
        if channel is None:
            channel = self._channels[tag] = TagChannel(tag)  # it hears the tail before the list is read
        channel.joining += 1
        try:
            if not channel.complete:
                if tag not in self._loading:
                    channel.joining += 1  # of the load itself, which goes on when whoever began it leaves
                    self._loading[tag] = asyncio.create_task(
                        self._load(channel), name=f"load tag {tag}" if tag is not None else "load all tasks"
                    )
                await asyncio.shield(self._loading[tag])
            if not viewer.gone:
                channel.enter(TagSubscription(viewer, expires_at), self._clock())
        finally:
            channel.joining -= 1
            self._release(channel)

    def unsubscribe(self, viewer: Viewer, tag: Tag) -> None:
        """End one subscription. Idempotent."""
        if tag in viewer.tags:
            channel = self._channels[tag]  # a channel stays for as long as it has an audience
            channel.exit(viewer)
            self._release(channel)

    def hear(self, task: str, entries: Sequence[Entry]) -> None:
        """Take in what one commit brought of one task; `tell` writes it."""
        if task in self._unreadable:
            if entries[-1].final:
                self._unreadable.remove(task)
            return
        tags = self._tags_of.get(task)
        channels = self._watched(tags or ())
        if (waiting := self._waiting.get(task)) is not None:
            waiting += entries
        elif tags is None and entries[0].seq == 1:
            self._show(begin(entries[0].event, self._journal.epoch), entries[1:])
        elif tags is None or not all(task in channel for channel in channels):
            self._waiting[task] = list(entries)
            if self._looking_up is None:
                self._looking_up = asyncio.create_task(self._look_up_all(), name="look up tags")
        else:
            for channel in channels:
                channel.hear(task, entries, self._clock())
                self._changed.add(channel)
            if entries[-1].final:
                del self._tags_of[task]

    def tell(self) -> None:
        """Write what was heard, in one write per viewer and tag."""
        changed, self._changed = self._changed, set()
        for channel in changed:
            self._fell_behind(channel.tell())

    def catch_up(self, viewer: Viewer, now: float) -> bool:
        """Give a viewer that has drained what it has missed, of each of its tags; say whether more is owed."""
        owed = [self._channels[tag].catch_up(subscription, now) for tag, subscription in viewer.tags.items()]
        return any(owed)

    def hand_back(self, viewer: Viewer, task: str) -> None:
        """Show a viewer a task among those of its tags again, which it was subscribed to itself until now."""
        for tag in viewer.tags:
            self._channels[tag].hand_back(viewer, task, self._clock())

    def close(self) -> None:
        """Stop all reading."""
        for loading in self._loading.values():
            loading.cancel()
        self._forget()

    def _show(self, snapshot: Snapshot, later: Sequence[Entry]) -> None:
        """Have everybody who watches one of a task's tags shown its state, and remember the tags until it ends."""
        for channel in self._watched(snapshot.tags):
            channel.show(snapshot, later, self._clock())
            self._changed.add(channel)
        if snapshot.done is None and not (later and later[-1].final):
            self._tags_of[snapshot.id] = snapshot.tags
        else:
            self._tags_of.pop(snapshot.id, None)

    def _watched(self, tags: Iterable[str]) -> list[TagChannel]:
        """Return the channels that show a task with these tags."""
        return [channel for tag in (*tags, None) if (channel := self._channels.get(tag)) is not None]

    async def _look_up_all(self) -> None:
        """One after the other, until nobody waits. Nothing is lost while the journal fails: it is asked again."""
        failures = 0
        while self._waiting:
            task = next(iter(self._waiting))
            try:
                await self._look_up(task)
                failures = 0
            except StoreDamaged:  # the journal has logged it, and trying again does not help
                self._waiting.pop(task, None)
                self._unreadable.add(task)
            except OSError as error:
                if not isinstance(error, StoreError):  # that the journal has logged
                    _log.error("tags.unread", task=task, error=str(error))
                await asyncio.sleep(full_jitter(failures))
                failures += 1
            except Exception:  # noqa: BLE001 -- a task's boundary: one that cannot be read must not hide all others
                _log.exception("tags.crashed", task=task)
                self._waiting.pop(task, None)
                self._unreadable.add(task)
        self._looking_up = None

    async def _look_up(self, task: str) -> None:
        tags = self._tags_of.get(task)
        if tags is None:
            record = await self._journal.stored_task(task)
            tags = () if record is None else record.tags
        snapshot = await self._journal.snapshot(task) if self._watched(tags) else None
        later = self._waiting.pop(task)
        if snapshot is not None:
            self._show(snapshot, later)
            self.tell()
        elif not later[-1].final:
            self._tags_of[task] = tags

    async def _load(self, channel: TagChannel) -> None:
        try:
            unended, newest = await self._list(channel.tag)
            for task in list(dict.fromkeys((*unended, *newest)))[:LISTED]:
                snapshot = None
                with suppress(StoreDamaged):  # the journal has logged it, and the others are shown all the same
                    snapshot = None if task in channel else await self._journal.snapshot(task)
                if snapshot is not None and task not in channel:  # the tail may have brought it meanwhile
                    channel.add(snapshot)
                    if snapshot.done is None:
                        self._tags_of[task] = snapshot.tags
            channel.complete = len(unended) < LISTED
        finally:
            del self._loading[channel.tag]
            channel.joining -= 1
            self._release(channel)

    async def _list(self, tag: Tag) -> tuple[list[str], list[str]]:
        """Return the newest tasks of a tag that have not ended, and its newest of all."""
        unended = await self._journal.page(Filter(states=UNFINISHED, tag=tag), after=None, limit=LISTED)
        newest = await self._journal.page(Filter(tag=tag), after=None, limit=LISTED)
        return [place.id for place in unended], [place.id for place in newest]

    def _release(self, channel: TagChannel) -> None:
        if channel.unused and self._channels.get(channel.tag) is channel:
            del self._channels[channel.tag]
            self._changed.discard(channel)
            if not self._channels:
                self._forget()

    def _forget(self) -> None:
        """Nobody watches a tag: from here on nothing is heard, so nothing may be remembered."""
        self._tags_of.clear()
        self._waiting.clear()
        self._unreadable.clear()
        if self._looking_up is not None:
            self._looking_up.cancel()
            self._looking_up = None
