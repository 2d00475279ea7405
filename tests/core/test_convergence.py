"""
Whatever order frames, records and disconnects come in, a task ends with what the platform's record says.

The platform here is a model of a real one: it has a log, a clock of its own in whole seconds, and a socket and a record
that are ahead of each other as they like.
"""

import math
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.events import Event, Output, Source, Stage, Stream
from relay.core.lifecycle import Lifecycle, submit
from relay.core.log_overlap import IN_FLIGHT_S
from relay.core.platform_clock import PlatformClock
from relay.core.results import UNKNOWN_TYPE
from relay.core.signals import (
    Accepted,
    EndSeen,
    LogSeen,
    Record,
    RecordRead,
    RecordUnreadable,
    Signal,
    StageSeen,
    StreamLost,
    StreamOpened,
)
from relay.core.snapshot import begin, fold

T0 = 1_700_000_000.0
RUN = (Stage.QUEUE, Stage.ACCEPT, Stage.ASSIGN, Stage.START, Stage.END, Stage.POSTPROCESS_START)

PICTURES = tuple(
    Output(content_type="image/png", name=f"{number}.png", size=number, url=f"https://cdn.example/{number}.png")
    for number in range(4)
)


@dataclass
class Platform:
    """One task on a platform, and what is on its way to the relay."""

    offset_s: float
    now: float = T0
    log: dict[Stream, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    stages: dict[Stage, float] = field(default_factory=dict)
    frames: list[Signal] = field(default_factory=list)
    connected: bool = False
    asked_at: float | None = None
    answer: Record | None = None

    def tell(self, signal: Signal) -> None:
        if self.connected:
            self.frames.append(signal)

    def reach(self, stage: Stage) -> None:
        self.stages[stage] = float(math.floor(self.now + self.offset_s))
        self.tell(StageSeen(stage=stage))

    def write(self, stream: Stream, line: str, *, ended: bool) -> None:
        self.log[stream] += f"{line}\n"
        self.tell(LogSeen(stream=stream, text=f"{line}\n" if ended else line))

    def record(self) -> Record:
        return Record(
            phase="open",
            status="task_start",
            upstream_id="7",
            stages=dict(self.stages),
            stdout=self.log["stdout"],
            stderr=self.log["stderr"],
        )

    def final(self, outputs: tuple[Output, ...]) -> Record:
        return Record(
            phase="finished",
            status="task_postprocess_end",
            upstream_id="7",
            exit_code=0,
            stages=dict(self.stages),
            ended_at=self.stages[Stage.POSTPROCESS_END],
            outputs=outputs,
            stdout=self.log["stdout"],
            stderr=self.log["stderr"],
        )


streams = st.sampled_from(["stdout", "stdout", "stdout", "stderr"])
said = st.sampled_from(["tick", "tick", "tock", "é😀"])
write = st.tuples(st.just("write"), streams, said)
step = st.one_of(
    write,
    write,
    write,
    write,
    st.tuples(st.just("frames"), st.integers(1, 5)),
    st.tuples(st.sampled_from(["connect", "disconnect"])),
    st.tuples(st.sampled_from(["stage", "ask", "serve", "answer", "fail", "restart"])),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.2, 0.6, 2.0, 61.0])),
)
steps = st.lists(step, min_size=10, max_size=80)


class Story:
    """A platform, a lifecycle, and every event so far."""

    def __init__(self, offset_s: float) -> None:
        self.platform = Platform(offset_s)
        self.clock = PlatformClock()
        first, snapshot = submit(task="t", model="a/b", provider="wiro", tags=(), epoch="e", now=T0)
        self.events: list[Event] = [first]
        self.in_flight_s = 0.0
        """How long the frames may have been on their way."""
        self.lifecycle = Lifecycle(snapshot, T0, clock=self.clock)
        self.platform.now += 0.1
        self.platform.reach(Stage.QUEUE)
        self.platform.now += 0.1
        self.hear(Accepted(upstream_id="7"))

    def hear(self, signal: Signal) -> None:
        self.events += self.lifecycle.receive(signal, self.platform.now)

    def wait(self, wait_s: float) -> None:
        until = self.platform.now + wait_s
        while (due := self.lifecycle.next_deadline()) is not None and due <= until:
            self.platform.now = max(self.platform.now, due)
            self.events += self.lifecycle.handle_deadline(self.platform.now)
        self.platform.now = until

    def step(self, step: tuple[object, ...], *, ended_lines: bool) -> None:
        platform = self.platform
        match step:
            case ("write", "stdout" | "stderr" as stream, str(line)):
                platform.write(stream, line, ended=ended_lines)
            case ("frames", int(count)):
                self.deliver(count)
            case ("stage",):
                if left := [stage for stage in RUN if stage not in platform.stages]:
                    platform.reach(left[0])
            case ("connect",):
                if not platform.connected:
                    platform.connected = True
                    self.hear(StreamOpened())
            case ("disconnect",):
                if platform.connected:
                    platform.connected = False
                    platform.frames.clear()
                    self.hear(StreamLost())
            case ("ask",):
                platform.asked_at = platform.now
            case ("serve",):
                platform.answer = platform.record() if platform.asked_at is not None else None
            case ("answer",):
                if platform.asked_at is not None and platform.answer is not None:
                    self.hear(RecordRead(record=platform.answer, asked_at=platform.asked_at))
                platform.asked_at = platform.answer = None
            case ("fail",):
                self.hear(RecordUnreadable(why="no answer"))
            case ("restart",):
                platform.connected = False
                platform.frames.clear()
                self.lifecycle = Lifecycle(self.lifecycle.snapshot, platform.now, clock=self.clock)
            case ("wait", float(wait_s)):
                self.in_flight_s += wait_s
                if self.in_flight_s > IN_FLIGHT_S:  # a later frame looks like a line that is repeated
                    self.deliver(len(platform.frames))
                self.wait(wait_s)
            case _:
                raise AssertionError(f"no such step: {step}")

    def deliver(self, count: int) -> None:
        for signal in self.platform.frames[:count]:
            self.hear(signal)
        del self.platform.frames[:count]
        if not self.platform.frames:
            self.in_flight_s = 0.0


@settings(max_examples=300, deadline=None)
@given(
    steps,
    st.sampled_from([0.0, 0.4, -30.0, 600.0, -600.0]),
    st.booleans(),
    st.integers(0, 4),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_a_task_ends_with_what_the_record_says(
    script: list[tuple[object, ...]],
    offset_s: float,
    ended_lines: bool,
    count: int,
    named: int,
    typed: bool,
    delivered: bool,
) -> None:
    """Outputs and log are those of the record, times are in order, and the fold of the events is the state."""
    story = Story(offset_s)
    platform = story.platform
    for step in script:
        story.step(step, ended_lines=ended_lines)
    platform.now += 0.3
    platform.reach(Stage.POSTPROCESS_END)
    outputs = PICTURES[:count] or PICTURES[:1]
    bare = Output(content_type=UNKNOWN_TYPE, url=outputs[0].url)
    platform.tell(EndSeen(how="finished", outputs=(bare if not typed else outputs[0], *outputs[1 : named + 1])))
    if delivered:
        story.deliver(len(platform.frames))
    story.wait(1.0)
    story.hear(RecordRead(record=platform.final(outputs), asked_at=platform.now - 0.1))

    state = story.lifecycle.snapshot
    assert state.done is not None
    assert {replace(output, href=None) for output in state.outputs} == set(outputs)
    for stream, text in platform.log.items():
        assert "".join(entry.text for entry in state.log if entry.stream == stream) == text
    assert state.ended_at is not None
    times = [mark.at for mark in state.stages]
    assert state.created_at <= min(times) <= max(times) <= state.ended_at <= platform.now
    read = [mark.at for mark in state.stages if mark.source is not Source.LIVE]
    assert read == sorted(read)
    assert fold(begin(story.events[0], "e"), story.events[1:]) == state


@settings(deadline=None)
@given(st.sampled_from([0.0, 0.5, 29.0, -29.0, 600.0, -600.0, 86_400.0]), st.booleans())
def test_a_duration_does_not_mix_two_clocks(offset_s: float, connected: bool) -> None:
    """2.6 s of work take 2 to 4 s, whatever the platform's clock shows, with and without its socket."""
    story = Story(offset_s)
    platform = story.platform
    if connected:
        story.step(("connect",), ended_lines=True)
    for stage in RUN[1:]:
        platform.now += 0.4
        platform.reach(stage)
        story.deliver(1)
    platform.now += 0.4
    platform.reach(Stage.POSTPROCESS_END)
    platform.tell(EndSeen(how="finished", outputs=PICTURES[:1]))
    story.deliver(len(platform.frames))
    story.hear(RecordRead(record=platform.final(PICTURES[:1]), asked_at=platform.now - 0.05))
    state = story.lifecycle.snapshot
    assert state.ended_at is not None
    assert 2 <= state.ended_at - state.created_at <= 4
