"""The vocabulary of a script: what can happen to a task, before anything is said about when or in which dialect."""

from dataclasses import dataclass
from typing import Literal

from relay.sandbox.switches.values import OddFrame
from relay.sandbox.wiro.chat import Segment

TERMINAL = ("task_postprocess_end", "task_cancel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Text the model wrote, to stdout with `task_output`, to stderr with `task_error`."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A `progressGenerate` object; every value is text on the wire, some come as a string of JSON."""

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
    """The whole answer so far."""

    segments: tuple[Segment, ...]
    elapsed_s: float
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLog:
    """All that was written to one stream, said once after the run."""

    stream: Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the task made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A frame nobody should have to expect."""

    kind: OddFrame
    huge_bytes: int


Body = Log | Progress | Answer | FullLog | Outputs | Odd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One thing that happens, `at_s` seconds after the Run at the pace of the real platform.

    `announced` sends a frame, `recorded` changes the record: a duplicate does only the first, a silent task only the
    second. `status` is the word that the record takes on, or null when it stays.
    """

    at_s: float
    type: str
    status: str | None = None
    body: Body = None
    announced: bool = True
    recorded: bool = True

    @property
    def terminal(self) -> bool:
        """Whether this ends the task."""
        return self.status in TERMINAL
