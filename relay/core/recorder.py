"""
Writes the events of one task: numbers them, folds them into the state, and keeps merged output in its place.

What happens is decided in `lifecycle`, what may happen in `transitions`; an event without a row there is not written.
"""

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
from relay.core.log_repair import Gap, as_lines, text_of
from relay.core.merge import Merger
from relay.core.results import merge
from relay.core.signals import Part
from relay.core.snapshot import LOG_UNITS, Snapshot, apply
from relay.core.transitions import RELEASE, TRANSITIONS
from relay.core.utf16 import chunks


class Recorder:
    """The log of one task, from the state that it has been folded to."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self._events: list[Event] = []
        self._merger = Merger(now)
        self._output_from = Source.LIVE

    def drain(self) -> list[Event]:
        """Return what was written since the last call, in order."""
        events, self._events = self._events, []
        return events

    def has(self, stage: Stage) -> bool:
        """Say whether a stage was reached."""
        return any(mark.type is stage for mark in self.snapshot.stages)

    def submitted(self, upstream_id: str, now: float, source: Source) -> None:
        """Write that the platform took the task, once."""
        if self.snapshot.upstream_id is None:
            self.emit("submitted", Submitted(upstream_id=upstream_id), now, source)

    def stage(self, stage: Stage, now: float, source: Source, *, at: float) -> None:
        """Write a stage, once."""
        if not self.has(stage):
            self.emit(stage.value, Began(), now, source, at=at)

    def results(self, outputs: tuple[Output, ...], now: float, source: Source, *, at: float) -> None:
        """Write the results with `postprocess_end`; what is learnt later is an `output` with the whole set."""
        known = merge(self.snapshot.outputs, outputs)
        if not self.has(Stage.POSTPROCESS_END):
            self.emit("postprocess_end", Results(outputs=known), now, source, at=at)
        elif known != self.snapshot.outputs:
            self.emit("output", Results(outputs=known), now, source)

    def line(self, stream: Stream, text: str, now: float) -> str:
        """Write a message of the model as a line of its log, and return it as it was written."""
        written = as_lines(text, text_of(self.snapshot.log[-2:], stream))
        self.log(stream, written, now, Source.LIVE)
        return written

    def log(self, stream: Stream, text: str, now: float, source: Source) -> None:
        """Write log text at the end of its stream."""
        for piece in chunks(text, LOG_UNITS):  # no event outweighs all that a snapshot keeps
            self.emit("output", LogOutput(log=Log(stream=stream, text=piece)), now, source)

    def late_log(self, stream: Stream, gap: Gap, now: float, source: Source) -> None:
        """Write log text that was missed where it belongs."""
        if not gap.before:
            self.log(stream, gap.text, now, source)
            return
        for piece in chunks(gap.text, LOG_UNITS):
            late = LateLog(stream=stream, text=piece, before=gap.before)
            self.emit("output", LogOutput(log=late), now, source)

    def progress(self, progress: Progress, now: float, source: Source) -> None:
        """Write progress, merged with what came shortly before."""
        self._output_from = source
        self._merger.add_progress(progress, self.snapshot.progress)
        self.write_due(now)

    def parts(self, parts: tuple[Part, ...], now: float) -> None:
        """Write how a streamed answer has grown, merged with what came shortly before."""
        self._merger.add_parts(parts)
        self.write_due(now)

    def next_deadline(self) -> float | None:
        """Return when merged output is due; null while none waits."""
        return self._merger.next_deadline()

    def write_due(self, now: float) -> None:
        """Write merged output that is due."""
        self._write_merged(self._merger.due(self.snapshot, now), now)

    def emit(self, event_type: str, data: Data, now: float, source: Source, *, at: float | None = None) -> None:
        """Write an event, and before it whatever was waiting to be merged; `at` is when it happened, if not now."""
        self._write_merged(self._merger.flush(self.snapshot, now), now)
        self._write(event_type, data, now if at is None else at, source)

    def _write(self, event_type: str, data: Data, at: float, source: Source) -> None:
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
        self.snapshot = apply(self.snapshot, event)
        self._events.append(event)

    def _write_merged(self, outputs: list[OutputData], now: float) -> None:
        for output in outputs:
            self._write("output", output, now, self._output_from)


def _trigger(event_type: str, data: Data) -> str:
    """Return what TRANSITIONS knows the event by."""
    if isinstance(data, Done):
        return data.verdict
    return RELEASE if isinstance(data, Hold) and data.position == 0 else event_type
