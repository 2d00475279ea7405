"""
Log text that waits, from the opening of the stream until the detail has told what was missed before it.

Else what was missed would come after what followed it; and what the detail has already would come twice.
"""

from typing import Final

from relay.core.events import Stream
from relay.core.logbook import already_in
from relay.core.signals import Detail, LogSeen

ECHO_S: Final = 0.5
"""How long after the detail frames may come whose text stands in it: socket and call are two connections."""


class Holdback:
    """The live log text of one task that is not written yet."""

    def __init__(self) -> None:
        self._pieces: list[LogSeen] | None = None
        self._record: Detail | None = None
        self.until: float | None = None
        """When to let go of it at the latest; null while that is not known."""

    @property
    def active(self) -> bool:
        return self._pieces is not None

    def begin(self) -> None:
        """Hold back from now on, until a new record is compared; what is held back already stays."""
        self._pieces = self._pieces or []
        self.until = None

    def add(self, piece: LogSeen) -> bool:
        """Hold a piece back, if anything is to be; say whether it was."""
        if self._pieces is None:
            return False
        self._pieces.append(piece)
        return True

    def compare(self, record: Detail, now: float) -> None:
        """Remember the record that is to be compared with, and wait a little for frames that stand in it."""
        self._record = record
        self.until = self.until or now + ECHO_S

    def release(self) -> list[LogSeen]:
        """Let go: return what was held back, but for what stands in the record already."""
        pieces, record = self._pieces or [], self._record
        self._pieces = self._record = self.until = None
        if record is not None:
            pieces = _beyond(_beyond(pieces, "stdout", record.stdout), "stderr", record.stderr)
        return pieces


def _beyond(pieces: list[LogSeen], stream: Stream, theirs: str) -> list[LogSeen]:
    """Leave out the first pieces of a stream that `theirs` ends with."""
    own = [piece for piece in pieces if piece.stream == stream]
    known = {id(piece) for piece in own[: already_in(theirs, [piece.text for piece in own])]}
    return [piece for piece in pieces if id(piece) not in known]
