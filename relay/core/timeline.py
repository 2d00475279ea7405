"""
The times of one task by the relay's clock.

Frames are dated by their arrival. The times in a record are those of the platform's clock, which may be minutes off
and often counts whole seconds, so they are corrected and limited to the interval between the known times.
"""

from relay.core.events import STAGE_ORDER, Source, Stage
from relay.core.platform_clock import PROMPT_S, PlatformClock
from relay.core.signals import Record
from relay.core.snapshot import Snapshot


class Timeline:
    """The times of one task. `clock` is shared by all tasks of a provider."""

    def __init__(self, clock: PlatformClock, sent_at: float) -> None:
        self._clock = clock
        self._sent_at = sent_at
        self._accepted_at: float | None = None
        self._end_seen_at: float | None = None

    def sending(self, now: float) -> None:
        """Note that the run is about to be sent."""
        self._sent_at = now

    def accepted(self, now: float) -> None:
        """Note that the platform accepted the run."""
        self._accepted_at = now

    def end_seen(self, now: float) -> None:
        """Note the arrival of a terminal frame."""
        self._end_seen_at = now if self._end_seen_at is None else self._end_seen_at

    def observe(self, record: Record, snapshot: Snapshot, *, asked_at: float, now: float) -> None:
        """Compare the clocks by a record that was requested at `asked_at` and arrived at `now`."""
        if record.dated_at is not None:
            self._clock.hint(record.dated_at, after=asked_at, before=now)
        live = {mark.type: mark.at for mark in snapshot.stages if mark.source is Source.LIVE}
        for stage, at in record.stages.items():
            if stage in live:
                self._clock.observe(at, after=live[stage] - PROMPT_S, before=live[stage])
            elif stage is Stage.QUEUE and self._accepted_at is not None:
                self._clock.observe(at, after=self._sent_at, before=self._accepted_at)
            else:
                self._clock.observe(at, before=now)

    def stage_at(self, stage: Stage, record: Record, snapshot: Snapshot, now: float) -> float:
        """Return when a stage began: not before the task, and in the record's order of stages."""
        if stage not in record.stages:
            return now
        rank = _rank(stage, record)
        earliest, latest = snapshot.created_at, now
        for mark in snapshot.stages:
            if mark.type not in record.stages:
                continue
            if _rank(mark.type, record) < rank:
                earliest = max(earliest, mark.at)
            else:
                latest = min(latest, mark.at)
        return max(earliest, min(latest, self._clock.ours(record.stages[stage])))

    def results_at(self, record: Record, snapshot: Snapshot, now: float) -> float:
        """Return when the results became available."""
        if self._end_seen_at is not None:
            return self._end_seen_at
        return self.stage_at(Stage.POSTPROCESS_END, record, snapshot, now)

    def ended_at(self, record: Record, snapshot: Snapshot, now: float) -> float:
        """Return when the task ended: not before any of its stages."""
        at = now if record.ended_at is None else self._clock.ours(record.ended_at)
        if self._end_seen_at is not None:
            at = self._end_seen_at
        return max(snapshot.created_at, *(mark.at for mark in snapshot.stages), min(at, now))


def first_moment(record: Record, clock: PlatformClock, *, asked_at: float, now: float) -> float:
    """Return when a task began by the relay's clock, from a record requested at `asked_at` that arrived at `now`."""
    if record.dated_at is not None:
        clock.hint(record.dated_at, after=asked_at, before=now)
    for at in record.stages.values():
        clock.observe(at, before=now)
    return min(now, *(clock.ours(at) for at in record.stages.values()), now)


def _rank(stage: Stage, record: Record) -> tuple[float, int]:
    return record.stages[stage], STAGE_ORDER[stage]
