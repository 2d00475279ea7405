"""
Merges frequent output: at most one progress and one answer update per task every MERGE_S. The first is immediate.

Updates that are too frequent to be visible are neither stored nor sent. No content is lost: the latest progress
replaces earlier ones, and each update of an answer contains everything before it.
"""

from typing import Final

from relay.core.events import AppendOutput, OutputData, Progress, ProgressOutput
from relay.core.progress import advance
from relay.core.signals import Part
from relay.core.snapshot import Snapshot
from relay.core.transcript import appends

MERGE_S: Final = 0.1


class OutputMerger:
    """The latest output of one task that is not written yet."""

    def __init__(self, now: float) -> None:
        self._progress: Progress | None = None
        self._progress_due_at = now
        self._parts: tuple[Part, ...] | None = None
        self._parts_due_at = now

    def add_progress(self, progress: Progress, written: Progress | None) -> None:
        """Add a progress report; `written` is the last one that was written."""
        self._progress = advance(self._progress or written, progress)

    def add_parts(self, parts: tuple[Part, ...]) -> None:
        """Add the whole answer so far."""
        self._parts = parts

    def next_deadline(self) -> float | None:
        """Return when output is due; null if there is none."""
        times = []
        if self._progress is not None:
            times.append(self._progress_due_at)
        if self._parts is not None:
            times.append(self._parts_due_at)
        return min(times, default=None)

    def take_due(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        """Remove and return the output that is due, as changes to `snapshot`."""
        data: list[OutputData] = []
        if now >= self._progress_due_at:
            data += self._take_progress(snapshot, now)
        if now >= self._parts_due_at:
            data += self._take_parts(snapshot, now)
        return data

    def take_all(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        """Remove and return all output, due or not: a later event must not overtake it."""
        return [*self._take_progress(snapshot, now), *self._take_parts(snapshot, now)]

    def _take_progress(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        progress, self._progress = self._progress, None
        if progress is None or progress == snapshot.progress:
            return []
        self._progress_due_at = now + MERGE_S
        return [ProgressOutput(progress=progress)]

    def _take_parts(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        parts, self._parts = self._parts, None
        if parts is None or not (found := appends(snapshot.segments, parts)):
            return []
        self._parts_due_at = now + MERGE_S
        return [AppendOutput(append=append) for append in found]
