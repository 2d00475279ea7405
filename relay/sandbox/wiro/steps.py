"""The steps of a plan: what can happen to a task, independent of the dialect."""

from dataclasses import dataclass
from typing import Literal

from relay.sandbox.switches.values import OddFrame
from relay.sandbox.wiro.chat import Segment

TERMINAL = ("task_postprocess_end", "task_cancel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Text that the model writes: to stdout with `task_output`, to stderr with `task_error`."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A `progressGenerate` object. All its values are text on the wire; `as_json` sends it as a JSON string."""

    task: str
    percentage: str
    step: int
    total: int
    per_s: float
    elapsed_s: float
    remaining_s: float
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a language model so far."""

    segments: tuple[Segment, ...]
    elapsed_s: float
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLog:
    """Everything that the model wrote to one stream, sent once after the run."""

    stream: Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The outputs of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A malformed or unexpected frame."""

    kind: OddFrame
    huge_bytes: int


Body = Log | Progress | Answer | FullLog | Outputs | Odd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    Something that happens to a task, `at_s` seconds after the Run at speed 1.

    `sent` sends a frame and `recorded` changes the record: a duplicate is only sent, a step of a silent task is only
    recorded. `status` is the task's new status, None if it does not change.
    """

    at_s: float
    type: str
    status: str | None = None
    body: Body = None
    sent: bool = True
    recorded: bool = True

    @property
    def terminal(self) -> bool:
        """Whether this step ends the task."""
        return self.status in TERMINAL
