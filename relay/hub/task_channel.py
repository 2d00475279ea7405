"""
One task's audience: the state so far, the last stretch of its log, and who watches.

A channel hears of every entry once, in order. It writes; it never awaits, and it keeps nothing for a single viewer.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import orjson

from relay.core.codec import encode_snapshot
from relay.core.snapshot import Snapshot, apply
from relay.hub.framing import Form
from relay.hub.viewer import Subscription, Viewer
from relay.journal.entries import Entry

RECENT_EVENTS = 500
RECENT_BYTES = 256 * 1024
"""How much of a live task's log is kept in memory for those who resume; older parts are read from the journal."""

FLOOD_BYTES = RECENT_BYTES
"""More than this in one commit is written to nobody, or every write buffer would hold it: the state says it shorter."""


def state_message(snapshot: bytes, now: float) -> bytes:
    """Write the message that has a task's whole state; `now` is the server's clock."""
    return b'{"type":"snapshot","task":%b,"at":%b}' % (snapshot, orjson.dumps(now))


class Channel:
    """A task's channel. Until `open` it only gathers what it hears, so that nothing falls between."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.joining = 0
        """How many are on their way in: the channel must not be let go under them."""
        self._snapshot: Snapshot | None = None
        self._heard: list[Entry] = []
        """Entries that are not folded into the snapshot yet: most are never needed there."""
        self._heard_bytes = 0
        self._recent: deque[Entry] = deque()
        self._recent_bytes = 0
        self._audience: dict[Form, dict[Viewer, Subscription]] = {}
        self._writes: dict[Form, list[Callable[[bytes], None]]] | None = None
        """Of those who keep up, how to write to each: put together anew when somebody comes, goes, or falls behind."""
        self._behind: list[Subscription] = []
        """The others, as of then."""
        self._encoded: tuple[int, bytes] | None = None
        self.seq = 0

    def __repr__(self) -> str:
        viewers = sum(map(len, self._audience.values()))
        return f"<Channel {self.task} seq={self.seq} viewers={viewers} joining={self.joining}>"

    @property
    def opened(self) -> bool:
        return self._snapshot is not None

    @property
    def unused(self) -> bool:
        return not self.joining and not any(self._audience.values())

    def open(self, snapshot: Snapshot) -> None:
        """Begin with the state as the journal has it; what was heard meanwhile and is in it already is dropped."""
        self._snapshot = snapshot
        self._heard = [entry for entry in self._heard if entry.seq > snapshot.seq]
        self.seq = self._heard[-1].seq if self._heard else snapshot.seq
        for entry in self._heard:
            self._remember(entry)

    def snapshot(self) -> Snapshot:
        """Return the state after the last entry heard."""
        if self._snapshot is None:
            raise AssertionError("a channel is opened before it is asked")
        for entry in self._heard:
            self._snapshot = apply(self._snapshot, entry.event)
        self._heard.clear()
        self._heard_bytes = 0
        return self._snapshot

    def cursor(self, seq: int) -> str:
        """Return the cursor of an entry."""
        if self._snapshot is None:
            raise AssertionError("a channel is opened before it is asked")
        return f"{self._snapshot.epoch}:{seq}"

    def since(self, seq: int) -> list[Entry] | None:
        """Return the entries after `seq`, or null when the memory does not reach back so far."""
        if seq == self.seq:
            return []
        if not self._recent or self._recent[0].seq > seq + 1:
            return None
        return list(islice(self._recent, seq + 1 - self._recent[0].seq, None))

    def hear(self, entries: Sequence[Entry]) -> list[Viewer]:
        """
        Take in what one commit brought and write it to everybody who keeps up.

        Returns:
            The viewers to whom it was not written, although they kept up.
        """
        if self._snapshot is None:
            self._heard += entries
            return []
        # The state may have been read with entries in it whose tail comes only now.
        entries = [entry for entry in entries if entry.seq > self.seq]
        if not entries:
            return []
        size = sum([len(entry.body) for entry in entries])
        self._heard += entries
        self._heard_bytes += size
        self.seq = entries[-1].seq
        for entry in entries:
            self._remember(entry)
        if len(self._heard) >= RECENT_EVENTS or self._heard_bytes > RECENT_BYTES:
            self.snapshot()
        fallen = self._withhold() if size > FLOOD_BYTES else []
        if not fallen:
            for form, writes in self._keeping_up().items():
                frames = b"".join([form.wrap(entry.body, self.cursor(entry.seq)) for entry in entries])
                for write in writes:
                    write(frames)
        if entries[-1].final:
            self._end()
        return fallen

    def enter(self, subscription: Subscription, opening: bytes) -> None:
        """Write a viewer its first messages and, in the same breath, have it hear everything from here on."""
        viewer = subscription.viewer
        self._audience.setdefault(viewer.form, {})[viewer] = subscription
        self._writes = None
        viewer.subscriptions[self.task] = subscription
        if viewer.behind_since is not None:
            subscription.stale = True  # the sweep brings the snapshot, as to everybody who is behind
            return
        viewer.write(opening)
        if self._ended:
            self._let_go(viewer)

    def exit(self, viewer: Viewer) -> None:
        """Forget a viewer. Idempotent."""
        viewer.subscriptions.pop(self.task, None)
        self._audience.get(viewer.form, {}).pop(viewer, None)
        self._writes = None

    def changed(self) -> None:
        """Take note that somebody here has fallen behind, or keeps up again."""
        self._writes = None

    def resumed(self, form: Form, seq: int, missed: Sequence[Entry], now: float) -> bytes:
        """Return what a viewer that comes back with `seq` is told: how many events it missed, and these."""
        head = {"type": "resumed", "task": self.task, "seq": seq, "events": len(missed), "at": now}
        frames = [form.wrap(entry.body, self.cursor(entry.seq)) for entry in missed]
        return b"".join([form.wrap(orjson.dumps(head), None), *frames])

    def state(self, form: Form, now: float) -> bytes:
        """Return the whole state as one message. The snapshot is encoded once for all who ask at one `seq`."""
        if self._encoded is None or self._encoded[0] != self.seq:
            self._encoded = (self.seq, encode_snapshot(self.snapshot()))
        return form.wrap(state_message(self._encoded[1], now), self.cursor(self.seq))

    def catch_up(self, subscription: Subscription, now: float) -> None:
        """Give a viewer that has drained the state instead of what it missed."""
        subscription.stale = False
        viewer = subscription.viewer
        viewer.write(self.state(viewer.form, now))
        if self._ended:
            self._let_go(viewer)

    def _withhold(self) -> list[Viewer]:
        """Have everybody be owed a snapshot, and return those who keep up."""
        everybody = [subscription for audience in self._audience.values() for subscription in audience.values()]
        for subscription in everybody:
            subscription.stale = True
        return [subscription.viewer for subscription in everybody if subscription.viewer.behind_since is None]

    def _keeping_up(self) -> dict[Form, list[Callable[[bytes], None]]]:
        """Return how to write to those who keep up, and have those who do not be owed a snapshot from now on."""
        if self._writes is None:
            self._writes = {}
            for form, audience in self._audience.items():
                writes: list[Callable[[bytes], None]] = [
                    viewer.write for viewer in audience if viewer.behind_since is None
                ]
                if writes:
                    self._writes[form] = writes
            self._behind = [
                subscription
                for audience in self._audience.values()
                for viewer, subscription in audience.items()
                if viewer.behind_since is not None
            ]
        for subscription in self._behind:
            subscription.stale = True
        return self._writes

    @property
    def _ended(self) -> bool:
        return self.snapshot().done is not None

    def _end(self) -> None:
        """Let everybody go who has it all; who is behind goes with the snapshot that is owed."""
        for audience in self._audience.values():
            for viewer in [viewer for viewer, subscription in audience.items() if not subscription.stale]:
                self._let_go(viewer)

    def _let_go(self, viewer: Viewer) -> None:
        self.exit(viewer)
        viewer.ended(self.task)

    def _remember(self, entry: Entry) -> None:
        self._recent.append(entry)
        self._recent_bytes += len(entry.body)
        while len(self._recent) > RECENT_EVENTS or self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft().body)
