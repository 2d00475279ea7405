"""
What a stream's opening leaves open: which log text was written before it, and is in the platform's record alone.

The stream and the record come over two connections, so either can be ahead of the other. Live text is written at once;
the record waits a moment for frames that are on their way, and is then compared with what the stream has brought.
"""

from dataclasses import dataclass
from typing import Final

from relay.core.events import Stream
from relay.core.log_repair import already_in
from relay.core.signals import Record
from relay.core.utf16 import utf16_len

ECHO_S: Final = 0.5
"""How long after a record was read frames may come whose text is in it."""

AGAIN_S: Final = 1.0
"""How soon the record is read again when equal lines leave open how far it goes."""

_LOOKS: Final = 4
_KEPT_UNITS: Final = 256 * 1024
"""With more live text than this the comparison is left to the record of the end."""


@dataclass(frozen=True, slots=True)
class _Piece:
    stream: Stream
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All text that each stream should have by now; `certain` is false where another record would tell more."""

    stdout: str
    stderr: str
    certain: bool


class CatchUp:
    """The live log text of one task since its stream opened, until a record has told what came before it."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] | None = None
        self._units = 0
        self._record: Record | None = None
        self._asked_at = 0.0
        self._opened_at = 0.0
        self._looks_left = 0
        self.until: float | None = None
        """When to compare; null while no record waits for that."""

    @property
    def active(self) -> bool:
        return self._pieces is not None

    @property
    def waits_for_record(self) -> bool:
        """Whether a record is needed that has not come yet."""
        return self.active and self.until is None

    def begin(self, now: float) -> None:
        """Start over: a stream has opened."""
        self._opened_at = now
        self._pieces = []
        self._units = 0
        self._record = self.until = None
        self._looks_left = _LOOKS

    def stop(self) -> None:
        """Compare no more."""
        self._pieces = self._record = self.until = None

    def add(self, stream: Stream, text: str, now: float) -> None:
        """Take note of live text as it was written."""
        if self._pieces is None:
            return
        self._units += utf16_len(text)
        self._pieces.append(_Piece(stream, text, now))
        if self._units > _KEPT_UNITS:
            self.stop()

    def take(self, record: Record, *, asked_at: float, now: float) -> None:
        """
        Let a record wait for the frames whose text is in it; one without text waits for none.

        A record that was asked for before the stream opened may lack what an earlier stream has brought.
        """
        if asked_at < self._opened_at:
            return
        self._record, self._asked_at = record, asked_at
        self.until = now + ECHO_S if record.stdout or record.stderr else now

    def compare(self) -> Compared:
        """Put the record's text and the stream's together. It is over then, unless that is not certain."""
        stdout, stdout_certain = self._whole("stdout", self._record.stdout if self._record else "")
        stderr, stderr_certain = self._whole("stderr", self._record.stderr if self._record else "")
        self._record = self.until = None
        self._looks_left -= 1
        certain = (stdout_certain and stderr_certain) or not self._looks_left
        if certain:
            self.stop()
        return Compared(stdout=stdout, stderr=stderr, certain=certain)

    def _whole(self, stream: Stream, theirs: str) -> tuple[str, bool]:
        """
        Return the record's text and what the stream brought beyond it, and whether there is no doubt about it.

        Text that came after the record was asked for and seems to stand in it may be new text that is equal.
        """
        own = [piece for piece in self._pieces or [] if piece.stream == stream]
        known = already_in(theirs, [piece.text for piece in own])
        beyond = "".join(piece.text for piece in own[known:])
        line_end = "\n" if theirs and beyond and not theirs.endswith(("\n", "\r")) else ""
        return theirs + line_end + beyond, all(piece.at < self._asked_at for piece in own[:known])
