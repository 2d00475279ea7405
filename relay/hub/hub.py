"""
The hub: opens a channel when its first viewer comes, lets it go with the last, and looks after those who fall behind.

One sweep for all, no timers per viewer: every second a twelfth of the viewers is looked at for pings and expired
rights; while somebody is behind, a second sweep sees every 100 ms who has drained.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from itertools import groupby

import orjson

from relay import log
from relay.errors import Code, RequestError
from relay.hub.cursor import Cursor
from relay.hub.tag_router import Tags
from relay.hub.task_channel import RECENT_EVENTS, Channel
from relay.hub.viewer import BEHIND_BYTES, DRAINING, KEYS_CHANGED, TOO_SLOW, Close, Subscription, Tag, Viewer
from relay.journal.base import Journal
from relay.journal.entries import Appended, Entry

ROUND_S = 12
"""Every viewer is looked at once in this time: SSE is pinged each round (15 s are promised), WS each second (25 s)."""

CATCH_UP_S = 0.1
TOO_SLOW_S = 60.0
"""A viewer that has not drained for so long is sent away."""

_log = log.get("hub")


class Hub:
    """All channels and viewers of this process."""

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        """
        Args:
            journal: where the state is read and the tail comes from.
            clock: gives unix seconds.
        """
        self._journal = journal
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._tags = Tags(journal, clock, self._fell_behind)
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._viewers: dict[Viewer, int] = {}
        """Each viewer and the second of the round in which it is looked at."""
        self._second = 0
        self._behind: set[Viewer] = set()
        self._round_timer: asyncio.TimerHandle | None = None
        self._catch_up_timer: asyncio.TimerHandle | None = None
        self._stop_listening = journal.listen(self._hear)

    def __repr__(self) -> str:
        return f"<Hub channels={self.channels} viewers={len(self._viewers)} behind={len(self._behind)}>"

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def channels(self) -> int:
        """How many tasks and tags are watched."""
        return len(self._channels) + len(self._tags)

    def join(self, viewer: Viewer) -> None:
        """Take in a connection. It sees nothing before it is subscribed."""
        self._viewers[viewer] = len(self._viewers) % ROUND_S
        viewer.filled = self._filled
        if self._round_timer is None:
            self._round_timer = asyncio.get_running_loop().call_later(1, self._round)

    def leave(self, viewer: Viewer) -> None:
        """Forget a connection and all its subscriptions. Idempotent."""
        viewer.gone = True
        self._viewers.pop(viewer, None)
        self._behind.discard(viewer)
        for task in list(viewer.subscriptions):
            self._exit(viewer, task)
        for tag in list(viewer.tags):
            self._tags.unsubscribe(viewer, tag)

    async def subscribe(
        self, viewer: Viewer, task: str, cursor: Cursor | None = None, *, expires_at: float | None = None
    ) -> None:
        """
        Show a task to a viewer: one message with the whole state or what it missed, then everything that happens.

        Raises:
            RequestError: there is no such task.
            OSError: the journal failed.
        """
        channel = self._channels.get(task)
        if channel is None:
            channel = self._channels[task] = Channel(task)  # it hears the tail before the state is read
            channel.joining += 1  # of the load itself: it ends even if everybody has left, and finds its channel
            self._loading[task] = asyncio.create_task(self._load(channel), name=f"load {task}")
        channel.joining += 1
        try:
            if (loading := self._loading.get(task)) is not None:
                await asyncio.shield(loading)  # a viewer that leaves must not take the others' load with it
            if not channel.opened:
                raise RequestError(Code.NOT_FOUND, "There is no such task.")
            missed = await self._missed(channel, cursor)
            if viewer.gone:
                return
            # From here to `enter` nothing is awaited: no event can fall between the state and the first frame.
            now = self._clock()
            if missed is None or cursor is None:
                opening = channel.state(viewer.form, now)
            else:
                opening = channel.resumed(viewer.form, cursor.seq, missed, now)
            channel.enter(Subscription(viewer, expires_at), opening)
        finally:
            channel.joining -= 1
            self._release(channel)

    async def subscribe_tag(self, viewer: Viewer, tag: Tag, *, expires_at: float | None = None) -> None:
        """
        Show a tag's tasks to a viewer: a short snapshot of each, `listed`, then what happens to them, without output.
        With null in the place of a tag, all tasks are shown so.

        A task that the viewer is subscribed to itself is told of there, and not by its tags.

        Raises:
            OSError: the journal failed.
        """
        await self._tags.subscribe(viewer, tag, expires_at=expires_at)

    def unsubscribe(self, viewer: Viewer, task: str) -> None:
        """End one subscription; the viewer's tags tell of the task from here on. Idempotent."""
        if task in viewer.subscriptions:
            self._exit(viewer, task)
            self._tags.hand_back(viewer, task)

    def unsubscribe_tag(self, viewer: Viewer, tag: Tag) -> None:
        """End one subscription to a tag, or to all tasks. Idempotent."""
        self._tags.unsubscribe(viewer, tag)

    def settle(self, viewer: Viewer) -> None:
        """Give a viewer at once all that it is owed. It must be one whose buffer is always empty."""
        while viewer.behind_since is not None:
            self._bring_up(viewer, self._clock())

    async def drain(self, within_s: float) -> None:
        """Send every viewer away to come back later, in random order and spread out over the time given."""
        viewers = list(self._viewers)
        random.shuffle(viewers)
        batch = max(1, len(viewers) // 20)
        for start in range(0, len(viewers), batch):
            for viewer in viewers[start : start + batch]:
                self.send_away(viewer, DRAINING)
            if start + batch < len(viewers):
                await asyncio.sleep(within_s / 20)

    def check_again(self) -> None:
        """Send away the viewers whose right has no end, which is that of an API key, so that they prove it anew."""
        for viewer in list(self._viewers):
            of_tasks, of_tags = viewer.subscriptions.values(), viewer.tags.values()
            if any(each.expires_at is None for each in of_tasks) or any(each.expires_at is None for each in of_tags):
                self.send_away(viewer, KEYS_CHANGED)

    def close(self) -> None:
        """Stop listening and stop every timer. Connections are their owners' to close."""
        self._stop_listening()
        for timer in (self._round_timer, self._catch_up_timer):
            if timer is not None:
                timer.cancel()
        for loading in self._loading.values():
            loading.cancel()
        self._tags.close()

    def _hear(self, appended: Sequence[Appended]) -> None:
        """Take in what one commit brought, one write per viewer and task, and one per viewer and tag."""
        entries = [entry for each in appended for entry in each.entries]
        if self._tags:  # first, for a task that ends lets its viewers go: its end would come to them by the tag again
            for task, own in groupby(entries, key=lambda entry: entry.task):
                self._tags.hear(task, list(own))
            self._tags.tell()
        for task, own in groupby(entries, key=lambda entry: entry.task):
            if (channel := self._channels.get(task)) is not None:
                self._fell_behind(channel.hear(list(own)))
                self._release(channel)

    def _exit(self, viewer: Viewer, task: str) -> None:
        channel = self._channels[task]  # a channel stays for as long as it has an audience
        channel.exit(viewer)
        self._release(channel)

    async def _load(self, channel: Channel) -> None:
        try:
            snapshot = await self._journal.snapshot(channel.task)
            if snapshot is not None:
                channel.open(snapshot)
        finally:
            del self._loading[channel.task]
            channel.joining -= 1
            if channel.opened:
                self._release(channel)
            else:  # unknown, or the journal failed: nobody else shall find it
                del self._channels[channel.task]

    async def _missed(self, channel: Channel, cursor: Cursor | None) -> list[Entry] | None:
        """Return what the bearer of `cursor` has missed; null when a snapshot is the better answer."""
        if cursor is None or cursor.epoch != self._journal.epoch:
            return None
        if not 0 <= channel.seq - cursor.seq <= RECENT_EVENTS:
            return None
        missed: list[Entry] = []
        after = cursor.seq
        while (rest := channel.since(after)) is None:
            history = await self._journal.read(channel.task, after=after, limit=RECENT_EVENTS)
            # What is committed but not heard yet comes by the tail: here it would come twice.
            known = [entry for entry in history.entries if entry.seq <= channel.seq]
            if not known or known[0].seq != after + 1:
                return None  # trimmed
            missed += known
            after = known[-1].seq
        missed += rest
        return missed if len(missed) <= RECENT_EVENTS else None  # it grew while the journal was read

    def _release(self, channel: Channel) -> None:
        if channel.unused and self._channels.get(channel.task) is channel:
            del self._channels[channel.task]

    def _filled(self, viewer: Viewer) -> None:
        self._fell_behind([viewer])

    def _fell_behind(self, viewers: Sequence[Viewer]) -> None:
        for viewer in viewers:
            if viewer.behind_since is None and not viewer.gone:
                self._mark(viewer, self._clock())
                self._behind.add(viewer)
        if self._behind and self._catch_up_timer is None:
            self._catch_up_timer = asyncio.get_running_loop().call_later(CATCH_UP_S, self._catch_up)

    def _catch_up(self) -> None:
        self._catch_up_timer = None
        now = self._clock()
        for viewer in list(self._behind):
            if viewer.buffered() == 0:
                self._bring_up(viewer, now)
            elif viewer.behind_since is not None and now - viewer.behind_since >= TOO_SLOW_S:
                _log.info("viewer.too_slow", form=viewer.form.name)
                self.send_away(viewer, TOO_SLOW)
        self._fell_behind(())

    def _bring_up(self, viewer: Viewer, now: float) -> None:
        """Give a drained viewer one snapshot of each task that it missed something of."""
        # Tags first: what a task's own channel tells now, and lets go with, they shall not tell again.
        owed = self._tags.catch_up(viewer, now)
        for task, subscription in list(viewer.subscriptions.items()):
            if subscription.stale:
                channel = self._channels[task]
                channel.catch_up(subscription, now)
                self._release(channel)
                if viewer.buffered() > BEHIND_BYTES:
                    break
        if owed or viewer.buffered() > BEHIND_BYTES:  # it drained, so its time begins anew
            viewer.behind_since = now
            return
        self._mark(viewer, None)
        self._behind.discard(viewer)

    def _mark(self, viewer: Viewer, behind_since: float | None) -> None:
        viewer.behind_since = behind_since
        for task in viewer.subscriptions:
            self._channels[task].changed()

    def send_away(self, viewer: Viewer, why: Close) -> None:
        """Close a connection from our side; it leaves at once."""
        self.leave(viewer)
        viewer.close(why)

    def _round(self) -> None:
        self._round_timer = None
        if not self._viewers:
            return
        self._round_timer = asyncio.get_running_loop().call_later(1, self._round)
        self._second = (self._second + 1) % ROUND_S
        now = self._clock()
        ping = orjson.dumps({"type": "ping", "at": now})
        frames: dict[str, bytes] = {}
        for viewer, second in list(self._viewers.items()):
            if second != self._second:
                continue
            self._end_rights(viewer, now)
            viewer.ping_round = (viewer.ping_round + 1) % viewer.form.ping_rounds
            if viewer.ping_round == 0 and viewer.behind_since is None and not viewer.gone:
                name = viewer.form.name
                viewer.write(frames.get(name) or frames.setdefault(name, viewer.form.wrap(ping, None)))

    def _end_rights(self, viewer: Viewer, now: float) -> None:
        """End the subscriptions whose token has expired."""
        for tag, of_tag in list(viewer.tags.items()):
            if of_tag.expires_at is not None and now >= of_tag.expires_at:
                self._tags.unsubscribe(viewer, tag)
                viewer.expired("tag" if tag is not None else "all", tag)
        for task, of_task in list(viewer.subscriptions.items()):
            if of_task.expires_at is not None and now >= of_task.expires_at:
                self._exit(viewer, task)
                viewer.expired("task", task)
                self._tags.hand_back(viewer, task)
