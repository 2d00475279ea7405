"""
The vocabulary of what a provider understood: its dialect is gone, its claims are not yet believed.

A signal is a hint or a finding. The lifecycle makes events of it, or nothing. Times are unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from relay.core.events import Cost, Fault, Output, Progress, Source, Stage, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The upstream took the task and gave it an id."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The upstream refused to start the task: nothing runs, nothing is billed."""

    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The upstream has no place for the task now; `position` is its place in our own line, from 1."""

    reason: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The task left the line and is about to be submitted again: from here on its outcome may be unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The task was canceled before the upstream ever had it: nothing ran, nothing is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeen:
    """A stage was announced."""

    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSeen:
    """How far the current phase is, as the upstream said it: it may go back, the lifecycle sees to that."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """The model wrote a piece of text, line ends as they came."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an answer so far."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSeen:
    """The whole answer so far, in parts; each replaces what was said before (cumulative upstream output)."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """
    A frame said that the task is over. A hint: the record has the last word.

    `success` and `exit_code` are what a gen-2 frame claims, else null. `outputs` is null when it said nothing of them.
    """

    how: Literal["finished", "canceled"]
    outputs: tuple[Output, ...] | None = None
    success: bool | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The task's stream is subscribed: what was said before is not repeated there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """The task's stream is gone: frames may be missed from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    What the upstream's record of the task says at this moment: the truth, as far as there is one.

    `phase` is its status in our words: `open` (not ended), `finished` (how is to be worked out), `canceled`, or `error`
    (Wiro's `task_error`: a failure before the run that may be put right, so not an end); or `succeeded` or `failed`,
    where the upstream spells out how it ended. `stages` is the stage clock.
    """

    phase: Literal["open", "finished", "canceled", "error", "succeeded", "failed"]
    status: str
    """The upstream's own word, for evidence."""
    stage: Stage | None = None
    """The stage that the status names, where it names one: not every record has a clock of its stages."""
    upstream_id: str | None = None
    model: str | None = None
    """`owner/name`, where the record says it."""
    stages: Mapping[Stage, float] = field(default_factory=lambda: MappingProxyType({}))
    progress: Progress | None = None
    """How far it is, where the record says so."""
    exit_code: int | None = None
    fault: Fault | None = None
    """Why it failed, where the record spells it out."""
    outputs: tuple[Output, ...] = ()
    cancel_at: float | None = None
    ended_at: float | None = None
    elapsed_s: float | None = None
    cost: Cost | None = None
    stdout: str = ""
    stderr: str = ""
    warnings: tuple[str, ...] = ()
    dated_at: float | None = None
    """When the answer was written, by its own account; a proxy's clock may have said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRead:
    """The record was read; `record` is null when the platform does not have it (yet)."""

    record: Record | None
    source: Literal[Source.RECONCILED, Source.CALLBACK, Source.POLLED] = Source.RECONCILED
    asked_at: float | None = None
    """When the call was sent; null where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUnreadable:
    """The record could not be read; `why` is a sentence without secrets."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReceived:
    """The upstream called back: whatever it said, the record should be read now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Somebody with the right to do so asked to stop the task."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The relay stops looking for the task: nobody knows how it ended."""

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
