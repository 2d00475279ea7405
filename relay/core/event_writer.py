"""
Writes the events of one task: numbers them, folds them into the state, and merges frequent output.

`lifecycle` decides what has happened, and `transitions` what can happen: an event without a transition from the
current state is not written.
"""

from dataclasses import replace

from relay.core.addresses import with_hrefs
from relay.core.events import (
    Began,
    Data,
    Done,
    Event,
    Hold,
    LateLog,
    Log,
    LogOutput,
    Output,
    OutputData,
    Progress,
    Results,
    Source,
    Stage,
    Stream,
    Submitted,
)
from relay.core.history.task_times import TaskTimes
from relay.core.log_repair import Gap, as_lines, text_of
from relay.core.log_window import LOG_UNITS
from relay.core.merge import OutputMerger
from relay.core.results import merge
from relay.core.signals import Part
from relay.core.snapshot import Snapshot, apply
from relay.core.transitions import RELEASE, TRANSITIONS
from relay.core.utf16 import chunks


class EventWriter:
    """
    Continues the log of one task from a given state.

    Arguments that many methods have: `now` is the current time in unix seconds, `source` is where the information came
    from, and `at` is when the event happened.
    """

    def __init__(self, snapshot: Snapshot, now: float, times: TaskTimes | None = None) -> None:
        self.times = times or TaskTimes(snapshot)
        self.snapshot = snapshot
        """The state after every event written so far."""
        self._events: list[Event] = []
        self._merger = OutputMerger(now)
        self._merged_source = Source.LIVE

    def drain(self) -> list[Event]:
        """Return the events written since the last call, in order."""
        events, self._events = self._events, []
        return events

    def has(self, stage: Stage) -> bool:
        """Return whether a stage has been written."""
        return any(mark.type is stage for mark in self.snapshot.stages)

    def submitted(self, upstream_id: str, now: float, source: Source) -> None:
        """Write that the platform accepted the task, once."""
        if self.snapshot.upstream_id is None:
            self.emit("submitted", Submitted(upstream_id=upstream_id), now, source)

    def stage(self, stage: Stage, now: float, source: Source, *, at: float) -> None:
        """Write a stage, once."""
        if not self.has(stage):
            self.emit(stage.value, Began(), now, source, at=at)

    def results(self, outputs: tuple[Output, ...], now: float, source: Source, *, at: float) -> None:
        """Write results: with `postprocess_end` at first, then as an `output` with the whole set when it changes."""
        known = with_hrefs(self.snapshot.id, merge(self.snapshot.outputs, outputs))
        if not self.has(Stage.POSTPROCESS_END):
            self.emit("postprocess_end", Results(outputs=known), now, source, at=at)
        elif known != self.snapshot.outputs:
            self.emit("output", Results(outputs=known), now, source)

    def line(self, stream: Stream, text: str, now: float) -> str:
        """Write a live message of the model as a line of its log; return the text as it was written."""
        written = as_lines(text, text_of(self.snapshot.log[-2:], stream))
        self.log(stream, written, now, Source.LIVE)
        return written

    def log(self, stream: Stream, text: str, now: float, source: Source) -> None:
        """Append text to one stream of the log, in pieces that each fit into a snapshot."""
        for piece in chunks(text, LOG_UNITS):
            self.emit("output", LogOutput(log=Log(stream=stream, text=piece)), now, source)

    def late_log(self, stream: Stream, gap: Gap, now: float, source: Source) -> None:
        """Insert text that was missed into one stream of the log."""
        if not gap.before:
            self.log(stream, gap.text, now, source)
            return
        for piece in chunks(gap.text, LOG_UNITS):
            late = LateLog(stream=stream, text=piece, before=gap.before)
            self.emit("output", LogOutput(log=late), now, source)

    def progress(self, progress: Progress, now: float, source: Source) -> None:
        """Write progress, merged with the progress reported shortly before."""
        self._merged_source = source
        self._merger.add_progress(progress, self.snapshot.progress)
        self.write_due(now)

    def answer(self, parts: tuple[Part, ...], now: float) -> None:
        """Write what was added to a streamed answer, merged with recent additions. `parts` is the whole answer."""
        self._merger.add_parts(parts)
        self.write_due(now)

    def next_deadline(self) -> float | None:
        """Return when merged output is due; null if there is none."""
        return self._merger.next_deadline()

    def write_due(self, now: float) -> None:
        """Write the merged output that is due."""
        self._write_merged(self._merger.take_due(self.snapshot, now), now)

    def emit(self, event_type: str, data: Data, now: float, source: Source, *, at: float | None = None) -> None:
        """Write an event. Output that was waiting to be merged is written before it."""
        self._write_merged(self._merger.take_all(self.snapshot, now), now)
        self._write(event_type, data, now, source, now if at is None else at)

    def _write(self, event_type: str, data: Data, now: float, source: Source, at: float) -> None:
        state = TRANSITIONS.get((self.snapshot.state, _trigger(event_type, data)))
        if state is None:
            return
        event = Event(
            type=event_type,
            task=self.snapshot.id,
            seq=self.snapshot.seq + 1,
            state=state,
            at=at,
            source=source,
            data=data,
        )
        after = apply(self.snapshot, event)
        if (eta := self.times.note(data, after, now)) is not None:
            event, after = replace(event, eta=eta), replace(after, eta=eta)
        self.snapshot = after
        self._events.append(event)

    def _write_merged(self, outputs: list[OutputData], now: float) -> None:
        for output in outputs:
            self._write("output", output, now, self._merged_source, now)


def _trigger(event_type: str, data: Data) -> str:
    """Return the key of an event in TRANSITIONS."""
    if isinstance(data, Done):
        return data.verdict
    return RELEASE if isinstance(data, Hold) and data.position == 0 else event_type
