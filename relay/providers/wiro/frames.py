"""
One frame of Wiro's socket into signals. Pure.

Two dialects live side by side: gen-1 frames carry the `tasktoken`, gen-2 frames dropped it, so that only `id` tells
whose they are, and say `success` and `exitCode` at the end. What a frame says is never part of an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from relay.core.events import Progress, Stage, Stream
from relay.core.progress import LABEL_CHARS, from_text, seconds, upstream_eta
from relay.core.signals import EndSeen, LogSeen, Part, ProgressSeen, Signal, StageSeen, TextSeen
from relay.providers import outputs
from relay.providers.values import dump, entries, flag, integer, load, mapping, number, text

_STAGES: Final[dict[str, Stage]] = {
    f"task_{stage}": stage for stage in Stage if stage is not Stage.POSTPROCESS_END
}  # `task_end` is among them: the process has ended, the outputs are yet to come

_STREAMS: Final[dict[str, Stream]] = {"task_output": "stdout", "task_error": "stderr"}

_SILENT: Final = frozenset(
    {
        "connected",
        # Repeat what was streamed: gen-1 with the whole log, gen-2 as an empty signal.
        "task_output_full",
        "task_error_full",
        # Realtime sessions, which are not ours.
        "task_stream_ready",
        "task_stream_end",
        "task_cost",
    }
)
_AGENT = "agent_"
"""Agents share the host; their frames mean nothing to a task."""

_PROGRESS_KEYS: Final = frozenset(
    {
        "answer",
        "elapsedTime",
        "isThinking",
        "percentage",
        "raw",
        "remainingTime",
        "segments",
        "speed",
        "speedType",
        "stepCurrent",
        "stepTotal",
        "task",
        "thinking",
        "type",
    }
)
"""An object with any of these is progress or an answer; models leave out what they like."""


class FrameError(ValueError):
    """A frame that cannot be read; `reason` is one of a few fixed words, without its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    What a frame says and whose it is. A frame with neither token nor id belongs to whoever owns the connection.

    `known` is false for a type that we have never heard of.
    """

    token: str | None = field(repr=False)
    upstream_id: str | None
    signals: tuple[Signal, ...]
    known: bool = True


def parse(raw: str | bytes) -> Frame:
    """
    Read a frame.

    Raises:
        FrameError: it is binary, no JSON, no object, or has no type.
    """
    if isinstance(raw, bytes):
        raise FrameError("binary")
    try:
        frame = load(raw)
    except ValueError:
        raise FrameError("not JSON") from None
    if not isinstance(frame, dict):
        raise FrameError("not an object")
    kind = text(frame.get("type"))
    if not kind:
        raise FrameError("no type")
    return Frame(
        token=text(frame.get("tasktoken")) or None,
        upstream_id=text(frame.get("id")) or None,
        signals=tuple(_signals(kind, frame)),
        known=kind in _STAGES
        or kind in _STREAMS
        or kind in _SILENT
        or kind in ("task_postprocess_end", "task_cancel")
        or kind.startswith(_AGENT),
    )


def _signals(kind: str, frame: dict[str, object]) -> Iterator[Signal]:
    message = frame.get("message")
    if stage := _STAGES.get(kind):
        yield StageSeen(stage=stage)
    elif stream := _STREAMS.get(kind):
        yield from _output(message, stream)
    elif kind == "task_postprocess_end":
        yield EndSeen(
            how="finished",
            outputs=None if message is None else outputs.read(message),
            success=flag(frame.get("success")),
            exit_code=integer(frame.get("exitCode")),
        )
    elif kind == "task_cancel":
        yield EndSeen(how="canceled")


def _output(message: object, stream: Stream) -> Iterator[Signal]:
    """Read what the model wrote: an object, the same object as JSON in a string, or text."""
    said = mapping(message)
    if stream == "stdout" and not _PROGRESS_KEYS.isdisjoint(said):
        yield from _structured(said)
        return
    if line := _line(message):
        yield LogSeen(stream=stream, text=line)
        if bar := from_text(line):  # tqdm writes to stderr unless told otherwise
            yield ProgressSeen(progress=bar)


def _line(message: object) -> str:
    """Return the text of a message; an object that means nothing to us is shown as it came, for it may to a person."""
    if not isinstance(message, dict | list):
        return text(message)
    try:
        return dump(message).decode() if message else ""
    except ValueError:
        return ""


def _structured(said: dict[str, object]) -> Iterator[Signal]:
    if parts := _segments(said) or _pairs(said):
        yield TextSeen(parts=parts)
    progress = _progress(said)
    # An answer repeats its speed with every chunk: news of that alone would cost more than the answer itself.
    if progress != Progress() and not (parts and progress.percent is None and progress.step is None):
        yield ProgressSeen(progress=progress)


def _segments(said: dict[str, object]) -> tuple[Part, ...]:
    """Read gen-2's ordered segments; a tool call's text is its arguments."""
    found = []
    for entry in entries(said.get("segments")):
        segment = mapping(entry)
        if kind := text(segment.get("type")):
            written = segment.get("text") or segment.get("arguments") or segment.get("input")
            found.append(Part(kind=kind[:LABEL_CHARS], text=text(written)))
    return tuple(found)


def _pairs(said: dict[str, object]) -> tuple[Part, ...]:
    """
    Read gen-1's two lists, where `thinking[n]` comes before `answer[n]`; `raw` is the same once more, in one piece.

    Put in that order, a part that has begun keeps its place while later ones join.
    """
    lists = {kind: [text(piece) for piece in entries(said.get(kind))] for kind in ("thinking", "answer")}
    found = [
        Part(kind=kind, text=pieces[turn])
        for turn in range(max(map(len, lists.values())))
        for kind, pieces in lists.items()
        if turn < len(pieces) and pieces[turn]
    ]
    if not found and (raw := text(said.get("raw"))):
        found = [Part(kind="answer", text=raw)]
    return tuple(found)


def _progress(said: dict[str, object]) -> Progress:
    left_s = seconds(text(said.get("remainingTime")))
    return Progress(
        percent=number(text(said.get("percentage")).strip().removesuffix("%")),
        step=_count(said.get("stepCurrent")),
        steps=_count(said.get("stepTotal")),
        label=text(said.get("task")).strip()[:LABEL_CHARS] or None,
        speed=number(said.get("speed")),
        unit=text(said.get("speedType")).strip()[:LABEL_CHARS] or None,
        eta=None if left_s is None else upstream_eta(left_s),
    )


def _count(value: object) -> int | None:
    found = integer(value)
    return found if found is not None and found >= 0 else None
