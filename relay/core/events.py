"""
The vocabulary of a task's log: what an event is, and how it is written and read as JSON.

Field names are the wire (api.md section 4): to rename one is to break other people's code. Times are unix seconds,
durations end in `_s`, texts never hold a lone surrogate.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class State(StrEnum):
    """Where a task is. Declared in the order in which a task can go: never back, and never out of the last four."""

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
    """Where we learnt it."""

    LIVE = "live"
    """The task's own socket."""
    RECONCILED = "reconciled"
    """Worked out from the task's record after a gap."""
    CALLBACK = "callback"
    POLLED = "polled"
    RELAY = "relay"
    """The relay's own doing."""


class Stage(StrEnum):
    """The upstream's stages, in its order. Each is an event of its own, at most once a task."""

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
    """What is left, as a range. `n` is how many earlier runs it is drawn from, null when the upstream said it."""

    low_s: float
    high_s: float
    n: int | None
    basis: Literal["upstream", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of the model's work. `index` counts from 0, `percent` restarts with each phase (0-100 or null)."""

    index: int
    label: str | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is. `percent` never goes back within a task; everything else describes the current phase."""

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
    """Text that the model wrote on one stream. stderr is not failure."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LateLog:
    """
    Log text that was learnt late and belongs earlier in its stream.

    It goes `before` the last so many UTF-16 units of the stream's text. Counted from the end, the place stays right
    where the beginning of a long log has been cut off.
    """

    stream: Stream
    text: str
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """`text` replaces everything of segment number `segment` from `offset` (UTF-16 units) on."""

    segment: int
    kind: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One result: a file with its `url`, or `content_type: "raw"` with its `content`."""

    content_type: str
    name: str | None = None
    size: int | None = None
    url: str | None = None
    content: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    amount: float
    unit: Literal["usd", "credits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a task failed: the upstream's own code where it gave one, and a sentence."""

    code: int | str | None
    message: str


# What an event carries, one class for each shape of `data`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The relay took the task: always seq 1."""

    model: str
    provider: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """
    The upstream is at its limit; the relay waits for a place.

    `position` is the place in the relay's own line, from 1; at 0 the task leaves the line to be submitted again.
    """

    reason: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The upstream took the task."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A stage began (or ended): the event's type says which. Written as `{}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressOutput:
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutput:
    log: LateLog | Log


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendOutput:
    append: Append


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The whole set of results, with `postprocess_end`; in a later `output` it replaces what was known before."""

    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Somebody asked to stop it; `done` says what came of it."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """
    No news for longer than is normal (`stall`), or news again (`stall_end`); `checked` says what asking found.

    `confirmed`: the platform's record says that the task is alive, so only its news is missing.
    """

    silent_s: float
    checked: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The one end of a task, with its evidence. `inferred` marks a verdict that the upstream did not spell out."""

    verdict: Verdict
    exit_code: int | None = None
    cost: Cost | None = None
    elapsed_s: float | None = None
    billed: bool | None = None
    inferred: bool = False
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Fault | None = None


OutputData = ProgressOutput | LogOutput | AppendOutput
Data = Submit | Hold | Submitted | Began | OutputData | Results | Cancel | Stall | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One entry of a task's log.

    `seq` starts at 1 and has no gaps: it is the order of learning. `at` is when it happened, upstream where that is
    known, so a stage learnt late comes late in the log with an early `at`. `state` is the task's after the event.
    """

    type: str
    task: str
    seq: int
    state: State
    at: float
    source: Source
    data: Data
