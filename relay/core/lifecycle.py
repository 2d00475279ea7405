"""
The lifecycle of one task: signals in, events out.

Two rules that the rest of this file follows:

1. Everything that decides which state follows which stands in `transitions`. What has no row there is not an event.
2. A lifecycle knows no clock and no socket. It is told `now`, and it says when it wants to be woken
   (`next_deadline`) and when the upstream's record should be read (`check_at`).

Its state is the snapshot, the fold of the events that it returned, and beside it only what no viewer sees: the merged
output that waits for its moment, and when to look again. So after a restart the snapshot is all it needs.

Theory of operation: the socket is a hint, the detail is the truth. Frames become events at once, but only a detail
ends a task; when a terminal frame stays unconfirmed for SETTLE_S, the frame is believed and the verdict marked.
"""

from typing import Final, assert_never

from relay.core.events import (
    STAGE_ORDER,
    Began,
    Cancel,
    Data,
    Done,
    Event,
    Hold,
    Log,
    LogOutput,
    Output,
    OutputData,
    Progress,
    Results,
    Source,
    Stage,
    Stall,
    State,
    Stream,
    Submit,
    Submitted,
)
from relay.core.holdback import Holdback
from relay.core.logbook import missing, text_of
from relay.core.merge import Merger
from relay.core.patience import Patience
from relay.core.signals import (
    Accepted,
    CancelAsked,
    Detail,
    DetailFailed,
    DetailSeen,
    EndSeen,
    GivenUp,
    Held,
    LogSeen,
    Nudged,
    ProgressSeen,
    Refused,
    Released,
    Signal,
    StageSeen,
    StreamLost,
    StreamOpened,
    TextSeen,
    Withdrawn,
)
from relay.core.snapshot import LOG_UNITS, Snapshot, apply, begin
from relay.core.text import chunks
from relay.core.transitions import RELEASE, TRANSITIONS
from relay.core.verdict import infer, judge
from relay.core.watch import Watch

SETTLE_S: Final = 120.0
"""How long a terminal frame may stay unconfirmed by the detail before it is believed."""


class Lifecycle:
    """
    One task's way from `submit` to `done`.

    Feed it with `receive` and `handle_deadline`; each returns the new events, in order, to be committed.
    """

    def __init__(self, snapshot: Snapshot, now: float, patience: Patience | None = None) -> None:
        """Take up a task where `snapshot` has it: at its beginning, or after a restart."""
        self.snapshot = snapshot
        self.patience = patience or Patience()
        self._events: list[Event] = []
        self._watch = Watch(self.patience, now)
        self._end: EndSeen | None = None
        self._settle_at: float | None = None
        self._last_said: tuple[str, Progress | None] | None = None
        self._output_from = Source.LIVE
        self._merger = Merger(now)
        self._holdback = Holdback()

    def __repr__(self) -> str:
        return f"<Lifecycle {self.snapshot.id} {self.snapshot.state} seq={self.snapshot.seq}>"

    def receive(self, signal: Signal, now: float) -> list[Event]:
        """Take in what a provider or the relay understood, and return what it means. After `done`: nothing."""
        if self.snapshot.done is None:
            self._receive(signal, now)
        return self._drain()

    @property
    def check_at(self) -> float | None:
        """When the upstream's record should be read. Null: not at all."""
        return self._watch.next_at(stalled=self.snapshot.stall is not None)

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; null after `done`."""
        if self.snapshot.done is not None:
            return None
        times = [self.snapshot.created_at + self.patience.deadline_s]
        if (merged_at := self._merger.next_deadline()) is not None:
            times.append(merged_at)
        times += [time for time in (self._settle_at, self._holdback.until) if time is not None]
        return min(times)

    def handle_deadline(self, now: float) -> list[Event]:
        """Do what is due by `now`; calling it early or twice does no harm."""
        if self.snapshot.done is None:
            self._write_merged(self._merger.due(self.snapshot, now), now)
            if self._holdback.until is not None and now >= self._holdback.until:
                self._let_out(now)
            if self._end is not None and self._settle_at is not None and now >= self._settle_at:
                if self._end.how == "finished":
                    self._results(self._end.outputs or (), now, Source.LIVE)
                waited = f"detail: did not confirm it within {SETTLE_S:.0f} s"
                self._done(infer(self._end, self.snapshot.outputs, waited), now, Source.LIVE)
            elif now >= self.snapshot.created_at + self.patience.deadline_s:
                evidence = (f"relay: no end within {self.patience.deadline_s:.0f} s", f"state: {self.snapshot.state}")
                self._done(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)
        return self._drain()

    # What each signal means

    def _receive(self, signal: Signal, now: float) -> None:
        match signal:
            case Accepted(upstream_id=upstream_id):
                self._heard(now)
                self._submitted(upstream_id, now, Source.RELAY)
            case Refused(fault=fault):
                evidence = (f"upstream: refused the run: {fault.message}",)
                self._done(Done(verdict="failed", billed=False, evidence=evidence, error=fault), now, Source.RELAY)
            case Held(reason=reason, position=position):
                if self.snapshot.hold != (hold := Hold(reason=reason, position=position)):
                    self._emit("hold", hold, now, Source.RELAY)
            case Released():
                free = Hold(reason="The task is submitted again.", position=0)
                self._emit("hold", free, now, Source.RELAY)
            case Withdrawn():
                evidence = ("relay: it was canceled before the upstream had it",)
                self._done(Done(verdict="canceled", billed=False, evidence=evidence), now, Source.RELAY)
            case StageSeen(stage=stage):
                self._heard(now)
                if stage is Stage.POSTPROCESS_END:  # said without its outputs: the detail has them
                    self._watch.look(now)
                else:
                    self._stage(stage, now, Source.LIVE)
            case ProgressSeen(progress=progress):
                self._heard(now)
                self._merger.add_progress(progress, self.snapshot.progress)
                self._write_merged(self._merger.due(self.snapshot, now), now)
            case LogSeen(stream=stream, text=text):
                self._heard(now)
                if not self._holdback.add(signal):
                    self._log(stream, text, now, Source.LIVE)
            case TextSeen(parts=parts):
                self._heard(now)
                self._merger.add_parts(parts)
                self._write_merged(self._merger.due(self.snapshot, now), now)
            case EndSeen():
                self._heard(now)
                self._end_seen(signal, now)
            case StreamOpened():
                self._watch.streaming = True
                self._holdback.begin()
                self._watch.look(now)
            case StreamLost():
                self._watch.streaming = False
                self._watch.look(now)
            case DetailSeen(detail=detail, source=source):
                self._detail_seen(detail, source, now)
            case DetailFailed(why=why):
                self._let_out(now)
                self._checked(now, f"the upstream could not be asked: {why}")
                self._watch.look(now)  # nothing was learnt, so it is still due; whoever asks backs off
            case Nudged():
                self._watch.nudge(now)
            case CancelAsked(by=by):
                if self.snapshot.cancel is None:
                    self._emit("cancel", Cancel(by=by), now, Source.RELAY)
                self._watch.look(now)
            case GivenUp(evidence=evidence):
                self._done(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)
            case _:
                assert_never(signal)

    def _end_seen(self, end: EndSeen, now: float) -> None:
        self._end = self._end or end
        self._settle_at = self._settle_at or now + SETTLE_S
        if end.outputs:  # show them now; an empty list may be filled by the detail
            self._results(end.outputs, now, Source.LIVE)
        self._watch.look(now)

    def _detail_seen(self, detail: Detail | None, source: Source, now: float) -> None:
        if detail is None:
            self._let_out(now)
            self._checked(now, "the upstream has no record of the task yet")
            return
        if detail.upstream_id is not None:
            self._submitted(detail.upstream_id, now, source)
        if (said := (detail.status, detail.progress)) != self._last_said and detail.phase != "error":
            self._heard(now)
        self._last_said = said
        for stage, at in sorted(detail.stages.items(), key=lambda reached: STAGE_ORDER[reached[0]]):
            if stage is not Stage.POSTPROCESS_END:
                self._stage(stage, now, source, at=at)
        if detail.progress is not None:
            self._output_from = source
            self._merger.add_progress(detail.progress, self.snapshot.progress)
            self._write_merged(self._merger.due(self.snapshot, now), now)
        # In the middle of a stream the record may be ahead of frames that are on their way: they would come twice.
        ended = detail.phase in ("finished", "canceled")
        if self._holdback.active or ended:
            self._fill_log("stdout", detail.stdout, now, source)
            self._fill_log("stderr", detail.stderr, now, source)
            self._holdback.compare(detail, now)
            if ended or not (detail.stdout or detail.stderr):
                self._let_out(now)
        if (done := judge(detail, self._end, detail.outputs or self.snapshot.outputs)) is None:
            problem = "; it waits to be put right" if detail.phase == "error" else ""
            self._checked(now, f"the upstream says {detail.status}{problem}", stalled=detail.phase == "error")
        elif self._blank(done, detail, now):
            self._checked(now, f"the upstream says {detail.status}, and its record is not complete")
        else:
            if detail.phase in ("finished", "succeeded"):
                self._results(detail.outputs, now, source, at=detail.stages.get(Stage.POSTPROCESS_END))
            self._done(done, now, Source.LIVE if self._end else source, at=detail.ended_at)

    def _blank(self, done: Done, detail: Detail, now: float) -> bool:
        """Say whether the end rests on a detail that lacks something and may still be filled in."""
        guessed = done.verdict == "failed" and done.inferred and detail.phase == "finished"
        if not guessed and not (detail.phase == "succeeded" and not detail.outputs):
            return False
        return self._watch.is_blank(now)

    def _checked(self, now: float, found: str, *, stalled: bool = False) -> None:
        """Take note of a check that did not end the task: plan the next one, and call a long silence a stall."""
        self._watch.look_again(now, ending=self._end is not None)
        if self.snapshot.stall is None and (stalled or self._watch.too_silent(now)):
            self._emit("stall", self._silence(now, found), now, Source.RELAY)

    def _heard(self, now: float) -> None:
        """Take note of news. It ends a stall."""
        if self.snapshot.stall is not None:
            self._emit("stall_end", self._silence(now, "news from the upstream"), now, Source.RELAY)
        self._watch.heard(now)

    def _silence(self, now: float, found: str) -> Stall:
        return Stall(silent_s=round(self._watch.silent_s(now), 3), checked=found)

    # What is written

    def _submitted(self, upstream_id: str, now: float, source: Source) -> None:
        if self.snapshot.upstream_id is None:
            self._emit("submitted", Submitted(upstream_id=upstream_id), now, source)

    def _stage(self, stage: Stage, now: float, source: Source, *, at: float | None = None) -> None:
        if not self._reached(stage):
            if source is not Source.LIVE:
                self._heard(now)
            self._emit(stage.value, Began(), now, source, at=at)

    def _results(self, outputs: tuple[Output, ...], now: float, source: Source, *, at: float | None = None) -> None:
        if not self._reached(Stage.POSTPROCESS_END):
            self._emit("postprocess_end", Results(outputs=outputs), now, source, at=at)

    def _log(self, stream: Stream, text: str, now: float, source: Source) -> None:
        for piece in chunks(text, LOG_UNITS):  # no event outweighs all that a snapshot keeps
            self._emit("output", LogOutput(log=Log(stream=stream, text=piece)), now, source)

    def _fill_log(self, stream: Stream, theirs: str, now: float, source: Source) -> None:
        """Write what the upstream's log has beyond ours."""
        if stream == "stderr" or not self.snapshot.segments:  # a streamed answer is kept as stdout: it has been told
            ours = text_of(self.snapshot.log, stream)
            self._log(stream, missing(ours, theirs, cut=self.snapshot.log_dropped > 0), now, source)

    def _let_out(self, now: float) -> None:
        """Write the log text that was held back, but for what stands in the detail already."""
        for log in self._holdback.release():
            self._log(log.stream, log.text, now, Source.LIVE)

    def _done(self, done: Done, now: float, source: Source, *, at: float | None = None) -> None:
        self._let_out(now)
        self._emit("done", done, now, source, at=at)
        self._watch.stop()

    def _reached(self, stage: Stage) -> bool:
        return any(mark.type is stage for mark in self.snapshot.stages)

    def _emit(self, event_type: str, data: Data, now: float, source: Source, *, at: float | None = None) -> None:
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

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _trigger(event_type: str, data: Data) -> str:
    """Return what TRANSITIONS knows the event by."""
    if isinstance(data, Done):
        return data.verdict
    return RELEASE if isinstance(data, Hold) and data.position == 0 else event_type


def submit(
    *, task: str, model: str, provider: str, tags: tuple[str, ...], epoch: str, now: float
) -> tuple[Event, Snapshot]:
    """Return the first event of a new task, and its snapshot."""
    event = Event(
        type="submit",
        task=task,
        seq=1,
        state=State.SUBMITTING,
        at=now,
        source=Source.RELAY,
        data=Submit(model=model, provider=provider, tags=tags),
    )
    return event, begin(event, epoch)
