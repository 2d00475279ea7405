"""The actions of a recording: what one line can make the platform do, and what it can wait for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

WIRO_CALLS: Final = (
    "Run",
    "Task/Detail",
    "Task/List",
    "Task/Cancel",
    "Task/Kill",
    "Task/InputOutputDelete",
    "File/Upload",
    "File/FolderCreate",
    "Tool/List",
    "Tool/Detail",
    "Tool/Explore",
    "Tool/DetailOpenAPI",
)
APIKLEY_CALLS: Final = ("jobs/createTask", "jobs/recordInfo", "chat/credit")
CALLS: Final = (*WIRO_CALLS, *APIKLEY_CALLS)
STARTS: Final = ("Run", "jobs/createTask")
"""The calls that start a task."""

ResponseFault = Literal["hang", "drop"]
FrameKind = Literal["text", "binary", "raw"]
Platform = Literal["wiro", "apikley"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A body to send: text or bytes as they are, or any other JSON value, encoded."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait until the client has sent `count` messages on the channel; if `answered`, until they were answered."""

    channel: str
    count: int
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Send a WebSocket frame to the sockets of the task; `raw` writes bytes to the connection without a frame."""

    payload: Payload
    kind: FrameKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the sockets of the task; 1006 cuts the TCP connection without a closing handshake."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """
    Replace the sandbox's own response to a call.

    A response with a `payload` or a `status` replaces the call, which is not carried out. One with neither sends the
    sandbox's response, late or truncated. `times` is the number of calls to respond to; None is unlimited, until the
    next unlimited response. `reply_to` is the number of the call on the channel that waits for this response.
    """

    channel: str
    path: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: Payload | None = None
    times: int | None = None
    delay_s: float = 0.0
    fault: ResponseFault | None = None
    after_bytes: int | None = None
    reply_to: int | None = None

    @property
    def replaces(self) -> bool:
        """Whether the call is not carried out."""
        return self.payload is not None or self.status is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change the record of the task: merge `fields` into it or replace it with them, then remove fields."""

    fields: Mapping[str, object]
    replace: bool = False
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Post a callback to the task's callback address. The default body is the record in the platform's envelope."""

    payload: Payload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Shift the clock of the platform and of its `Date` headers, in seconds; negative values are in the past."""

    offset_s: float
    date_offset_s: float


Effect = Frame | Close | Callback
"""An action on the sockets or the callback address of a task."""

Action = Effect | Wait | Response | Change | Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One action, `at_s` seconds after the Run of its task or, for the platform, after the start of the sandbox."""

    at_s: float
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLines:
    """
    The lines of one task.

    `model` is the model whose Runs use this task, in lowercase; None is any model. `start` has the response to the Run
    itself and its delay; None is the sandbox's own response.
    """

    name: str
    platform: Platform
    model: str | None
    start: Line | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording: its tasks in the order of their first lines, and the lines of the platform as a whole."""

    tasks: tuple[TaskLines, ...]
    platform: tuple[Line, ...] = ()
