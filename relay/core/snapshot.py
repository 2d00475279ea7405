"""
The state of a task, as the fold of its events. static/src/client/reducer.js is the same fold; both pass tests/vectors/.

`lifecycle` and `transitions` decide which events can happen, and in which order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, assert_never

from relay.core import log_window
from relay.core.events import (
    STAGE_ORDER,
    Append,
    AppendOutput,
    Began,
    Cancel,
    Done,
    Event,
    Hold,
    Log,
    LogOutput,
    Output,
    Progress,
    ProgressOutput,
    Remaining,
    Results,
    Source,
    Stage,
    Stall,
    State,
    Submit,
    Submitted,
    Unknown,
)
from relay.core.utf16 import utf16_cut


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMark:
    """A stage that was reached, with the time and the source of that information."""

    type: Stage
    at: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a streamed answer, such as its reasoning or its text."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a viewer needs to show a task. The field names are the wire format, see docs/protocol.md."""

    id: str
    provider: str
    model: str
    tags: tuple[str, ...]
    title: str | None = None
    """What the task is about, if the caller has said. Missing in snapshots that earlier versions stored."""
    upstream_id: str | None
    state: State
    epoch: str
    seq: int
    created_at: float
    updated_at: float
    ended_at: float | None
    stages: tuple[StageMark, ...]
    progress: Progress | None
    log: tuple[Log, ...]
    log_dropped: int
    """How many UTF-16 units of log text were cut from the front."""
    segments: tuple[Segment, ...]
    outputs: tuple[Output, ...]
    hold: Hold | None
    """Why the task is queued in the relay, while it is."""
    cancel: Cancel | None
    """The request to stop the task, if there was one."""
    stall: Stall | None
    done: Done | None
    eta: Remaining | None = None
    """How long the whole task still needs; null while that is unknown, and when it has ended."""


def begin(event: Event, epoch: str) -> Snapshot:
    """
    Return the state after the first event of a task.

    Raises:
        ValueError: the event is not `submit` at seq 1.
    """
    if not isinstance(event.data, Submit) or event.seq != 1:
        raise ValueError(f"a log starts with submit at seq 1, not with {event.type} at seq {event.seq}")
    return Snapshot(
        id=event.task,
        provider=event.data.provider,
        model=event.data.model,
        tags=event.data.tags,
        title=event.data.title,
        upstream_id=None,
        state=event.state,
        epoch=epoch,
        seq=1,
        created_at=event.at,
        updated_at=event.at,
        ended_at=None,
        stages=(),
        progress=None,
        log=(),
        log_dropped=0,
        segments=(),
        outputs=(),
        hold=None,
        cancel=None,
        stall=None,
        done=None,
        eta=event.eta,
    )


def apply(snapshot: Snapshot, event: Event) -> Snapshot:
    """
    Return the state after `event`.

    An event that is not the next one, because it is included already or follows a gap, changes nothing. The caller can
    detect this from `seq`.
    """
    if event.seq != snapshot.seq + 1:
        return snapshot
    return replace(
        snapshot,
        **{
            "seq": event.seq,
            "state": event.state,
            "updated_at": max(snapshot.updated_at, event.at),
            "eta": event.eta or snapshot.eta,
            "hold": snapshot.hold if event.state is State.HELD else None,
            **_changes(snapshot, event),
        },
    )


def _changes(snapshot: Snapshot, event: Event) -> dict[str, Any]:
    """Return the fields that the data of an event changes. One call of `replace` for all fields is most of the work."""
    match event.data:
        case Submit() | Unknown():
            return {}
        case Hold() as hold:
            return {"hold": hold}
        case Submitted(upstream_id=upstream_id):
            return {"upstream_id": upstream_id}
        case Began():
            return {"stages": _with_stage(snapshot.stages, event)}
        case ProgressOutput(progress=progress):
            return {"progress": progress}
        case LogOutput(log=log):
            kept, dropped = log_window.add(snapshot.log, log)
            return {"log": kept, "log_dropped": snapshot.log_dropped + dropped}
        case AppendOutput(append=append):
            return {"segments": _with_append(snapshot.segments, append)}
        case Results(outputs=outputs):
            if event.type == Stage.POSTPROCESS_END:
                return {"stages": _with_stage(snapshot.stages, event), "outputs": outputs}
            return {"outputs": outputs}
        case Cancel() as cancel:
            return {"cancel": cancel}
        case Stall() as stall:
            return {"stall": stall if event.type == "stall" else None}
        case Done() as done:
            return {"done": done, "ended_at": event.at, "stall": None, "eta": None}
        case _:
            assert_never(event.data)


def fold(snapshot: Snapshot, events: Iterable[Event]) -> Snapshot:
    """Apply `events` in order."""
    for event in events:
        snapshot = apply(snapshot, event)
    return snapshot


def _with_stage(stages: tuple[StageMark, ...], event: Event) -> tuple[StageMark, ...]:
    """Add a stage in the order of stages, not in the order of arrival."""
    mark = StageMark(type=Stage(event.type), at=event.at, source=event.source)
    return tuple(sorted((*stages, mark), key=lambda stage: STAGE_ORDER[stage.type]))


def _with_append(segments: tuple[Segment, ...], append: Append) -> tuple[Segment, ...]:
    """Replace the text of a segment from an offset on. Segments that were skipped are empty."""
    grown = list(segments)
    while len(grown) <= append.segment:
        grown.append(Segment(kind=append.kind, text=""))
    kept, _ = utf16_cut(grown[append.segment].text, append.offset)
    grown[append.segment] = Segment(kind=append.kind, text=kept + append.text)
    return tuple(grown)
