"""Stalls: when a task without news counts as stalled, and when the stall ends."""

from typing import Literal

from relay.core.event_writer import EventWriter
from relay.core.events import Source, Stall
from relay.core.schedule import CheckSchedule

Finding = Literal["queued", "alive", "error", "unknown"]
"""
What a check found: the task is in the platform's queue, it is past the queue, the platform reports an error before the
run, or the record could not be read.
"""


class StallDetector:
    """Writes `stall` and `stall_end` for one task."""

    def __init__(self, writer: EventWriter, schedule: CheckSchedule) -> None:
        self._writer = writer
        self._schedule = schedule

    def note_news(self, now: float) -> None:
        """Note that there was news of the task. It ends a stall."""
        if self._writer.snapshot.stall is not None:
            self._emit("stall_end", now, "an update arrived", confirmed=True)
        self._schedule.note_news(now)

    def note_check(self, now: float, found: str, finding: Finding) -> None:
        """
        Note that a check did not end the task. After a long silence, the task is stalled; an error stalls it at once.

        A task in the platform's queue is never stalled. A stall is written again when it becomes confirmed, or
        unconfirmed.

        Args:
            now: when the check was made.
            found: what it found, in words.
            finding: the same as a category.
        """
        snapshot = self._writer.snapshot
        if finding == "queued":
            self._schedule.note_queued(now)
            if snapshot.stall is not None:
                self.note_news(now)
            return
        confirmed = finding == "alive"
        if snapshot.stall is None:
            is_new = finding == "error" or self._schedule.is_silent(snapshot.state, now)
        else:
            is_new = snapshot.stall.confirmed != confirmed
        if is_new:
            self._emit("stall", now, found, confirmed=confirmed)

    def _emit(self, event_type: Literal["stall", "stall_end"], now: float, found: str, *, confirmed: bool) -> None:
        stall = Stall(silent_s=round(self._schedule.silent_s(now), 3), checked=found, confirmed=confirmed)
        self._writer.emit(event_type, stall, now, Source.RELAY)
