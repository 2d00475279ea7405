"""
What providers and the relay report about a task, in terms common to all platforms.

The lifecycle decides which events follow from a signal, if any. Times are unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from relay.core.events import Cost, Fault, Output, Progress, Source, Stage, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The platform accepted the task and assigned an id to it."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The platform refused to start the task: nothing runs, and nothing is billed."""

    fault: Fault
    unsent: bool = False
    """Whether the relay did not even send the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The platform is at capacity. `position` is the task's place in the relay's queue, from 1."""

    reason: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The task left the queue and is about to be submitted again. From here on its outcome may be unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The task was canceled before it was sent to the platform: nothing ran, and nothing is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeen:
    """A frame announced a stage."""

    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSeen:
    """The progress of the current phase, as the platform reported it. It may be lower than before."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """The model wrote text to its log. Line ends are unchanged."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a streamed answer, such as its reasoning or its text. It may still grow."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSeen:
    """The whole streamed answer so far. It replaces the one before: platforms send answers cumulatively."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """
    A terminal frame: the platform announced the end of the task. The record decides how it ended.

    `success` and `exit_code` are those of a frame of Wiro's second generation, else null. `outputs` is null if the
    frame has no list of them.
    """

    how: Literal["finished", "canceled"]
    outputs: tuple[Output, ...] | None = None
    success: bool | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The task's stream is open. It does not repeat what was sent before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """The task's stream is closed. Frames may be missed from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    The platform's record of a task, as it was read: the most reliable account of the task.

    `phase` is its status in common terms: `open` (not ended), `finished` (ended; `verdict` infers how), `canceled`,
    `error` (Wiro's `task_error`: a failure before the run from which a task can recover, so not an end), or `succeeded`
    or `failed` if the platform states how the task ended. `stages` has the time of each stage, by the platform's clock.
    """

    phase: Literal["open", "finished", "canceled", "error", "succeeded", "failed"]
    status: str
    """The status as the platform spells it, for evidence."""
    stage: Stage | None = None
    """The stage that the status names, if any. Not every record has the times of its stages."""
    upstream_id: str | None = None
    model: str | None = None
    """`owner/name`, if the record has it."""
    stages: Mapping[Stage, float] = field(default_factory=lambda: MappingProxyType({}))
    progress: Progress | None = None
    """The progress of the task, if the record has it."""
    exit_code: int | None = None
    fault: Fault | None = None
    """Why the task failed, if the record states it."""
    outputs: tuple[Output, ...] = ()
    cancel_at: float | None = None
    ended_at: float | None = None
    elapsed_s: float | None = None
    cost: Cost | None = None
    stdout: str = ""
    stderr: str = ""
    warnings: tuple[str, ...] = ()
    dated_at: float | None = None
    """The time in the answer's `Date` header, which may be that of a proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRead:
    """The record was read. `record` is null if the platform does not have one (yet)."""

    record: Record | None
    source: Literal[Source.RECONCILED, Source.CALLBACK, Source.POLLED] = Source.RECONCILED
    asked_at: float | None = None
    """When the call was sent; null if that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUnreadable:
    """The record could not be read. `why` gives the reason, without secrets."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReceived:
    """The platform sent a callback. The record should be read now, regardless of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """An authorized caller requested to stop the task."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The relay stops looking for a task whose outcome is unknown."""

    evidence: tuple[str, ...]


Signal = (
    Accepted
    | Refused
    | Held
    | Released
    | Withdrawn
    | StageSeen
    | ProgressSeen
    | LogSeen
    | TextSeen
    | EndSeen
    | StreamOpened
    | StreamLost
    | RecordRead
    | RecordUnreadable
    | CallbackReceived
    | CancelRequested
    | GivenUp
)
