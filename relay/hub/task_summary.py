"""
A task as a tag's channel shows it: its state without log and segments, which nobody reads in a list.

It passes events on without decoding them: what it has to know of one is told by how `encode_event` writes it.
"""

from collections.abc import Sequence
from dataclasses import replace

from relay.core.codec import encode_snapshot
from relay.core.snapshot import Snapshot, apply
from relay.hub.task_channel import state_message
from relay.journal.entries import Entry

FOLD_AT = 100
"""As many entries may wait to be folded: most are never asked for."""


class Row:
    """One task's row in the channel of one tag."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.task = snapshot.id
        self.created_at = snapshot.created_at
        self.ended = snapshot.done is not None
        self.seq = snapshot.seq
        """Of the last entry heard, whether it is shown or left out."""
        self.revision = 0
        """When it changed last, as its channel counts."""
        self._snapshot = _shortened(snapshot)
        self._state = snapshot.state.encode()
        self._heard: list[Entry] = []
        self._encoded: bytes | None = None

    def __repr__(self) -> str:
        return f"<Row {self.task} seq={self.seq} revision={self.revision}>"

    @property
    def rank(self) -> tuple[bool, float, str]:
        """The greater, the further up in the list: what has not ended first, and the newest first."""
        return not self.ended, self.created_at, self.task

    def hear(self, entries: Sequence[Entry]) -> list[Entry] | None:
        """
        Take in what one commit brought.

        Returns:
            The entries to be passed on; null where one that is left out has changed the state, so that only the row
            as it is now says it.
        """
        shown, told_by_state = [], False
        for entry in entries:
            if entry.seq <= self.seq:  # the row may have been read with it, before the tail told
                continue
            self.seq = entry.seq
            self.ended = entry.final
            state = state_of(entry.body)
            if not left_out(entry.body):
                shown.append(entry)
            elif state == self._state:
                continue
            else:
                told_by_state = True
            self._state = state
            self._heard.append(entry)
            self._encoded = None
        if len(self._heard) >= FOLD_AT:
            self._fold()
        return None if told_by_state else shown

    def message(self, now: float) -> bytes:
        """Return the row as one message. The snapshot is encoded once for all who are told."""
        if self._encoded is None:
            self._encoded = encode_snapshot(self._fold())
        return state_message(self._encoded, now)

    def _fold(self) -> Snapshot:
        for entry in self._heard:
            event = entry.event
            # What was left out between leaves no trace here: each entry is the next one.
            self._snapshot = _shortened(apply(replace(self._snapshot, seq=event.seq - 1), event))
        self._heard.clear()
        return self._snapshot


def left_out(body: bytes) -> bool:
    """Say whether a tag's channel does not show an event. No text that comes from outside stands before `data`."""
    return body.startswith((b'"data":{"log":', b'"data":{"append":'), body.index(b'"data":'))


def state_of(body: bytes) -> bytes:
    """Return the state that an event names."""
    start = body.index(b'"state":"') + len(b'"state":"')
    return body[start : body.index(b'"', start)]


def _shortened(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, log=(), segments=())
