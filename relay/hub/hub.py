"""The hub: connects the journal to the viewers of this process."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import orjson

from relay.hub.channel import Channel
from relay.hub.channels import Channels
from relay.hub.close_codes import DRAINING, FAILED, KEYS_CHANGED, Close
from relay.hub.counts import HubCounts
from relay.hub.cursor import Cursor
from relay.hub.framing import Framing, of_status
from relay.hub.resume import read_ahead, read_missed
from relay.hub.rounds import Rounds
from relay.hub.slow_viewers import SlowViewers
from relay.hub.tag_channel import TagChannel
from relay.hub.tag_router import TagRouter
from relay.hub.task_channel import TaskChannel
from relay.hub.topic import TaskTopic, Topic
from relay.hub.viewer import Viewer
from relay.journal.base import Journal
from relay.journal.deletions import absence
from relay.journal.entries import Appended

DRAIN_STEPS = 20
"""In how many batches a drain disconnects the viewers."""


class Hub:
    """All channels and viewers of this process."""

    def __init__(
        self, journal: Journal, clock: Callable[[], float], is_revoked: Callable[[Any], bool] = lambda _token: False
    ) -> None:
        """
        Args:
            journal: where states are read, and whose commits are forwarded.
            clock: returns unix seconds.
            is_revoked: returns whether a token that was passed to `subscribe` is revoked.
        """
        self._is_revoked = is_revoked
        self._journal = journal
        self._clock = clock
        self.counts = HubCounts()
        self._viewers = Rounds(self._visit)
        self._slow = SlowViewers(clock, self._channel, self.disconnect, self.counts)
        self._on_full = lambda viewer: self._slow.add([viewer])
        self._on_lost = self.leave  # one bound method for all viewers
        self._tasks: Channels[TaskTopic, TaskChannel] = Channels(
            partial(TaskChannel, counts=self.counts), self._load, reloaded=self._reloaded
        )
        self._tags = TagRouter(journal, clock, self._slow.add, partial(TagChannel, counts=self.counts))
        self._stop_listening = journal.listen(self._publish, reset=self._reset, deleted=self._delete)

    def __repr__(self) -> str:
        return f"<Hub channels={self.channels} viewers={self.viewers} slow={len(self._slow)}>"

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def slow_viewers(self) -> int:
        """How many viewers read more slowly than events arrive."""
        return len(self._slow)

    @property
    def channels(self) -> int:
        """How many topics have viewers."""
        return len(self._tasks) + len(self._tags.channels)

    def join(self, viewer: Viewer) -> None:
        """Add a connected viewer. It is sent nothing but pings until it is subscribed."""
        viewer.on_full, viewer.on_lost = self._on_full, self._on_lost
        self._viewers.add(viewer)
        self.counts.connected[viewer.framing] += 1
        self.counts.joined[viewer.framing.name,] += 1

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer and its subscriptions. Idempotent."""
        viewer.gone = True
        if self._viewers.discard(viewer):
            self.counts.connected[viewer.framing] -= 1
        self._slow.discard(viewer)
        for topic in list(viewer.subscriptions):
            self._channel(topic).remove(viewer)

    async def subscribe(
        self,
        viewer: Viewer,
        topic: Topic,
        cursor: Cursor | None = None,
        *,
        known: Mapping[str, Cursor] = MappingProxyType({}),
        expires_at: float | None = None,
        token: object = None,
        status_only: bool = False,
    ) -> None:
        """
        Subscribe a viewer to a topic, replacing its previous subscription if it has one.

        A task begins with its state or with what the viewer has missed since `cursor`; then come all its events. A tag
        begins with a summary of each task and `listed`; then come the tasks' events except those that only add text. A
        task to which the viewer is subscribed directly is left out of its tags.

        Args:
            viewer: a viewer that has joined.
            topic: what to subscribe to.
            cursor: where to resume a task.
            known: the positions of the states that the viewer has of a tag's tasks. Those that are up to date are not
                sent.
            expires_at: when the subscription ends, in unix seconds; None for never.
            token: identifies the token. When it is revoked, the subscription ends.
            status_only: whether the viewer sees only the status of tasks.

        Raises:
            RequestError: there is no such task.
            OSError: the journal failed.
        """
        framing = of_status(viewer.framing) if status_only else viewer.framing
        if topic[0] == "task":
            await self._subscribe_task(viewer, topic, cursor, expires_at, framing)
        else:
            async with self._tags.channels.opened(topic) as channel:
                if not viewer.gone:
                    self.counts.subscribed["listed",] += 1
                    channel.begin(viewer, expires_at, self._clock(), known, framing)
        if (subscription := viewer.subscriptions.get(topic)) is not None:
            subscription.token = token

    def unsubscribe(self, viewer: Viewer, topic: Topic) -> None:
        """End a subscription. The viewer's tags send the task from here on. Idempotent."""
        if topic in viewer.subscriptions:
            self._channel(topic).remove(viewer)
            self._return_to_tags(viewer, topic)

    def flush(self, viewer: Viewer) -> None:
        """Write everything that a viewer has missed at once. Its write buffer must always be empty."""
        self._slow.catch_up(viewer)

    async def drain(self, within_s: float) -> None:
        """Disconnect all viewers in random order, evenly over `within_s` seconds, before a shutdown."""
        viewers = list(self._viewers)
        random.shuffle(viewers)
        size = max(1, len(viewers) // DRAIN_STEPS)
        for start in range(0, len(viewers), size):
            for viewer in viewers[start : start + size]:
                self.disconnect(viewer, DRAINING)
            if start + size < len(viewers):
                await asyncio.sleep(within_s / DRAIN_STEPS)

    def disconnect_key_holders(self) -> None:
        """Disconnect the viewers that use an API key, so that they authenticate again."""
        for viewer in list(self._viewers):
            if any(each.expires_at is None for each in viewer.subscriptions.values()):
                self.disconnect(viewer, KEYS_CHANGED)

    def end_invalid(self) -> None:
        """End the subscriptions whose tokens have expired or are revoked."""
        now = self._clock()
        for viewer in list(self._viewers):
            self._end_invalid(viewer, now)

    def disconnect(self, viewer: Viewer, why: Close) -> None:
        """Remove a viewer and close its connection."""
        self.leave(viewer)
        viewer.close(why)

    def close(self) -> None:
        """Stop listening to the journal, and cancel all timers and reads. Connections are left open."""
        self._stop_listening()
        self._viewers.close()
        self._slow.close()
        self._tasks.close()
        self._tags.close()

    async def _subscribe_task(
        self, viewer: Viewer, topic: TaskTopic, cursor: Cursor | None, expires_at: float | None, framing: Framing
    ) -> None:
        async with self._tasks.opened(topic) as channel:
            missed = None
            if cursor is not None and channel.exists:
                self._slow.add(await read_ahead(self._journal, channel, cursor))
                if channel.outdated:  # the state from before could take the viewer back
                    async with self._tasks.opened(topic):
                        pass
                missed = await read_missed(self._journal, channel, cursor)
            if not channel.exists:
                raise await absence(self._journal.deletions, channel.task)
            if viewer.gone:
                return
            # Nothing is awaited before the viewer is subscribed, so it misses no event.
            now = self._clock()
            opening = channel.snapshot(framing, now) if missed is None else channel.resumption(framing, missed, now)
            self.counts.subscribed["snapshot" if missed is None else "resumed",] += 1
            channel.begin(viewer, expires_at, opening, framing)

    async def _load(self, channel: TaskChannel) -> None:
        version = channel.version
        snapshot = await self._journal.snapshot(channel.task)
        if channel.version != version:
            return
        if snapshot is None:
            channel.unload()
        else:
            channel.load(snapshot)

    def _reset(self) -> None:
        """Read every state again, and then send those that have changed: what viewers have may be wrong."""
        self._tags.reset()
        self._tasks.reload()

    def _reloaded(self, channel: TaskChannel) -> None:
        """Have a state that was read again sent to the channel's viewers if it is new; without one, disconnect them."""
        if channel.exists and not channel.outdated:
            if channel.changed:
                self._slow.add(channel.skip_all())
        else:
            for viewer in channel.viewers:
                self.disconnect(viewer, FAILED)

    def _publish(self, commit: Sequence[Appended]) -> None:
        """Forward one commit: at most one write per viewer and topic."""
        # Tags first: a task channel ends its subscriptions with the task, and then the tags would send the end, too.
        for appended in commit:
            self._tags.publish(appended)
        self._tags.flush()
        for appended in commit:
            channel = self._tasks.get(("task", appended.task))
            if channel is not None:
                self._slow.add(channel.publish(appended))

    def _delete(self, tasks: Sequence[str]) -> None:
        """Tell the viewers of tasks that they were deleted."""
        self._tags.delete(tasks)
        self._tags.flush()
        for task in tasks:
            if (channel := self._tasks.get(("task", task))) is not None:
                channel.delete(self._clock())

    def _channel(self, topic: Topic) -> Channel[Any]:
        """Return the open channel of a topic that has viewers."""
        return self._tasks[topic] if topic[0] == "task" else self._tags.channels[topic]

    def _return_to_tags(self, viewer: Viewer, ended: Topic) -> None:
        """Send a task from the viewer's tags from here on, if the subscription that has ended is to a task."""
        if ended[0] == "task":
            for topic in viewer.subscriptions:
                self._channel(topic).task_unsubscribed(viewer, ended[1], self._clock())

    def _end_invalid(self, viewer: Viewer, now: float) -> None:
        """End the subscriptions of a viewer whose tokens have expired or are revoked."""
        for topic, subscription in list(viewer.subscriptions.items()):
            expires_at, token = subscription.expires_at, subscription.token
            if (expires_at is not None and now >= expires_at) or (token is not None and self._is_revoked(token)):
                self._channel(topic).remove(viewer)
                viewer.subscription_expired(topic)
                self._return_to_tags(viewer, topic)

    def _visit(self, viewers: Sequence[Viewer]) -> None:
        """End subscriptions whose tokens are not valid any more, and send pings."""
        now = self._clock()
        ping = orjson.dumps({"type": "ping", "at": now})
        encoded: dict[Framing, bytes] = {}
        for viewer in viewers:
            self._end_invalid(viewer, now)
            if viewer.slow_since is None and not viewer.gone:
                framing = viewer.framing
                if framing not in encoded:
                    encoded[framing] = framing.encode(ping, None)
                viewer.write(encoded[framing])
