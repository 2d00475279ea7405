"""
The lifecycle of one task: signals in, events out.

Two rules that the rest of this file follows:

1. Everything that decides which state follows which stands in `transitions`. What has no row there is not an event.
2. A lifecycle knows no clock and no socket. It is told `now`, and it says when it wants to be woken
   (`next_deadline`) and when the platform's record should be read (`check_at`).

Its state is the snapshot, the fold of the events that it returned, and beside it only what no viewer sees: merged
output that waits for its moment, and when to look again. So after a restart the snapshot is all it needs.

Theory of operation: the socket is a hint, the record is the truth. Frames become events at once, but only a record
ends a task; when a terminal frame stays unconfirmed for SETTLE_S, the frame is believed and the verdict marked.
A deadline ends none either: it has the record read once more, and only if that does not end the task is it lost.
"""

from dataclasses import replace
from typing import Final, Literal, assert_never

from relay.core.catch_up import AGAIN_S, CatchUp
from relay.core.events import (
    STAGE_ORDER,
    Cancel,
    Done,
    Event,
    Hold,
    Output,
    Progress,
    Source,
    Stage,
    Stall,
    State,
    Stream,
    Submit,
)
from relay.core.log_repair import gaps, text_of
from relay.core.patience import Patience
from relay.core.platform_clock import PlatformClock
from relay.core.recorder import Recorder
from relay.core.results import is_there, merge
from relay.core.schedule import Watch
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
from relay.core.timeline import Timeline
from relay.core.verdict import infer, judge

SETTLE_S: Final = 120.0
"""How long a terminal frame may stay unconfirmed by the record before it is believed."""

NO_OUTPUTS: Final = "The platform reported success and delivered no outputs."

Standing = Literal["waiting", "alive", "broken", "unknown"]
"""
What a look at the record found, as far as a silence is concerned: the task waits in the platform's queue, it is alive
beyond that, the platform reports an error before the run, or the record could not be had.
"""


class Lifecycle:
    """
    One task's way from `submit` to `done`.

    Feed it with `receive` and `handle_deadline`; each returns the new events, in order, to be committed.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now: float,
        patience: Patience | None = None,
        clock: PlatformClock | None = None,
        since: float | None = None,
    ) -> None:
        """
        Take up a task where `snapshot` has it: at its beginning, or after a restart.

        Args:
            snapshot: the state as it is committed.
            now: unix seconds, by a clock that is never set.
            patience: how long to wait for what.
            clock: the platform's clock against ours, shared by its tasks.
            since: when the relay took the task on; that is later than its creation where it was attached to.
        """
        self.patience = patience or Patience()
        self._recorder = Recorder(snapshot, now)
        self._watch = Watch(self.patience, now)
        self._timeline = Timeline(clock or PlatformClock(), snapshot.created_at)
        self._lost_at = self.patience.lost_at(snapshot.created_at if since is None else since, now)
        self._overdue_since: float | None = None
        self._end: EndSeen | None = None
        self._settle_at: float | None = None
        self._last_said: tuple[str, Progress | None] | None = None
        self._catch_up = CatchUp()
        self._caught_up_from = Source.RECONCILED

    def __repr__(self) -> str:
        return f"<Lifecycle {self.snapshot.id} {self.snapshot.state} seq={self.snapshot.seq}>"

    @property
    def snapshot(self) -> Snapshot:
        """The state after all events that were returned."""
        return self._recorder.snapshot

    def receive(self, signal: Signal, now: float) -> list[Event]:
        """Take in what a provider or the relay understood, and return what it means. After `done`: nothing."""
        if self.snapshot.done is None:
            self._receive(signal, now)
        return self._recorder.drain()

    @property
    def check_at(self) -> float | None:
        """When the platform's record should be read. Null: not at all."""
        return self._watch.next_at(self.snapshot.state, stalled=self.snapshot.stall is not None)

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; null after `done`, and where only a record can help."""
        if self.snapshot.done is not None:
            return None
        lost_at = self._lost_at if self._overdue_since is None else None
        times = (lost_at, self._recorder.next_deadline(), self._settle_at, self._catch_up.until)
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> list[Event]:
        """Do what is due by `now`; calling it early or twice does no harm."""
        if self.snapshot.done is None:
            self._recorder.write_due(now)
            if self._catch_up.until is not None and now >= self._catch_up.until:
                self._compare_logs(now)
            if self._end is not None and self._settle_at is not None and now >= self._settle_at:
                self._settle(self._end, now)
            elif now >= self._lost_at and self._overdue_since is None:
                self._overdue_since = now
                self._watch.look(now)
        return self._recorder.drain()

    # What each signal means

    def _receive(self, signal: Signal, now: float) -> None:
        match signal:
            case Accepted(upstream_id=upstream_id):
                self._timeline.accepted(now)
                self._heard(now)
                self._recorder.submitted(upstream_id, now, Source.RELAY)
            case Refused(fault=fault):
                evidence = (f"upstream: refused the run: {fault.message}",)
                self._done(Done(verdict="failed", billed=False, evidence=evidence, error=fault), now, Source.RELAY)
            case Held(reason=reason, position=position):
                if self.snapshot.hold != (hold := Hold(reason=reason, position=position)):
                    self._recorder.emit("hold", hold, now, Source.RELAY)
            case Released():
                self._timeline.sending(now)
                free = Hold(reason="The task is submitted again.", position=0)
                self._recorder.emit("hold", free, now, Source.RELAY)
            case Withdrawn():
                evidence = ("relay: it was canceled before the upstream had it",)
                self._done(Done(verdict="canceled", billed=False, evidence=evidence), now, Source.RELAY)
            case StageSeen(stage=stage):
                self._heard(now)
                if stage is Stage.POSTPROCESS_END:  # said without its outputs: the record has them
                    self._watch.look(now)
                else:
                    self._recorder.stage(stage, now, Source.LIVE, at=now)
            case ProgressSeen(progress=progress):
                self._heard(now)
                self._recorder.progress(progress, now, Source.LIVE)
            case LogSeen(stream=stream, text=text):
                self._heard(now)
                self._catch_up.add(stream, self._recorder.line(stream, text, now), now)
            case TextSeen(parts=parts):
                self._heard(now)
                self._recorder.parts(parts, now)
            case EndSeen():
                self._heard(now)
                self._end_seen(signal, now)
            case StreamOpened():
                self._watch.streaming = True
                self._catch_up.begin(now)
                self._watch.look(now)
            case StreamLost():
                self._watch.streaming = False
                self._watch.look(now)
            case RecordRead(record=record):
                self._record_read(signal, record, now)
            case RecordUnreadable(why=why):
                self._record_unreadable(f"the upstream could not be asked: {why}", now)
            case CallbackReceived():
                self._watch.nudge(now)
            case CancelRequested(by=by):
                if self.snapshot.cancel is None:
                    self._recorder.emit("cancel", Cancel(by=by), now, Source.RELAY)
                self._watch.look(now)
            case GivenUp(evidence=evidence):
                self._done(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)
            case _:
                assert_never(signal)

    def _end_seen(self, end: EndSeen, now: float) -> None:
        self._end = self._end or end
        self._settle_at = self._settle_at or now + SETTLE_S
        self._timeline.end_seen(now)
        if end.outputs:  # show them now; an empty list may be filled by the record
            self._recorder.results(end.outputs, now, Source.LIVE, at=now)
        self._watch.look(now)

    def _settle(self, end: EndSeen, now: float) -> None:
        if end.how == "finished":
            self._recorder.results(end.outputs or (), now, Source.LIVE, at=now)
        waited = f"record: did not confirm it within {SETTLE_S:.0f} s"
        self._done(infer(end, self.snapshot.outputs, waited), now, Source.LIVE)

    def _record_read(self, seen: RecordRead, record: Record | None, now: float) -> None:
        source, asked_at = seen.source, now if seen.asked_at is None else seen.asked_at
        if record is None:
            self._not_ended(now, "the upstream has no record of the task yet", "unknown", asked_at)
            return
        if record.upstream_id is not None:
            self._recorder.submitted(record.upstream_id, now, source)
        if self._tells_news(record):
            self._heard(now)
        self._last_said = record.status, record.progress
        self._timeline.observe(record, self.snapshot, asked_at=asked_at, now=now)
        self._stages_seen(record, now, source)
        if record.progress is not None:
            self._recorder.progress(record.progress, now, source)
        self._logs_seen(record, now, source, asked_at=asked_at)
        if (done := judge(record, self._end, record.outputs or self.snapshot.outputs)) is None:
            problem = "; it waits to be put right" if record.phase == "error" else ""
            found = f"the upstream says {record.status}{problem}"
            self._not_ended(now, found, self._standing(record), asked_at)
        elif self._blank(done, record.outputs, now):
            self._checked(now, f"the upstream says {record.status}, and its record is not complete", "alive")
        else:
            if record.phase in ("finished", "succeeded"):
                at = self._timeline.results_at(record, self.snapshot, now)
                self._recorder.results(record.outputs, now, source, at=at)
            ended_at = self._timeline.ended_at(record, self.snapshot, now)
            self._done(done, now, Source.LIVE if self._end else source, at=ended_at)

    def _not_ended(self, now: float, found: str, standing: Standing, asked_at: float) -> None:
        """
        Take note of a record that does not end the task.

        One that was asked for after the deadline decides it, unless a terminal frame is there: that one is settled.
        """
        overdue = self._overdue_since is not None and self._end is None
        if overdue and asked_at >= self._lost_at:
            self._lost(found, now)
            return
        self._checked(now, found, standing)
        if overdue:
            self._watch.look(now)

    def _record_unreadable(self, found: str, now: float) -> None:
        """Take note that the record could not be read. After the deadline it is tried for as long again."""
        since = self._overdue_since
        if since is not None and self._end is None and now >= since + self.patience.deadline_s:
            self._lost(found, now)
            return
        self._checked(now, found, "unknown")
        self._watch.look(now)  # nothing was learned, so it is still due; the follower backs off

    def _lost(self, found: str, now: float) -> None:
        deadline = f"relay: no end within {self.patience.deadline_s:.0f} s"
        evidence = (deadline, f"state: {self.snapshot.state}", f"relay: {found}")
        self._done(Done(verdict="lost", inferred=True, evidence=evidence), now, Source.RELAY)

    def _stages_seen(self, record: Record, now: float, source: Source) -> None:
        reached = {*record.stages, *((record.stage,) if record.stage is not None else ())} - {Stage.POSTPROCESS_END}
        for stage in sorted(reached, key=STAGE_ORDER.__getitem__):
            if not self._recorder.has(stage):
                self._heard(now)
                at = self._timeline.stage_at(stage, record, self.snapshot, now)
                self._recorder.stage(stage, now, source, at=at)

    def _logs_seen(self, record: Record, now: float, source: Source, *, asked_at: float) -> None:
        """
        Write what the record's log has beyond ours: at the end, and once after the stream has opened.

        In between the record may be ahead of frames that are on their way: they would come twice.
        """
        if record.phase in ("finished", "canceled"):
            self._catch_up.stop()
            self._fill_log("stdout", record.stdout, now, source)
            self._fill_log("stderr", record.stderr, now, source)
        elif self._catch_up.active:
            self._caught_up_from = source
            self._catch_up.take(record, asked_at=asked_at, now=now)
            if self._catch_up.until == now:
                self._compare_logs(now)

    def _compare_logs(self, now: float) -> None:
        compared = self._catch_up.compare()
        self._fill_log("stdout", compared.stdout, now, self._caught_up_from)
        self._fill_log("stderr", compared.stderr, now, self._caught_up_from)
        if not compared.certain:
            self._watch.look_by(now + AGAIN_S)

    def _fill_log(self, stream: Stream, theirs: str, now: float, source: Source) -> None:
        if stream == "stdout" and self.snapshot.segments:  # a streamed answer is kept as stdout: it has been told
            return
        ours = text_of(self.snapshot.log, stream)
        for gap in gaps(ours, theirs, cut=self.snapshot.log_dropped > 0):
            self._recorder.late_log(stream, gap, now, source)

    def _tells_news(self, record: Record) -> bool:
        """Say whether a record differs from the last one in more than frames have told; new stages are news anyway."""
        status, progress = self._last_said or (None, None)
        if record.phase == "error":
            return False
        return record.progress != progress or (record.status != status and not self._watch.streaming)

    def _standing(self, record: Record) -> Standing:
        if record.phase == "error":
            return "broken"
        return "waiting" if record.stage is Stage.QUEUE else "alive"

    def _blank(self, done: Done, outputs: tuple[Output, ...], now: float) -> bool:
        """Say whether the end rests on a record without outputs, or with one that cannot be had, which may follow."""
        known = merge(self.snapshot.outputs, outputs)
        if (known and all(map(is_there, known))) or self.snapshot.segments:
            return False
        guessed = done.verdict == "failed" and done.inferred
        return (guessed or done.verdict == "succeeded") and self._watch.is_blank(now)

    def _checked(self, now: float, found: str, standing: Standing) -> None:
        """
        Take note of a check that did not end the task: plan the next one, and call a long silence a stall.

        A task in the platform's queue may wait for as long as it takes.
        """
        self._watch.look_again(now, ending=self._end is not None)
        if self._catch_up.waits_for_record and standing != "unknown":
            self._watch.look(now)
        stall, confirmed = self.snapshot.stall, standing == "alive"
        if standing == "waiting":
            self._watch.waits(now)
            if stall is not None:
                self._heard(now)
            return
        if stall is None:
            is_new = standing == "broken" or self._watch.too_silent(self.snapshot.state, now)
        else:
            is_new = stall.confirmed != confirmed
        if is_new:
            self._recorder.emit("stall", self._silence(now, found, confirmed=confirmed), now, Source.RELAY)

    def _heard(self, now: float) -> None:
        """Take note of news. It ends a stall."""
        if self.snapshot.stall is not None:
            news = self._silence(now, "news from the upstream", confirmed=True)
            self._recorder.emit("stall_end", news, now, Source.RELAY)
        self._watch.heard(now)

    def _silence(self, now: float, found: str, *, confirmed: bool) -> Stall:
        return Stall(silent_s=round(self._watch.silent_s(now), 3), checked=found, confirmed=confirmed)

    def _done(self, done: Done, now: float, source: Source, *, at: float | None = None) -> None:
        if self._catch_up.until is not None:
            self._compare_logs(now)
        if done.verdict == "succeeded" and not (any(map(is_there, self.snapshot.outputs)) or self.snapshot.segments):
            done = replace(done, warnings=(*done.warnings, NO_OUTPUTS))
        self._recorder.emit("done", done, now, source, at=at)
        self._watch.stop()


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
