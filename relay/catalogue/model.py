"""
What a model takes: values, no behaviour. They come from the catalogue's files, or from what a platform says of a model.

The field names are those of the files and of `GET /v1/models`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

InputType = Literal["text", "textarea", "select", "number", "fileinput", "multifileinput", "combinefileinput", "other"]
"""
As Wiro calls them. A `fileinput` is one file and a `multifileinput` several; a `combinefileinput` is a list of files
and addresses. `other` is whatever we do not know: it is taken as it comes.
"""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the values of a select, and what a person reads in its place."""

    __pydantic_config__ = _STRICT

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model. Limits include their ends; null is no limit."""

    __pydantic_config__ = _STRICT

    name: str
    label: str
    help: str = ""
    type: InputType
    required: bool = False
    default: str | int | float | None = None
    """What is sent when nothing is given, just as it is sent. Null: nothing."""
    sends: Literal["number", "string"] = "number"
    """As what a number is sent."""
    sends_null: bool = False
    """Whether null is sent when nothing is given: TOML has no null."""
    options: tuple[Option, ...] = ()
    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    """In characters."""
    max_items: int | None = None
    """Of files and addresses together."""
    accept: tuple[str, ...] = ()
    """The content types that its files may have; empty: any."""
    pattern: str | None = None
    """A regular expression for the whole of a text; `takes` says it in words."""
    takes: str = ""

    @property
    def takes_files(self) -> bool:
        """Whether files can be uploaded for it, under its own name."""
        return self.type in ("fileinput", "multifileinput", "combinefileinput", "other")

    @property
    def key(self) -> str:
        """The name under which JSON carries it: a file has a twin that takes its address."""
        return f"{self.name}Url" if self.type in ("fileinput", "multifileinput") else self.name

    @property
    def twin(self) -> str | None:
        """The second name under which the addresses of its files are accepted; null if it takes no files."""
        if not self.takes_files:
            return None
        return self.name if self.key != self.name else f"{self.name}Url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of one provider. Names of models are compared without regard to case."""

    __pydantic_config__ = _STRICT

    provider: str
    model: str
    """`owner/name`."""
    run_as: str
    """The same in the spelling that is sent."""
    title: str
    description: str = ""
    inputs: tuple[Input, ...]
    inspires: tuple[Mapping[str, str | int | float], ...] = ()
    """Sample inputs to begin with."""
    closed: bool = True
    """Whether it takes nothing but `inputs`."""

    def twin_of(self, each: Input) -> str | None:
        """Return the second name of an input that takes files, unless another input has that name."""
        names = {name for other in self.inputs if other is not each for name in (other.name, other.key)}
        return None if each.twin in names else each.twin
