"""
The channel of a tag, or of all tasks: a summary of each task, and its viewers.

A viewer that is subscribed to one of the tasks directly receives its events there and not here.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import orjson

from relay.core.snapshot import Snapshot
from relay.hub.channel import Channel
from relay.hub.counts import HubCounts
from relay.hub.cursor import Cursor
from relay.hub.deleted_message import deleted_message
from relay.hub.framing import Framing
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.task_summary import TaskSummary
from relay.hub.topic import ALL, TagTopic, Topic, topic_field
from relay.hub.viewer import HIGH_WATER_BYTES, Subscription, Viewer
from relay.journal.entries import Appended

LISTED = 100
"""How many tasks a new viewer is sent. Further tasks that have not ended are sent with their next event."""

DROPPED = 1000
"""How many of the tasks that it has dropped a channel remembers, in case they are deleted."""

_UNLISTED = -1
"""The position of a viewer that has not been sent the list yet."""


class TagChannel(Channel[TagTopic]):
    """
    Forwards the events of the tasks of one tag, except those that only add text.

    Its position is a revision that each change of a summary increments. A slow viewer is later sent the summaries that
    have changed since its revision.
    """

    def __init__(self, topic: TagTopic, counts: HubCounts | None = None) -> None:
        super().__init__(topic)
        self._counts = HubCounts() if counts is None else counts
        self.complete = False
        """Whether every task of the tag that has not ended has a summary, so that the list need not be read again."""
        self.outdated_tasks: set[str] = set()
        """The tasks whose summaries must be read again, because viewers may have outdated ones."""
        self._summaries: dict[str, TaskSummary] = {}
        self._unlisted: set[str] = set()
        """Tasks that some viewers have not been sent yet. Their next event is sent as a summary."""
        self._revision = 0
        self._flushed_revision = 0
        self._pending: list[tuple[Topic, bytes]] = []
        """The messages of the current commit, with the task each is about."""
        self._has_ended = False
        """Whether a task has ended since summaries were last dropped."""
        self._dropped: dict[str, None] = {}
        """The tasks whose summaries were dropped last, which viewers may still show."""
        self._deleted: dict[str, int] = {}
        """The revisions at which tasks were deleted, for viewers that have missed that."""

    def __repr__(self) -> str:
        _, tag = self.topic
        viewers = len(list(self._subscriptions()))
        return f"<TagChannel {tag} summaries={len(self._summaries)} viewers={viewers}>"

    def __contains__(self, task: str) -> bool:
        return task in self._summaries

    @property
    def loaded(self) -> bool:
        return self.complete

    def outdate(self) -> None:
        """
        Forget all summaries.

        A task that was never listed here, and that a viewer knows from an earlier subscription to the task itself, is
        sent with its next event.
        """
        super().outdate()
        self.complete = False
        self.outdated_tasks |= self._summaries.keys()
        self._summaries.clear()
        self._unlisted.clear()
        self._pending.clear()

    def load(self, snapshot: Snapshot) -> None:
        """Add a task that was read from the journal, without sending it to the viewers."""
        summary = self._summaries[snapshot.id] = TaskSummary(snapshot)
        if not summary.ended and any(self._subscriptions()):
            self._unlisted.add(summary.task)

    def introduce(self, snapshot: Snapshot, later: Sequence[Appended], now: float) -> None:
        """Add or replace a task, given its state and what was appended since, and send its summary to the viewers."""
        summary = TaskSummary(snapshot)
        for appended in later:
            summary.add(appended)
        known = self._summaries.get(summary.task)
        if known is None or known.seq <= summary.seq:
            self._summaries[summary.task] = summary
            self._send(summary, [summary.message(now)])

    def delete(self, task: str, now: float) -> None:
        """Forget a task that was deleted, and have the viewers that may show it told. `flush` writes that."""
        self.version += 1  # a list that is being read may have it
        is_shown = task in self._summaries or task in self._dropped or task in self.outdated_tasks
        self._summaries.pop(task, None)
        self._dropped.pop(task, None)
        self.outdated_tasks.discard(task)
        self._unlisted.discard(task)
        if is_shown or self.topic == ALL:
            self._revision += 1
            self._deleted[task] = self._revision
            self._pending.append((("task", task), deleted_message(task, now)))

    def publish(self, appended: Appended, now: float) -> None:
        """Take the events of one commit, of a task that has a summary. `flush` writes them."""
        summary = self._summaries[appended.task]
        shown = summary.add(appended)
        if shown is None or (shown and summary.task in self._unlisted):
            self._send(summary, [summary.message(now)])
        elif shown:
            self._send(summary, [entry.body for entry in shown])

    def flush(self) -> list[Viewer]:
        """
        Write what the commit has brought to the viewers that are not slow.

        Returns:
            The viewers that it was not written to: the slow ones, or all if it is too large.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return []
        tasks = {task for task, _ in pending}
        is_flood = sum([len(body) for _, body in pending]) > FLOOD_BYTES
        skipped = []
        for framing, group in self._groups.items():
            encoded = [] if is_flood else [(task, framing.encode(body, None)) for task, body in pending]
            together = b"".join([data for _, data in encoded])
            left_out = 0
            for viewer, subscription in group.items():
                if is_flood or viewer.slow_since is not None:
                    if subscription.stale_since is None:
                        subscription.stale_since = self._flushed_revision
                    skipped.append(viewer)
                    left_out += 1
                elif tasks.isdisjoint(viewer.subscriptions):
                    viewer.write(together)
                elif others := b"".join([data for task, data in encoded if task not in viewer.subscriptions]):
                    viewer.write(others)
            sent = self._counts.sent[framing]
            sent.events += len(encoded) * (len(group) - left_out)
            sent.size_bytes += len(together) * (len(group) - left_out)
        self._flushed_revision = self._revision
        if not any(subscription.stale_since is not None for subscription in self._subscriptions()):
            self._deleted.clear()
            self._drop_ended()
        return skipped

    def begin(
        self,
        viewer: Viewer,
        expires_at: float | None,
        now: float,
        known: Mapping[str, Cursor],
        framing: Framing | None = None,
    ) -> None:
        """
        Subscribe a viewer: write the list, and every change from here on.

        Args:
            viewer: a viewer that has joined.
            expires_at: when the subscription ends, in unix seconds; None for never.
            now: the relay's time in unix seconds.
            known: the positions of the states that the viewer has. The list leaves out those that are up to date.
            framing: how messages are encoded; None for the viewer's own framing.
        """
        subscription = self.add(viewer, expires_at, framing)
        if viewer.slow_since is None:
            self._write_list(viewer, now, known)
        else:
            subscription.stale_since = _UNLISTED

    def catch_up(self, subscription: Subscription, since: int, now: float) -> None:
        if since == _UNLISTED:
            self._write_list(subscription.viewer, now, {})
            return
        gone = [deleted_message(task, now) for task, revision in self._deleted.items() if revision > since]
        changed = sorted((each for each in self._summaries.values() if each.revision > since), key=_revision)
        sizes = accumulate(len(summary.message(now)) for summary in changed)
        for count, size_bytes in enumerate(sizes, 1):
            if size_bytes > HIGH_WATER_BYTES and count < len(changed):
                subscription.stale_since = changed[count - 1].revision
                changed = changed[:count]
                break
        self._write(subscription.viewer, changed, now, *gone)

    def task_unsubscribed(self, viewer: Viewer, task: str, now: float) -> None:
        """Send the viewer the task's summary: from here on it receives the task's events from this channel."""
        subscription, summary = viewer.subscriptions[self.topic], self._summaries.get(task)
        if summary is None or subscription.stale_since == _UNLISTED:
            return
        if viewer.slow_since is None:
            self._write(viewer, [summary], now)
            return
        # The viewer may have missed events of the task, so this counts as a change, which only slow viewers are sent.
        if subscription.stale_since is None:
            subscription.stale_since = self._revision
        self._revision += 1
        summary.revision = self._revision

    def _send(self, summary: TaskSummary, bodies: Sequence[bytes]) -> None:
        self._unlisted.discard(summary.task)
        self._revision += 1
        summary.revision = self._revision
        self._has_ended |= summary.ended
        self._pending += [(("task", summary.task), body) for body in bodies]

    def _write_list(self, viewer: Viewer, now: float, known: Mapping[str, Cursor]) -> None:
        summaries = sorted(self._summaries.values(), key=_rank, reverse=True)
        self._unlisted |= {summary.task for summary in summaries[LISTED:] if not summary.ended}
        changed = [each for each in summaries[:LISTED] if known.get(each.task) != each.position]
        self._write(viewer, changed, now, orjson.dumps({"type": "listed", **topic_field(self.topic)}))

    def _write(self, viewer: Viewer, summaries: Sequence[TaskSummary], now: float, *after: bytes) -> None:
        messages = [each.message(now) for each in summaries if ("task", each.task) not in viewer.subscriptions]
        if messages or after:
            framing = viewer.subscriptions[self.topic].framing
            viewer.write(b"".join([framing.encode(message, None) for message in (*messages, *after)]))

    def _drop_ended(self) -> None:
        """Drop the oldest ended tasks that do not fit into a list. No viewer has missed their ends."""
        excess = len(self._summaries) - LISTED
        if not self._has_ended or excess <= 0:
            return
        ended = sorted((summary for summary in self._summaries.values() if summary.ended), key=_rank)
        for summary in ended[:excess]:
            del self._summaries[summary.task]
            self._dropped[summary.task] = None
        for task in list(self._dropped)[:-DROPPED]:
            del self._dropped[task]
        self._has_ended = False


def _rank(summary: TaskSummary) -> tuple[bool, bool, float, str]:
    return summary.rank


def _revision(summary: TaskSummary) -> int:
    return summary.revision
