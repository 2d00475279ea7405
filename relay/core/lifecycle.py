"""
The lifecycle of one task: signals in, events out.

Frames are hints, and the platform's record is authoritative. Frames become events at once, but only a record ends a
task. If the record does not confirm a terminal frame within SETTLE_S, the frame decides, and the verdict is marked as
inferred. At its deadline a task is not lost yet: the record is read again, and only if it does not end the task, the
task is lost.

A lifecycle has no clock and no socket. The caller passes the time, and asks when to call again (`next_deadline`) and
when to read the record (`check_at`). Its state is the snapshot, plus output that is waiting to be merged and the times
of the next checks, so after a restart the snapshot is all it needs.
"""

from dataclasses import replace
from typing import Final, assert_never

from relay.core.event_writer import EventWriter
from relay.core.events import Cancel, Done, Event, Hold, Output, Source, Stage, State, Submit
from relay.core.history.tally import Tally
from relay.core.history.task_times import TaskTimes
from relay.core.log_sync import LogSync
from relay.core.platform_clock import PlatformClock
from relay.core.record_reader import RecordReader, finding_of, status_of
from relay.core.results import is_available, merge
from relay.core.schedule import CheckSchedule, TimeLimits
from relay.core.signals import (
    Accepted,
    CallbackReceived,
    CancelRequested,
    EndSeen,
    GivenUp,
    Held,
    LogSeen,
    ProgressSeen,
    Record,
    RecordRead,
    RecordUnreadable,
    Refused,
    Released,
    Signal,
    StageSeen,
    StreamLost,
    StreamOpened,
    TextSeen,
    Withdrawn,
)
from relay.core.snapshot import Snapshot, begin
from relay.core.stalls import Finding, StallDetector
from relay.core.timeline import Timeline
from relay.core.verdict import infer, judge

SETTLE_S: Final = 120.0
"""How long the record may take to confirm a terminal frame before the frame decides alone."""

NO_OUTPUTS: Final = "The platform reported success and delivered no outputs."


class Lifecycle:
    """
    One task from `submit` to `done`.

    Call it with `receive` and `handle_deadline`. Each returns the new events, in order, to be committed.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now: float,
        limits: TimeLimits | None = None,
        clock: PlatformClock | None = None,
        since: float | None = None,
        times: TaskTimes | None = None,
    ) -> None:
        """
        Start with a new task, or resume one after a restart.

        Args:
            snapshot: the committed state.
            now: unix seconds, from a clock that never jumps.
            limits: how long the task may take.
            clock: the offset of the platform's clock, shared by all of its tasks.
            since: when the relay accepted the task, if that is later than its creation.
            times: what is known of the time that the task takes. Null: nothing.
        """
        self._limits = limits or TimeLimits()
        self._writer = EventWriter(snapshot, now, times)
        self._schedule = CheckSchedule(self._limits, now, self._writer.times.usual_silence_s)
        self._stalls = StallDetector(self._writer, self._schedule)
        self._timeline = Timeline(clock or PlatformClock(), snapshot.created_at)
        self._log_sync = LogSync(self._writer, self._schedule)
        self._reader = RecordReader(self._writer, self._schedule, self._stalls, self._timeline, self._log_sync)
        self._lost_at = self._limits.lost_at(snapshot.created_at if since is None else since, now)
        self._overdue_since: float | None = None
        self._end: EndSeen | None = None
        self._settle_at: float | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The state after all events that were returned."""
        return self._writer.snapshot

    @property
    def check_at(self) -> float | None:
        """When the platform's record has to be read; null after `done` and before the first reason to read it."""
        return self._schedule.next_at(self.snapshot.state, stalled=self.snapshot.stall is not None)

    def tally(self) -> Tally | None:
        """Return what is counted of the task; null until it has ended, and for one that the relay did not start."""
        return self._writer.times.tally(self.snapshot, self._schedule.longest_silence_s)

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` has to be called; null after `done`, and while only a record can help."""
        if self.snapshot.done is not None:
            return None
        lost_at = self._lost_at if self._overdue_since is None else None
        times = (lost_at, self._writer.next_deadline(), self._settle_at, self._log_sync.due_at)
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> list[Event]:
        """Do everything that is due. Calling it early or twice is harmless."""
        if self.snapshot.done is None:
            self._writer.write_due(now)
            self._log_sync.compare_due(now)
            if self._end is not None and self._settle_at is not None and now >= self._settle_at:
                self._settle(self._end, now)
            elif now >= self._lost_at and self._overdue_since is None:
                self._overdue_since = now
                self._schedule.check_now(now)
        return self._writer.drain()

    def receive(self, signal: Signal, now: float) -> list[Event]:
        """Process a signal and return the events that follow from it; none after `done`."""
        if self.snapshot.done is None:
            self._receive(signal, now)
        return self._writer.drain()

    def _receive(self, signal: Signal, now: float) -> None:
        match signal:
            case Accepted(upstream_id=upstream_id):
                self._timeline.accepted(now)
                self._stalls.note_news(now)
                self._writer.submitted(upstream_id, now, Source.RELAY)
            case Refused(fault=fault, unsent=unsent):
                how = "relay: the run was not sent" if unsent else "platform: rejected the run"
                evidence = (f"{how}: {fault.message}",)
                self._finish(Done(verdict="failed", billed=False, evidence=evidence, error=fault), now, Source.RELAY)
            case Held(reason=reason, position=position):
                if self.snapshot.hold != (hold := Hold(reason=reason, position=position)):
                    self._writer.emit("hold", hold, now, Source.RELAY)
            case Released():
                self._timeline.sending(now)
                self._writer.emit("hold", Hold(reason="Submitting the task again.", position=0), now, Source.RELAY)
            case Withdrawn():
                evidence = ("relay: canceled before it was sent to the platform",)
                self._finish(Done(verdict="canceled", billed=False, evidence=evidence), now, Source.RELAY)
            case StageSeen() | ProgressSeen() | LogSeen() | TextSeen() | EndSeen():
                self._stalls.note_news(now)
                self._receive_frame(signal, now)
            case StreamOpened():
                self._schedule.streaming = True
                self._log_sync.stream_opened(now)
                self._schedule.check_now(now)
            case StreamLost():
                self._schedule.streaming = False
                self._schedule.check_now(now)
            case RecordRead(record=record, source=source, asked_at=asked_at):
                self._receive_record(record, now, source, asked_at=now if asked_at is None else asked_at)
            case RecordUnreadable(why=why):
                self._receive_no_record(f"reading the record failed: {why}", now)
            case CallbackReceived():
                self._schedule.note_callback(now)
            case CancelRequested(by=by):
                if self.snapshot.cancel is None:
                    self._writer.emit("cancel", Cancel(by=by), now, Source.RELAY)
                self._schedule.check_now(now)
            case GivenUp(evidence=evidence):
                self._finish(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)
            case _:
                assert_never(signal)

    # Frames

    def _receive_frame(self, signal: StageSeen | ProgressSeen | LogSeen | TextSeen | EndSeen, now: float) -> None:
        match signal:
            case StageSeen(stage=Stage.POSTPROCESS_END):  # without outputs here: the record has them
                self._schedule.check_now(now)
            case StageSeen(stage=stage):
                self._writer.stage(stage, now, Source.LIVE, at=now)
            case ProgressSeen(progress=progress):
                self._writer.progress(progress, now, Source.LIVE)
            case LogSeen(stream=stream, text=text):
                self._log_sync.add_live(stream, text, now)
            case TextSeen(parts=parts):
                self._writer.answer(parts, now)
            case EndSeen():
                self._receive_end(signal, now)
            case _:
                assert_never(signal)

    def _receive_end(self, end: EndSeen, now: float) -> None:
        self._end = self._end or end
        self._settle_at = self._settle_at or now + SETTLE_S
        self._timeline.end_seen(now)
        if end.outputs:  # shown at once; the record may still fill an empty list
            self._writer.results(end.outputs, now, Source.LIVE, at=now)
        self._schedule.check_now(now)

    def _settle(self, end: EndSeen, now: float) -> None:
        """End the task by its terminal frame alone."""
        if end.how == "finished":
            self._writer.results(end.outputs or (), now, Source.LIVE, at=now)
        tried = f"record: did not confirm the end within {SETTLE_S:.0f} s"
        self._finish(infer(end, self.snapshot.outputs, tried), now, Source.LIVE)

    # Records

    def _receive_record(self, record: Record | None, now: float, source: Source, *, asked_at: float) -> None:
        if record is None:
            self._continue(now, "no record of the task yet", "unknown", asked_at)
            return
        self._reader.read(record, now, source, asked_at=asked_at)
        if (done := judge(record, self._end, record.outputs or self.snapshot.outputs)) is None:
            self._continue(now, status_of(record), finding_of(record), asked_at)
        elif self._is_incomplete(done, record.outputs) and self._schedule.awaits_completion(now):
            self._note_check(now, f"status {record.status}, but the record is incomplete", "alive")
        else:
            if record.phase in ("finished", "succeeded"):
                at = self._timeline.results_at(record, self.snapshot, now)
                self._writer.results(record.outputs, now, source, at=at)
            ended_at = self._timeline.ended_at(record, self.snapshot, now)
            self._finish(done, now, Source.LIVE if self._end else source, at=ended_at)

    def _receive_no_record(self, found: str, now: float) -> None:
        """Note that the record could not be read. After the deadline this is tried for `deadline_s` more."""
        since = self._overdue_since
        if since is not None and self._end is None and now >= since + self._limits.deadline_s:
            self._lose(found, now)
            return
        self._note_check(now, found, "unknown")
        self._schedule.check_now(now)  # still due; the follower waits between attempts

    def _continue(self, now: float, found: str, finding: Finding, asked_at: float) -> None:
        """
        Note a record that does not end the task.

        If it was requested after the deadline, the task is lost, unless a terminal frame is waiting to be settled.
        """
        overdue = self._overdue_since is not None and self._end is None
        if overdue and asked_at >= self._lost_at:
            self._lose(found, now)
            return
        self._note_check(now, found, finding)
        if overdue:
            self._schedule.check_now(now)

    def _is_incomplete(self, done: Done, outputs: tuple[Output, ...]) -> bool:
        """Return whether the record that ends the task may still lack outputs or their URLs."""
        known = merge(self.snapshot.outputs, outputs)
        if (known and all(map(is_available, known))) or self.snapshot.segments:
            return False
        return done.verdict == "succeeded" or (done.verdict == "failed" and done.inferred)

    def _note_check(self, now: float, found: str, finding: Finding) -> None:
        """Note a check that did not end the task, and plan the next one."""
        self._schedule.plan_next(now, ending=self._end is not None)
        if self._log_sync.needs_record and finding != "unknown":
            self._schedule.check_now(now)
        self._stalls.note_check(now, found, finding)

    # The end

    def _lose(self, found: str, now: float) -> None:
        deadline = f"relay: the task did not end within {self._limits.deadline_s:.0f} s"
        evidence = (deadline, f"state: {self.snapshot.state}", f"platform: {found}")
        self._finish(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)

    def _finish(self, done: Done, now: float, source: Source, *, at: float | None = None) -> None:
        self._log_sync.compare(now)
        has_results = any(map(is_available, self.snapshot.outputs)) or self.snapshot.segments
        if done.verdict == "succeeded" and not has_results:
            done = replace(done, warnings=(*done.warnings, NO_OUTPUTS))
        self._writer.emit("done", done, now, source, at=at)
        self._schedule.stop()


def submit(
    *, task: str, model: str, provider: str, tags: tuple[str, ...], title: str | None = None, epoch: str, now: float
) -> tuple[Event, Snapshot]:
    """Return the first event of a new task and the state after it."""
    event = Event(
        type="submit",
        task=task,
        seq=1,
        state=State.SUBMITTING,
        at=now,
        source=Source.RELAY,
        data=Submit(model=model, provider=provider, tags=tags, title=title),
    )
    return event, begin(event, epoch)
