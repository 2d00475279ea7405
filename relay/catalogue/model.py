"""
The description of a model and of its inputs, from a file of the catalogue or from a platform.

The field names are those of the files and of `GET /v1/models`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

InputType = Literal["text", "textarea", "select", "number", "fileinput", "multifileinput", "combinefileinput", "other"]
"""
The types of Wiro. A `fileinput` is one file, a `multifileinput` is several files, and a `combinefileinput` is a list of
files and URLs. `other` stands for every unknown type and accepts any value.
"""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One value of a select, and its label."""

    __pydantic_config__ = _STRICT

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model. Limits are inclusive; null means unlimited."""

    __pydantic_config__ = _STRICT

    name: str
    label: str
    help: str = ""
    type: InputType
    required: bool = False
    default: str | int | float | None = None
    """The value that is sent if none is given, in the form in which it is sent. Null: none."""
    sends: Literal["number", "string"] = "number"
    """The JSON type in which a number is sent."""
    sends_null: bool = False
    """Whether null is sent if no value is given. It is a separate field because TOML has no null."""
    options: tuple[Option, ...] = ()
    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    """In characters."""
    max_items: int | None = None
    """The maximum number of files and URLs together."""
    accept: tuple[str, ...] = ()
    """The accepted content types of its files; empty: any."""
    pattern: str | None = None
    """A regular expression that the whole text must match; `takes` describes it in words."""
    takes: str = ""

    @property
    def takes_files(self) -> bool:
        """Whether files can be uploaded for it, under its name."""
        return self.type in ("fileinput", "multifileinput", "combinefileinput", "other")

    @property
    def key(self) -> str:
        """The name of the input in JSON. An input for files has a different name there, for the URLs of files."""
        return f"{self.name}Url" if self.type in ("fileinput", "multifileinput") else self.name

    @property
    def alias(self) -> str | None:
        """The alternative name for the URLs of its files; null if it does not take files."""
        if not self.takes_files:
            return None
        return self.name if self.key != self.name else f"{self.name}Url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of one provider. Names of models are case-insensitive."""

    __pydantic_config__ = _STRICT

    provider: str
    model: str
    """`owner/name`."""
    run_as: str
    """The name in the spelling that is sent."""
    title: str
    description: str = ""
    inputs: tuple[Input, ...]
    inspires: tuple[Mapping[str, str | int | float], ...] = ()
    """Sample inputs."""
    closed: bool = True
    """Whether inputs other than `inputs` are rejected."""

    def alias_of(self, each: Input) -> str | None:
        """Return the alternative name of an input for files, unless another input has that name."""
        names = {name for other in self.inputs if other is not each for name in (other.name, other.key)}
        return None if each.alias in names else each.alias
