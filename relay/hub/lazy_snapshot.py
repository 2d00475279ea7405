"""A task's state, folded from its entries only when it is read: most are only forwarded to viewers."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from relay.core.codec import encode_snapshot
from relay.core.snapshot import Snapshot, apply
from relay.journal.entries import Entry

UNFOLDED_EVENTS = 250
UNFOLDED_BYTES = 256 * 1024
"""
How much is kept at most. The oldest entries beyond it are folded even if the state has not been read.

To fold all of them then would stop the event loop: tasks that log equally fast reach the limit at the same moment.
"""


class LazySnapshot:
    """The state after a snapshot and the entries that were added to it."""

    def __init__(self, snapshot: Snapshot, reduce: Callable[[Snapshot], Snapshot] = lambda whole: whole) -> None:
        """
        Args:
            snapshot: the state to start from.
            reduce: removes from a state what is not needed here. It may be called more than once.
        """
        self._reduce = reduce
        self._snapshot = reduce(snapshot)
        self._unfolded: deque[Entry] = deque()
        self._unfolded_bytes = 0
        self._json: bytes | None = None

    def add(self, entries: Sequence[Entry], folded: Snapshot | None) -> None:
        """
        Add entries.

        Args:
            entries: the next entries of the log, except those that do not change the reduced state.
            folded: the state after the last of them where it is known, so that they need not be folded here.
        """
        self._json = None
        if folded is not None:
            self._snapshot = self._reduce(folded)
            self._clear()
            return
        self._unfolded += entries
        self._unfolded_bytes += sum([len(entry.body) for entry in entries])
        while len(self._unfolded) > UNFOLDED_EVENTS or self._unfolded_bytes > UNFOLDED_BYTES:
            self._fold_oldest()

    def value(self) -> Snapshot:
        """Return the state after the last entry."""
        while self._unfolded:
            self._fold_oldest()
        return self._snapshot

    def json(self) -> bytes:
        """Return the state as JSON, encoded once for all that read it between two entries."""
        if self._json is None:
            self._json = encode_snapshot(self.value())
        return self._json

    def _fold_oldest(self) -> None:
        entry = self._unfolded.popleft()
        self._unfolded_bytes -= len(entry.body)
        event = entry.event
        if event.seq != self._snapshot.seq + 1:
            self._snapshot = replace(self._snapshot, seq=event.seq - 1)
        self._snapshot = self._reduce(apply(self._snapshot, event))

    def _clear(self) -> None:
        self._unfolded.clear()
        self._unfolded_bytes = 0


def snapshot_message(state: LazySnapshot, now: float) -> bytes:
    """Return the message with a task's state; `now` is the relay's time in unix seconds."""
    return b'{"type":"snapshot","task":%b,"at":%b}' % (state.json(), orjson.dumps(now))
