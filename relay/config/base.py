"""The base class of all groups of settings, and how text from the environment is read."""

import re

from pydantic import BaseModel, ConfigDict, field_validator

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""Line breaks and other control characters. No setting needs one, and in an HTTP header they would end the line."""


class Group(BaseModel):
    """A group of settings. Values are stripped and must fit on one line; errors do not quote them."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if _CONTROL.search(value.strip()):
            raise ValueError("contains a line break or another control character; write the value on one line")
        return value.strip()


def comma_separated(value: object) -> object:
    """
    Split text at commas. Strip each part and skip empty parts.

    Raises:
        ValueError: a part contains a control character.
    """
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if any(_CONTROL.search(part) for part in parts):
        raise ValueError("contains a line break or another control character; separate the values with commas")
    return parts


def none_if_empty(value: object) -> object:
    """Return None for empty text: `NAME=` in an environment file means that the setting is not set."""
    return None if value == "" else value
