"""What a model is, and which inputs it takes. Those that the sandbox offers are in `catalogue`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["image", "video", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """
    One input of a model: its name, the form field it is drawn as, and what it takes.

    `options` are values with their labels, `note` is the help for people. `least` and `most` bound a number;
    `most_files` makes it an input of files.
    """

    id: str
    label: str
    type: Literal["text", "textarea", "select", "number", "fileinput", "multifileinput", "combinefileinput"]
    note: str = ""
    default: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    required: bool = False
    least: int | None = None
    most: int | None = None
    most_files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a run with a progress of its own, which begins again at 0."""

    label: str
    steps: int
    step_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    One model. `cps` is its price: dollars for a second of the run.

    `inspires` are prompts that its page suggests; `runs`, `failures`, `ratings` and `comments` are counts on its page.
    """

    id: int
    owner: str
    project: str
    kind: Kind
    title: str
    description: str
    inputs: tuple[Input, ...]
    phases: tuple[Phase, ...] = ()
    cps: float
    computing_s: int
    categories: tuple[str, ...] = ("tool",)
    tags: tuple[str, ...] = ()
    inspires: tuple[str, ...] = ()
    runs: int = 0
    failures: int = 0
    ratings: int = 0
    comments: int = 0

    @property
    def slug(self) -> str:
        """`owner/project` as Wiro prints it; it is compared without regard to case."""
        return f"{self.owner}/{self.project}"
