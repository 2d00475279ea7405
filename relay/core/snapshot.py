"""
The state of a task as the fold of its events. static/src/client/reducer.js has the same fold; both pass tests/vectors/.

Pure: it decides nothing. What may happen, and in which order, is the lifecycle's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from relay.core.events import (
    STAGE_ORDER,
    Append,
    AppendOutput,
    Began,
    Cancel,
    Done,
    Event,
    Hold,
    LateLog,
    Log,
    LogOutput,
    Output,
    Progress,
    ProgressOutput,
    Results,
    Source,
    Stage,
    Stall,
    State,
    Submit,
    Submitted,
)
from relay.core.utf16 import utf16_cut, utf16_len

LOG_UNITS = 32_768
"""How much log a snapshot keeps, in UTF-16 units over both streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMark:
    """A stage that was reached: when, and how we know."""

    type: Stage
    at: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a streamed answer."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a viewer needs to know about a task; the fields of api.md section 4, and `hold` and `cancel` besides."""

    id: str
    provider: str
    model: str
    tags: tuple[str, ...]
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
    """UTF-16 units of log that were cut from the front."""
    segments: tuple[Segment, ...]
    outputs: tuple[Output, ...]
    hold: Hold | None
    """What the task waits for, while it is held."""
    cancel: Cancel | None
    """Who asked to stop it."""
    stall: Stall | None
    done: Done | None


def begin(event: Event, epoch: str) -> Snapshot:
    """
    Start the fold with a task's first event.

    Raises:
        ValueError: the log does not begin with `submit`.
    """
    if not isinstance(event.data, Submit) or event.seq != 1:
        raise ValueError(f"a log begins with submit at seq 1, not with {event.type} at seq {event.seq}")
    return Snapshot(
        id=event.task,
        provider=event.data.provider,
        model=event.data.model,
        tags=event.data.tags,
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
    )


def apply(snapshot: Snapshot, event: Event) -> Snapshot:
    """
    Return the state after `event`.

    An event that is not the next one (already in, or after a gap) changes nothing: the caller sees it in `seq`.
    """
    if event.seq != snapshot.seq + 1:
        return snapshot
    state = replace(
        snapshot,
        seq=event.seq,
        state=event.state,
        updated_at=max(snapshot.updated_at, event.at),
        hold=snapshot.hold if event.state is State.HELD else None,
    )
    match event.data:
        case Submit():
            return state
        case Hold() as hold:
            return replace(state, hold=hold)
        case Submitted(upstream_id=upstream_id):
            return replace(state, upstream_id=upstream_id)
        case Began():
            return replace(state, stages=_with_stage(state.stages, event))
        case ProgressOutput(progress=progress):
            return replace(state, progress=progress)
        case LogOutput(log=log):
            entries, dropped = _cut(
                _with_late(state.log, log) if isinstance(log, LateLog) else _with_log(state.log, log)
            )
            return replace(state, log=entries, log_dropped=state.log_dropped + dropped)
        case AppendOutput(append=append):
            return replace(state, segments=_with_append(state.segments, append))
        case Results(outputs=outputs):
            stages = _with_stage(state.stages, event) if event.type == Stage.POSTPROCESS_END else state.stages
            return replace(state, stages=stages, outputs=outputs)
        case Cancel() as cancel:
            return replace(state, cancel=cancel)
        case Stall() as stall:
            return replace(state, stall=stall if event.type == "stall" else None)
        case Done() as done:
            return replace(state, done=done, ended_at=event.at, stall=None)
        case _:
            assert_never(event.data)


def fold(snapshot: Snapshot, events: Iterable[Event]) -> Snapshot:
    """Apply `events` in order."""
    for event in events:
        snapshot = apply(snapshot, event)
    return snapshot


def _with_stage(stages: tuple[StageMark, ...], event: Event) -> tuple[StageMark, ...]:
    """Put the stage where the upstream's order wants it, however late it was learnt."""
    mark = StageMark(type=Stage(event.type), at=event.at, source=event.source)
    return tuple(sorted((*stages, mark), key=lambda stage: STAGE_ORDER[stage.type]))


def _with_log(entries: tuple[Log, ...], log: Log) -> tuple[Log, ...]:
    """Add to the log, merging neighbours of one stream."""
    if entries and entries[-1].stream == log.stream:
        return (*entries[:-1], Log(stream=log.stream, text=entries[-1].text + log.text))
    return (*entries, log)


def _with_late(entries: tuple[Log, ...], late: LateLog) -> tuple[Log, ...]:
    """Insert text that was learnt late; where its place has been cut off already, it goes before everything."""
    left = late.before
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        if entry.stream != late.stream:
            continue
        units = utf16_len(entry.text)
        if units >= left:
            head, tail = utf16_cut(entry.text, units - left)
            grown = Log(stream=entry.stream, text=head + late.text + tail)
            return (*entries[:index], grown, *entries[index + 1 :])
        left -= units
    if entries and entries[0].stream == late.stream:
        return (Log(stream=late.stream, text=late.text + entries[0].text), *entries[1:])
    return (Log(stream=late.stream, text=late.text), *entries)


def _cut(entries: tuple[Log, ...]) -> tuple[tuple[Log, ...], int]:
    """Cut the log from the front to `LOG_UNITS`; return also how many units were cut."""
    excess = sum(utf16_len(entry.text) for entry in entries) - LOG_UNITS
    dropped = 0
    while excess > 0:
        first, *rest = entries
        units = utf16_len(first.text)
        if units <= excess:
            entries = tuple(rest)
        else:
            gone, kept = utf16_cut(first.text, excess)
            if utf16_len(gone) < excess:  # the cut fell inside a pair: the whole character goes
                kept = kept[1:]
            entries = (Log(stream=first.stream, text=kept), *rest)
            units -= utf16_len(kept)
        dropped += units
        excess -= units
    return entries, dropped


def _with_append(segments: tuple[Segment, ...], append: Append) -> tuple[Segment, ...]:
    """Replace what the segment has from the offset on; segments that were skipped stand empty."""
    grown = list(segments)
    while len(grown) <= append.segment:
        grown.append(Segment(kind=append.kind, text=""))
    kept, _ = utf16_cut(grown[append.segment].text, append.offset)
    grown[append.segment] = Segment(kind=append.kind, text=kept + append.text)
    return tuple(grown)
