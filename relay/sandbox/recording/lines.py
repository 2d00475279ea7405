"""The vocabulary of a recording: what one line can make the platform do, and what it can wait for."""

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

Fault = Literal["hang", "drop"]
FrameKind = Literal["text", "binary", "raw"]
Platform = Literal["wiro", "apikley"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A body to send: a JSON value that is encoded, text that is sent as it is, or bytes."""

    value: object

    @property
    def is_raw(self) -> bool:
        """Whether the body is sent as it is, not encoded as JSON."""
        return isinstance(self.value, str | bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait until the client has sent `count` messages on the channel, or received the answers to them."""

    channel: str
    count: int
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Send a WebSocket frame to the sockets of the task; `raw` puts bytes on the connection without a frame."""

    payload: Payload
    kind: FrameKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the sockets of the task; 1006 cuts the TCP connection without a closing handshake."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    Answer a call in another way than the sandbox would.

    With a `payload` or a `status` the call is not carried out. With neither it is, and its own answer is sent, late or
    cut short. `times` is how many calls are answered so; null is all of them until another such answer. `reply_to` is
    the number of the call on the channel that waits for this answer; those after it do not wait.
    """

    channel: str
    path: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: Payload | None = None
    times: int | None = None
    delay_s: float = 0.0
    fault: Fault | None = None
    after_bytes: int | None = None
    reply_to: int | None = None

    @property
    def replaces(self) -> bool:
        """Whether the call is not carried out."""
        return self.payload is not None or self.status is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change the record of the task: merge `fields` into it, or replace it with them, then drop some."""

    fields: Mapping[str, object]
    replace: bool = False
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Post a callback to the address that the task was started with; the default body is the record."""

    payload: Payload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Set the platform's clock, and that of its `Date` headers, ahead of ours; behind it when negative."""

    offset_s: float
    date_offset_s: float


Action = Wait | Frame | Close | Answer | Change | Callback | Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One action, `at_s` seconds after the Run of its task, or after the start of the sandbox."""

    at_s: float
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScript:
    """
    What happens to one task.

    `model` is the only model whose Run may take it, lowercase; null takes any. `start` says how, and how
    late, the Run itself is answered, null for the usual way.
    """

    name: str
    platform: Platform
    model: str | None
    start: Line | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A recording: its tasks in the order of their first lines, and what belongs to no task."""

    tasks: tuple[TaskScript, ...]
    platform: tuple[Line, ...] = ()
