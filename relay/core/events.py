"""
The events of a task's log.

Field names are the wire format (docs/protocol.md): renaming one breaks clients. Times are unix seconds,
durations end in `_s`, and texts contain no lone surrogates.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class State(StrEnum):
    """The state of a task, in the order in which it advances. It never goes back, and the last four are final."""

    SUBMITTING = "submitting"
    HELD = "held"
    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    FINISHING = "finishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.LOST})

Verdict = Literal["succeeded", "failed", "canceled", "lost"]


class Source(StrEnum):
    """Where the relay got a piece of information from."""

    LIVE = "live"
    """The task's stream."""
    RECONCILED = "reconciled"
    """The task's record, read in addition to the stream."""
    CALLBACK = "callback"
    """The task's record, read after a callback."""
    POLLED = "polled"
    """The task's record, on a platform without a stream."""
    RELAY = "relay"
    """An action of the relay."""


class Stage(StrEnum):
    """The platform's stages, in order. Each is a type of event and happens at most once per task."""

    QUEUE = "queue"
    ACCEPT = "accept"
    PREPROCESS_START = "preprocess_start"
    PREPROCESS_END = "preprocess_end"
    ASSIGN = "assign"
    START = "start"
    END = "end"
    POSTPROCESS_START = "postprocess_start"
    POSTPROCESS_END = "postprocess_end"


STAGE_ORDER = {stage: rank for rank, stage in enumerate(Stage)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """The time left, as a range. `n` is the number of earlier runs it is based on, null if the platform reported it."""

    low_s: float
    high_s: float
    n: int | None
    basis: Literal["upstream", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of the model's work. `index` counts from 0; `percent` (0-100 or null) restarts with each phase."""

    index: int
    label: str | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a task. `percent` never decreases within a task; the other fields describe the current phase."""

    percent: float | None = None
    basis: Literal["measured", "estimated"] = "measured"
    step: int | None = None
    steps: int | None = None
    label: str | None = None
    speed: float | None = None
    unit: str | None = None
    eta: Eta | None = None
    phase: Phase | None = None


Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Text that the model wrote to one stream. Text on stderr does not mean failure."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LateLog:
    """
    Log text that was missed and belongs earlier in its stream.

    It is inserted before the last `before` UTF-16 units of the stream's text. The place is counted from the end
    because the beginning of a long log may have been cut off.
    """

    stream: Stream
    text: str
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """A change of a streamed answer: `text` replaces segment number `segment` from `offset` (UTF-16 units) on."""

    segment: int
    kind: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """
    One result: a file with its `url`, or `content_type: "raw"` with its `content`.

    `url` is the file at the platform, and `href` the path of the same file at the relay, which does not change.
    """

    content_type: str
    name: str | None = None
    size: int | None = None
    url: str | None = None
    href: str | None = None
    content: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a task cost."""

    amount: float
    unit: Literal["usd", "credits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a task failed: the platform's code, if it gave one, and a sentence."""

    code: int | str | None
    message: str


# The data of events, one class for each shape.


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The relay accepted the task. Always seq 1."""

    model: str
    provider: str
    tags: tuple[str, ...] = ()
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """
    The platform is at capacity, and the task is queued in the relay.

    `position` is the place in that queue, from 1. At 0 the task leaves the queue to be submitted again.
    """

    reason: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The platform accepted the task."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A stage was reached; the type of the event names it. Written as `{}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressOutput:
    """The progress of the task has changed."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutput:
    """The model has written to its log."""

    log: LateLog | Log


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendOutput:
    """A streamed answer has changed."""

    append: Append


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results. They come with `postprocess_end`; those of a later `output` replace them."""

    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A request to stop the task. `done` shows whether it was stopped."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """
    No news for longer than is normal (`stall`), or news again (`stall_end`).

    `checked` is what reading the record found. `confirmed`: the record shows that the task is alive.
    """

    silent_s: float
    checked: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end of a task, exactly once, with its evidence. `inferred`: the platform did not state the verdict."""

    verdict: Verdict
    exit_code: int | None = None
    cost: Cost | None = None
    elapsed_s: float | None = None
    billed: bool | None = None
    inferred: bool = False
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What an event of a later version says. This version only reads such events, during a rolling deploy."""


OutputData = ProgressOutput | LogOutput | AppendOutput
Data = Submit | Hold | Submitted | Began | OutputData | Results | Cancel | Stall | Done | Unknown


Basis = Literal["history", "platform", "blend"]
"""
What an estimate is based on: earlier runs, the percentage that the platform reports, or that percentage corrected by
what it said of earlier runs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """
    How long the whole task still needs, in seconds from `at` on (unix seconds).

    Half of such tasks end within `p50_s`, nine of ten within `p90_s`. `samples` is the number of earlier runs.
    """

    p50_s: float
    p90_s: float
    basis: Basis
    samples: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One entry of a task's log.

    `seq` starts at 1 and has no gaps. It is the order in which the relay learned of the events; `at` is when they
    happened, so a stage that was learned late has a high `seq` and an early `at`. `state` is the task's state after
    the event.
    """

    type: str
    task: str
    seq: int
    state: State
    at: float
    source: Source
    data: Data
    eta: Remaining | None = None
    """A new estimate, which replaces the one before. Null if there is none: then the JSON does not have the field."""
