"""
Merging at the source: at most one progress and one append per task each MERGE_S, the first at once.

What no eye can see is neither stored nor sent. Nothing is lost by it: progress is the latest, and the answer so far
holds all that was said before.
"""

from typing import Final

from relay.core.events import AppendOutput, OutputData, Progress, ProgressOutput
from relay.core.progress import advance
from relay.core.signals import Part
from relay.core.snapshot import Snapshot
from relay.core.transcript import appends

MERGE_S: Final = 0.1


class Merger:
    """What one task's model said last and viewers have not been told yet."""

    def __init__(self, now: float) -> None:
        self._progress: Progress | None = None
        self._progress_after = now
        self._parts: tuple[Part, ...] | None = None
        self._parts_after = now

    def add_progress(self, progress: Progress, shown: Progress | None) -> None:
        """Take in a progress; `shown` is the last that viewers were told."""
        self._progress = advance(self._progress or shown, progress)

    def add_parts(self, parts: tuple[Part, ...]) -> None:
        """Take in the answer so far."""
        self._parts = parts

    def next_deadline(self) -> float | None:
        """Return when something may go out; null while nothing waits."""
        times = []
        if self._progress is not None:
            times.append(self._progress_after)
        if self._parts is not None:
            times.append(self._parts_after)
        return min(times, default=None)

    def due(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        """Return what may go out by now."""
        data: list[OutputData] = []
        if now >= self._progress_after:
            data += self._take_progress(snapshot, now)
        if now >= self._parts_after:
            data += self._take_parts(snapshot, now)
        return data

    def flush(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        """Return all that waits: something else is about to be written, and must not overtake it."""
        return [*self._take_progress(snapshot, now), *self._take_parts(snapshot, now)]

    def _take_progress(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        progress, self._progress = self._progress, None
        if progress is None or progress == snapshot.progress:
            return []
        self._progress_after = now + MERGE_S
        return [ProgressOutput(progress=progress)]

    def _take_parts(self, snapshot: Snapshot, now: float) -> list[OutputData]:
        parts, self._parts = self._parts, None
        if parts is None or not (found := appends(snapshot.segments, parts)):
            return []
        self._parts_after = now + MERGE_S
        return [AppendOutput(append=append) for append in found]
