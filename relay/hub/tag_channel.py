"""
One tag's audience, or that of all tasks: a row for each task, and who watches.

Like a task's channel it writes and never awaits, and keeps no backlog: a viewer that is behind remembers the revision
up to which it knows the rows, and is given those that have changed since. Which tasks there are, it is told.

A viewer that is subscribed to one of the tasks itself is told of that task there, and not here.
"""

from collections.abc import Sequence
from itertools import accumulate

import orjson

from relay.core.snapshot import Snapshot
from relay.hub.framing import Form
from relay.hub.task_channel import FLOOD_BYTES
from relay.hub.task_summary import Row
from relay.hub.viewer import BEHIND_BYTES, Tag, TagSubscription, Viewer, about
from relay.journal.entries import Entry

LISTED = 100
"""How many tasks a viewer is shown when it comes. Those that have not ended may be more: they appear when they move."""


class TagChannel:
    """The channel of one tag, or of all tasks."""

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self.joining = 0
        """How many are on their way in: the channel must not be let go under them."""
        self.complete = False
        """Whether every task of the tag that has not ended has a row, so that the list need not be read again."""
        self._rows: dict[str, Row] = {}
        self._strangers: set[str] = set()
        """Tasks that not everybody here has been shown: the next news of one is its row."""
        self._revision = 0
        self._told = 0
        """The revision that everybody who keeps up knows."""
        self._news: list[tuple[str, bytes]] = []
        """By task, what this commit has to say; written in one go."""
        self._untidy = False
        """Whether tasks have ended since the oldest of them were let go of last."""
        self._audience: dict[Form, dict[Viewer, TagSubscription]] = {}

    def __repr__(self) -> str:
        viewers = sum(map(len, self._audience.values()))
        return f"<TagChannel {self.tag} rows={len(self._rows)} viewers={viewers} joining={self.joining}>"

    def __contains__(self, task: str) -> bool:
        return task in self._rows

    @property
    def unused(self) -> bool:
        return not self.joining and not any(self._audience.values())

    def add(self, snapshot: Snapshot) -> None:
        """Take in a task that was found in the list, without telling anybody."""
        row = self._rows[snapshot.id] = Row(snapshot)
        if not row.ended and any(self._audience.values()):
            self._strangers.add(row.task)

    def show(self, snapshot: Snapshot, later: Sequence[Entry], now: float) -> None:
        """Take in a task from its state and what was heard since, and have everybody told."""
        row = Row(snapshot)
        row.hear(later)
        known = self._rows.get(row.task)
        if known is None or known.seq <= row.seq:
            self._rows[row.task] = row
            self._say(row, [row.message(now)])

    def hear(self, task: str, entries: Sequence[Entry], now: float) -> None:
        """Take in what one commit brought of a task that has its row."""
        row = self._rows[task]
        shown = row.hear(entries)
        if shown is None or (shown and task in self._strangers):
            self._say(row, [row.message(now)])
        elif shown:
            self._say(row, [entry.body for entry in shown])

    def tell(self) -> list[Viewer]:
        """
        Write the news to everybody who keeps up.

        Returns:
            The viewers to whom it was not written.
        """
        if not self._news:
            return []
        news, self._news = self._news, []
        tasks = {task for task, _ in news}
        flood = sum([len(body) for _, body in news]) > FLOOD_BYTES
        fallen = []
        for form, audience in self._audience.items():
            frames = [] if flood else [(task, form.wrap(body, None)) for task, body in news]
            together = b"".join([frame for _, frame in frames])
            for viewer, subscription in audience.items():
                if flood or viewer.behind_since is not None:
                    if subscription.known_up_to is None:
                        subscription.known_up_to = self._told
                    fallen.append(viewer)
                    continue
                if tasks.isdisjoint(viewer.subscriptions):
                    viewer.write(together)
                elif others := b"".join([frame for task, frame in frames if task not in viewer.subscriptions]):
                    viewer.write(others)
        self._told = self._revision
        self._untidy |= any(self._rows[task].ended for task in tasks)
        if self._untidy and len(self._rows) > LISTED:
            self._forget_ended()
        return fallen

    def enter(self, subscription: TagSubscription, now: float) -> None:
        """Show a viewer the list and, in the same breath, have it hear everything from here on."""
        viewer = subscription.viewer
        self._audience.setdefault(viewer.form, {})[viewer] = subscription
        viewer.tags[self.tag] = subscription
        if viewer.behind_since is None:
            self._list(subscription, now)

    def exit(self, viewer: Viewer) -> None:
        """Forget a viewer. Idempotent."""
        viewer.tags.pop(self.tag, None)
        self._audience.get(viewer.form, {}).pop(viewer, None)

    def catch_up(self, subscription: TagSubscription, now: float) -> bool:
        """
        Give a viewer that has drained the rows that changed since it was told last, or the list it waits for.

        Returns:
            Whether more rows are owed than it was given: so many at a time as it may have in its buffer.
        """
        known, subscription.known_up_to = subscription.known_up_to, None
        if not subscription.listed:
            self._list(subscription, now)
        elif known is not None:
            changed = sorted((row for row in self._rows.values() if row.revision > known), key=lambda row: row.revision)
            for count, size_bytes in enumerate(accumulate(len(row.message(now)) for row in changed), 1):
                if size_bytes > BEHIND_BYTES and count < len(changed):
                    subscription.known_up_to = changed[count - 1].revision
                    changed = changed[:count]
                    break
            self._write(subscription.viewer, changed, now)
        return subscription.known_up_to is not None

    def hand_back(self, viewer: Viewer, task: str, now: float) -> None:
        """Show a viewer from here on a task that it was subscribed to itself."""
        subscription, row = viewer.tags[self.tag], self._rows.get(task)
        if row is None or not subscription.listed:
            return
        if viewer.behind_since is None:
            self._write(viewer, [row], now)
            return
        # It may be owed something of the task: so this is a change, if only for those who are behind.
        if subscription.known_up_to is None:
            subscription.known_up_to = self._revision
        self._revision += 1
        row.revision = self._revision

    def _say(self, row: Row, bodies: Sequence[bytes]) -> None:
        self._strangers.discard(row.task)
        self._revision += 1
        row.revision = self._revision
        self._news += [(row.task, body) for body in bodies]

    def _list(self, subscription: TagSubscription, now: float) -> None:
        rows = sorted(self._rows.values(), key=lambda row: row.rank, reverse=True)
        self._strangers |= {row.task for row in rows[LISTED:] if not row.ended}
        self._write(subscription.viewer, rows[:LISTED], now, orjson.dumps({"type": "listed", **about("tag", self.tag)}))
        subscription.listed = True

    def _write(self, viewer: Viewer, rows: Sequence[Row], now: float, *after: bytes) -> None:
        messages = [row.message(now) for row in rows if row.task not in viewer.subscriptions]
        if messages or after:
            viewer.write(b"".join([viewer.form.wrap(message, None) for message in (*messages, *after)]))

    def _forget_ended(self) -> None:
        """Let go of the oldest ended tasks beyond those that a list has, unless somebody may still be owed an end."""
        subscriptions = (one for audience in self._audience.values() for one in audience.values())
        if any(subscription.known_up_to is not None for subscription in subscriptions):
            return
        ended = sorted((row for row in self._rows.values() if row.ended), key=lambda row: row.rank)
        for row in ended[: len(self._rows) - LISTED]:
            del self._rows[row.task]
        self._untidy = False
