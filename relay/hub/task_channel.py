"""The channel of one task: its state, the end of its log, and its viewers."""

from collections.abc import Callable, Sequence

import orjson

from relay.core.snapshot import Snapshot
from relay.hub.channel import Channel
from relay.hub.counts import HubCounts, Sent
from relay.hub.deleted_message import deleted_message
from relay.hub.framing import Framing
from relay.hub.lazy_snapshot import LazySnapshot, snapshot_message
from relay.hub.recent_entries import RecentEntries
from relay.hub.topic import TaskTopic
from relay.hub.viewer import Subscription, Viewer
from relay.journal.entries import Appended, Entry

FLOOD_BYTES = 256 * 1024
"""
A commit larger than this is not written to the viewers, because every write buffer would hold a copy.

The viewers are sent the state instead.
"""


class TaskChannel(Channel[TaskTopic]):
    """Forwards a task's events. Until `load` it only collects them, so that none is lost before the state is known."""

    def __init__(self, topic: TaskTopic, counts: HubCounts | None = None) -> None:
        super().__init__(topic)
        _, self.task = topic
        self._counts = HubCounts() if counts is None else counts
        self.seq = 0
        """The last event received."""
        self.changed = False
        """Whether the last `load` found another state than the one that viewers have."""
        self._epoch = ""
        self._state: LazySnapshot | None = None
        self._ended = False
        self._early: list[Appended] = []
        """What was published before the state was loaded."""
        self._recent = RecentEntries()
        self._writers: list[tuple[Framing, list[Callable[[bytes], None]], Sent]] | None = None
        """The `write` methods of the viewers that are not slow; None until the next event after a change."""
        self._slow: list[Subscription] = []
        """The subscriptions of the other viewers, as of the same time."""

    def __repr__(self) -> str:
        return f"<TaskChannel {self.task} seq={self.seq} viewers={len(list(self._subscriptions()))}>"

    @property
    def loaded(self) -> bool:
        return self.exists and not self.outdated

    @property
    def exists(self) -> bool:
        """Whether the journal had the task when it was last read. The state may be outdated."""
        return self._state is not None

    def outdate(self) -> None:
        """Collect events again. Until the next `load`, viewers are sent the outdated state if they need one."""
        super().outdate()
        self._early.clear()

    def unload(self) -> None:
        """Note that the journal does not have the task any more."""
        self._state = None

    def delete(self, now: float) -> None:
        """End every subscription: the task was deleted."""
        self.version += 1  # a state that is being read is not used
        self._early.clear()
        self.unload()
        message = deleted_message(self.task, now)
        for viewer in self.viewers:
            self.remove(viewer)
            viewer.task_deleted(message)

    def load(self, snapshot: Snapshot) -> None:
        """Start from the state in the journal, which may include some of what has been published so far."""
        shown = self._epoch, self.seq
        self._state = LazySnapshot(snapshot)
        self._recent = RecentEntries()
        self._epoch, self.seq, self._ended = snapshot.epoch, snapshot.seq, snapshot.done is not None
        for appended in self._early:
            self._take(appended)
        self._early.clear()
        self.changed = (self._epoch, self.seq) != shown

    def publish(self, appended: Appended) -> list[Viewer]:
        """
        Write the events of one commit to the viewers that are not slow.

        Returns:
            The viewers to which nothing was written because the commit is too large. They are slow from now on.
        """
        if not self.loaded:
            self._early.append(appended)
            return []
        entries = self._take(appended)
        if not entries:
            return []
        skipped: list[Viewer] = []
        if sum([len(entry.body) for entry in entries]) > FLOOD_BYTES:
            skipped = self.skip_all()
        else:
            self._write(entries)
        if self._ended:
            for subscription in list(self._subscriptions()):
                if subscription.stale_since is None:  # the others end with the snapshot that they will be sent
                    self._end(subscription.viewer)
        return skipped

    def skip_all(self) -> list[Viewer]:
        """Mark every subscription stale, and return the viewers that are not slow yet."""
        for subscription in self._subscriptions():
            subscription.stale_since = 0
        return [viewer for viewer in self.viewers if viewer.slow_since is None]

    def begin(self, viewer: Viewer, expires_at: float | None, opening: bytes, framing: Framing | None = None) -> None:
        """Subscribe a viewer: write its first messages, and every event from here on."""
        subscription = self.add(viewer, expires_at, framing)
        if viewer.slow_since is not None:
            subscription.stale_since = 0
            return
        viewer.write(opening)
        if self._ended:
            self._end(viewer)

    def snapshot(self, framing: Framing, now: float) -> bytes:
        """Return the message with the state after the last event."""
        if self._state is None:
            raise AssertionError(f"{self!r} is not loaded")  # pragma: no cover -- the hub checks that it is
        return framing.encode(snapshot_message(self._state, now), self._cursor(self.seq))

    def resumption(self, framing: Framing, missed: Sequence[Entry], now: float) -> bytes:
        """Return the messages for a viewer that resumes: how many events it has missed, and those events."""
        seq = self.seq - len(missed)
        head = {"type": "resumed", "task": self.task, "seq": seq, "events": len(missed), "at": now}
        events = [framing.encode(entry.body, self._cursor(entry.seq)) for entry in missed]
        return b"".join([framing.encode(orjson.dumps(head), None), *events])

    def catch_up(self, subscription: Subscription, since: int, now: float) -> None:
        viewer = subscription.viewer
        viewer.write(self.snapshot(subscription.framing, now))
        if self._ended:
            self._end(viewer)

    def viewers_changed(self) -> None:
        self._writers = None

    def recent(self, after: int) -> list[Entry] | None:
        """Return the events after that `seq`, or None if some are no longer in memory."""
        return [] if after == self.seq else self._recent.after(after)

    def _take(self, appended: Appended) -> list[Entry]:
        """Add a commit to the state and the recent entries, and return its entries that are new."""
        # The state may have been read from the journal with entries in it that are published only now.
        entries = [entry for entry in appended.entries if entry.seq > self.seq]
        if entries and self._state is not None:
            self._state.add(entries, appended.folded)
            for entry in entries:
                self._recent.append(entry)
            self.seq, self._ended = entries[-1].seq, entries[-1].final
        return entries

    def _cursor(self, seq: int) -> str:
        return f"{self._epoch}:{seq}"

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries to the viewers that are not slow, and mark the subscriptions of the others stale."""
        if self._writers is None:
            self._slow = [each for each in self._subscriptions() if each.viewer.slow_since is not None]
            self._writers = [
                (framing, [viewer.write for viewer in group if viewer.slow_since is None], self._counts.sent[framing])
                for framing, group in self._groups.items()
            ]
        for framing, writers, sent in self._writers:
            if writers:
                data = b"".join([framing.encode(entry.body, self._cursor(entry.seq)) for entry in entries])
                for write in writers:
                    write(data)
                sent.events += len(entries) * len(writers)
                sent.size_bytes += len(data) * len(writers)
        for subscription in self._slow:
            subscription.stale_since = 0

    def _end(self, viewer: Viewer) -> None:
        self.remove(viewer)
        viewer.task_ended(self.task)
