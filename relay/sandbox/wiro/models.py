"""Describe a model and its inputs. The `catalogue` package has the models that the sandbox offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["image", "video", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """
    One input of a model.

    `type` is the form field that Wiro shows for it. `options` maps values to labels, `note` is the help text. `minimum`
    and `maximum` bound a number. `max_files` above 0 makes it a file input. The type `json` is a guess: Wiro documents
    which parameters are JSON, but not their type. `advanced` puts an input into the last section of Wiro's form.
    """

    id: str
    label: str
    type: Literal["text", "textarea", "select", "number", "json", "fileinput", "multifileinput", "combinefileinput"]
    note: str = ""
    default: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    max_files: int = 0
    advanced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of a run whose progress goes from 0 to 100 %, in `steps` steps of `step_s` seconds."""

    label: str
    steps: int
    step_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    A model. `cps` is its price in dollars per second of the run.

    `inspires` are the sample prompts of its page; `runs`, `failures`, `ratings` and `comments` are the page's counters.
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
        """`owner/project` as Wiro writes it. Wiro ignores its case."""
        return f"{self.owner}/{self.project}"
