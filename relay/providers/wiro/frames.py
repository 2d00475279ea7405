"""
Parse a frame of Wiro's socket into signals. Pure.

Wiro uses two dialects. Gen-1 frames have the `tasktoken`; gen-2 frames have only the `id`, and the last one has
`success` and `exitCode`. An error never contains the content of a frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from relay.core.events import Stage, Stream
from relay.core.signals import EndSeen, Signal, StageSeen
from relay.providers import outputs
from relay.providers.lenient_json import flag, integer, load, text
from relay.providers.wiro import messages
from relay.providers.wiro.statuses import normalize

_STAGES: Final[dict[str, Stage]] = {
    f"task_{stage}": stage for stage in Stage if stage is not Stage.POSTPROCESS_END
}  # `task_end` included: the process has ended, and the outputs follow

_STREAMS: Final[dict[str, Stream]] = {"task_output": "stdout", "task_error": "stderr"}

_SILENT: Final = frozenset(
    {
        "connected",
        # Repeat what was streamed: gen-1 with the whole log, gen-2 as an empty signal.
        "task_output_full",
        "task_error_full",
        # Realtime sessions, which relay does not support.
        "task_stream_ready",
        "task_stream_end",
        "task_cost",
    }
)
_AGENT = "agent_"
"""Prefix of the frames of agents, which use the same host. They are irrelevant to a task."""


class FrameError(ValueError):
    """A malformed frame; `reason` is a fixed phrase without its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    A parsed frame. One without token and ID belongs to the task of the connection.

    `known` is false if the type of the frame is unknown.
    """

    token: str | None = field(repr=False)
    upstream_id: str | None
    signals: tuple[Signal, ...]
    known: bool = True


def parse(raw: str | bytes) -> Frame:
    """
    Parse a frame.

    Raises:
        FrameError: it is binary, not JSON, not an object, or has no type.
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
    kind = normalize(frame["type"])
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
