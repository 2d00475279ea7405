"""
One frame of Wiro's socket into signals. Pure.

Two dialects live side by side: gen-1 frames carry the `tasktoken`, gen-2 frames dropped it, so that only `id` tells
whose they are, and say `success` and `exitCode` at the end. What a frame says is never part of an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from relay.core.events import Stage, Stream
from relay.core.signals import EndSeen, Signal, StageSeen
from relay.providers import outputs
from relay.providers.lenient_json import flag, integer, load, text
from relay.providers.wiro import messages
from relay.providers.wiro.statuses import word

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
    if not text(frame.get("type")):
        raise FrameError("no type")
    kind = word(frame["type"])
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
        yield from messages.read(message, stream)
    elif kind == "task_postprocess_end":
        listed = message if message is not None else frame.get("outputs")
        yield EndSeen(
            how="finished",
            outputs=None if listed is None else outputs.read(listed),
            success=flag(frame.get("success")),
            exit_code=integer(frame.get("exitCode")),
        )
    elif kind == "task_cancel":
        yield EndSeen(how="canceled")
