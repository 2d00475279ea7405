"""
Completes a task's log text from the platform's record: once after the stream has opened, and at the end.

In between the record may contain text of frames that are still in flight, which would then be written twice.
"""

from relay.core.event_writer import EventWriter
from relay.core.events import Source, Stream
from relay.core.log_overlap import REREAD_S, LogOverlap
from relay.core.log_repair import gaps, text_of
from relay.core.schedule import CheckSchedule
from relay.core.signals import Record


class LogSync:
    """Writes the log of one task: live text at once, and later the text that is only in the record."""

    def __init__(self, writer: EventWriter, schedule: CheckSchedule) -> None:
        self._writer = writer
        self._schedule = schedule
        self._overlap = LogOverlap()
        self._source = Source.RECONCILED

    @property
    def due_at(self) -> float | None:
        """When to call `compare`; null if there is nothing to compare."""
        return self._overlap.due_at

    @property
    def needs_record(self) -> bool:
        """Whether the record has to be read for the text before the opening of the stream."""
        return self._overlap.needs_record

    def stream_opened(self, now: float) -> None:
        """Note that the stream has opened: what was written before is not sent on it."""
        self._overlap.start(now)

    def add_live(self, stream: Stream, text: str, now: float) -> None:
        """Write a live message of the model."""
        self._overlap.add_live(stream, self._writer.line(stream, text, now), now)

    def add_record(self, record: Record, now: float, source: Source, *, asked_at: float) -> None:
        """Write the text of a record that the log lacks, if that is due. `asked_at` is when it was requested."""
        if record.phase in ("finished", "canceled"):
            self._overlap.stop()
            self._fill("stdout", record.stdout, now, source)
            self._fill("stderr", record.stderr, now, source)
        elif self._overlap.active:
            self._source = source
            self._overlap.add_record(record, asked_at=asked_at, now=now)
            self.compare_due(now)

    def compare_due(self, now: float) -> None:
        """Compare the held record with the live text, if that is due."""
        if self.due_at is not None and now >= self.due_at:
            self.compare(now)

    def compare(self, now: float) -> None:
        """Compare the held record with the live text and write what is missing. Does nothing without a record."""
        if self.due_at is None:
            return
        comparison = self._overlap.compare()
        self._fill("stdout", comparison.stdout, now, self._source)
        self._fill("stderr", comparison.stderr, now, self._source)
        if not comparison.certain:
            self._schedule.check_by(now + REREAD_S)

    def _fill(self, stream: Stream, recorded: str, now: float, source: Source) -> None:
        snapshot = self._writer.snapshot
        if stream == "stdout" and snapshot.segments:  # the record repeats a streamed answer as stdout
            return
        written = text_of(snapshot.log, stream)
        for gap in gaps(written, recorded, cut=snapshot.log_dropped > 0):
            self._writer.late_log(stream, gap, now, source)
