"""
Which log text was written before the stream opened, and is therefore in the platform's record only.

The stream and the record arrive over two connections, so either can be ahead of the other. Live text is written at
once. A record is held briefly, until frames in flight have arrived, and is then compared with the live text.
"""

from dataclasses import dataclass
from typing import Final

from relay.core.events import Stream
from relay.core.log_repair import already_in
from relay.core.signals import Record
from relay.core.utf16 import utf16_len

IN_FLIGHT_S: Final = 0.5
"""How long after a record was read frames may arrive whose text it contains."""

REREAD_S: Final = 1.0
"""How soon to read the record again when repeated lines leave open how much of the live text it contains."""

_MAX_COMPARISONS: Final = 4
_MAX_LIVE_UNITS: Final = 256 * 1024
"""With more live text than this, the log is completed only when the task ends."""


@dataclass(frozen=True, slots=True)
class _Piece:
    stream: Stream
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The whole text of each stream so far. `certain` is false if the record has to be read again."""

    stdout: str
    stderr: str
    certain: bool


class LogOverlap:
    """The live log text of one task since its stream opened, until a record shows what was written before."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] | None = None
        self._units = 0
        self._record: Record | None = None
        self._asked_at = 0.0
        self._opened_at = 0.0
        self._comparisons_left = 0
        self.due_at: float | None = None
        """When to call `compare`; null if no record is held."""

    @property
    def active(self) -> bool:
        """Whether the text before the opening of the stream is still unknown."""
        return self._pieces is not None

    @property
    def needs_record(self) -> bool:
        """Whether a record has to be read."""
        return self.active and self.due_at is None

    def start(self, now: float) -> None:
        """Start over: a stream has opened."""
        self._opened_at = now
        self._pieces = []
        self._units = 0
        self._record = self.due_at = None
        self._comparisons_left = _MAX_COMPARISONS

    def stop(self) -> None:
        """Discard everything."""
        self._pieces = self._record = self.due_at = None

    def add_live(self, stream: Stream, text: str, now: float) -> None:
        """Add live text as it was written."""
        if self._pieces is None:
            return
        self._units += utf16_len(text)
        self._pieces.append(_Piece(stream, text, now))
        if self._units > _MAX_LIVE_UNITS:
            self.stop()

    def add_record(self, record: Record, *, asked_at: float, now: float) -> None:
        """
        Hold a record until frames in flight have arrived. A record without text can be compared at once.

        A record that was requested before the stream opened may lack text of an earlier stream. It is ignored.
        """
        if asked_at < self._opened_at:
            return
        self._record, self._asked_at = record, asked_at
        self.due_at = now + IN_FLIGHT_S if record.stdout or record.stderr else now

    def compare(self) -> Comparison:
        """Merge the text of the held record with the live text. Unless the result is uncertain, this ends it."""
        stdout, stdout_certain = self._merge("stdout", self._record.stdout if self._record else "")
        stderr, stderr_certain = self._merge("stderr", self._record.stderr if self._record else "")
        self._record = self.due_at = None
        self._comparisons_left -= 1
        certain = (stdout_certain and stderr_certain) or not self._comparisons_left
        if certain:
            self.stop()
        return Comparison(stdout=stdout, stderr=stderr, certain=certain)

    def _merge(self, stream: Stream, recorded: str) -> tuple[str, bool]:
        """
        Return the record's text followed by the live text that it lacks, and whether that is certain.

        Text that arrived after the record was requested and matches its end may be new text that is equal.
        """
        live = [piece for piece in self._pieces or [] if piece.stream == stream]
        contained = already_in(recorded, [piece.text for piece in live])
        rest = "".join(piece.text for piece in live[contained:])
        line_end = "\n" if recorded and rest and not recorded.endswith(("\n", "\r")) else ""
        return recorded + line_end + rest, all(piece.at < self._asked_at for piece in live[:contained])
