"""
Reads the platform's record of a task, and writes what frames have not reported yet.

`verdict` decides whether and how the task ended.
"""

from relay.core.event_writer import EventWriter
from relay.core.events import STAGE_ORDER, Progress, Source, Stage
from relay.core.log_sync import LogSync
from relay.core.schedule import CheckSchedule
from relay.core.signals import Record
from relay.core.stalls import Finding, StallDetector
from relay.core.timeline import Timeline


class RecordReader:
    """Reads the records of one task, one after the other."""

    def __init__(
        self,
        writer: EventWriter,
        schedule: CheckSchedule,
        stalls: StallDetector,
        timeline: Timeline,
        log_sync: LogSync,
    ) -> None:
        self._writer = writer
        self._schedule = schedule
        self._stalls = stalls
        self._timeline = timeline
        self._log_sync = log_sync
        self._last: tuple[str | None, Progress | None] = None, None
        """Status and progress of the last record."""

    def read(self, record: Record, now: float, source: Source, *, asked_at: float) -> None:
        """Write what a record contains. `asked_at` is when it was requested, `now` when it arrived."""
        if record.upstream_id is not None:
            self._writer.submitted(record.upstream_id, now, source)
        if self._has_news(record):
            self._stalls.note_news(now)
        self._last = record.status, record.progress
        self._timeline.observe(record, self._writer.snapshot, asked_at=asked_at, now=now)
        self._read_stages(record, now, source)
        if record.progress is not None:
            self._writer.progress(record.progress, now, source)
        self._log_sync.add_record(record, now, source, asked_at=asked_at)

    def _has_news(self, record: Record) -> bool:
        """
        Return whether a record's status or progress is news. New stages count separately.

        While the stream is open, frames bring the status before the record does.
        """
        status, progress = self._last
        if record.phase == "error":
            return False
        return record.progress != progress or (record.status != status and not self._schedule.streaming)

    def _read_stages(self, record: Record, now: float, source: Source) -> None:
        reached = {*record.stages, *((record.stage,) if record.stage is not None else ())} - {Stage.POSTPROCESS_END}
        for stage in sorted(reached, key=STAGE_ORDER.__getitem__):
            if not self._writer.has(stage):
                self._stalls.note_news(now)
                at = self._timeline.stage_at(stage, record, self._writer.snapshot, now)
                self._writer.stage(stage, now, source, at=at)


def finding_of(record: Record) -> Finding:
    """Return what a record that does not end the task shows about a task without news."""
    if record.phase == "error":
        return "error"
    return "queued" if record.stage is Stage.QUEUE else "alive"


def status_of(record: Record) -> str:
    """Return the status of a record that does not end the task, in words for users."""
    return f"status {record.status}{', a recoverable error' if record.phase == 'error' else ''}"
