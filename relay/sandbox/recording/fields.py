"""Reads the fields of a recording's line; what is wrong with one is a sentence with its value."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

_LONGEST_SHOWN: Final = 60
_MOST: Final = 1e15
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Wrong(Exception):
    """A line is wrong; the text says how."""


Line = Mapping[str, object]


def parsed(given: str | Line) -> Line | None:
    """Return the object of a line, null for an empty line."""
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        line = json.loads(given)  # unlike orjson it reads half an emoji
    except json.JSONDecodeError as error:
        raise Wrong(f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError):
        raise Wrong("JSON that is nested too deep, or has a number with too many digits") from None
    if not isinstance(line, dict):
        raise Wrong("not a JSON object")
    return line


def only(line: Line, *allowed: str) -> None:
    """Refuse any other field."""
    for name in line:
        if name not in allowed:
            raise Wrong(f'unknown field "{name}"; this line can have {", ".join(allowed)}')


def text(line: Line, name: str, default: str | None = None) -> str:
    """Return a text; without a default it is required."""
    value = line.get(name, default)
    if not isinstance(value, str):
        raise Wrong(_needed(line, name, "a text"))
    return value


def one_of(line: Line, name: str, choices: Sequence[str], default: str | None = None) -> str:
    """Return one of a few words."""
    value = line.get(name, default)
    if not isinstance(value, str) or value not in (*choices, default):
        raise Wrong(_needed(line, name, f"one of {', '.join(choices)}"))
    return value


def flag(line: Line, name: str, *, default: bool) -> bool:
    """Return true or false."""
    value = line.get(name, default)
    if not isinstance(value, bool):
        raise Wrong(_needed(line, name, "true or false"))
    return value


def number(line: Line, name: str, default: float | None = None, *, least: float | None = 0.0) -> float:
    """Return a number that is neither endless nor NaN, and not below `least`."""
    value = line.get(name, default)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not abs(value) < _MOST
        or (least is not None and value < least)
    ):
        raise Wrong(_needed(line, name, "a number" if least is None else f"a number from {least:g}"))
    return value


def whole(line: Line, name: str, default: int | None = None) -> int:
    """Return a whole number from 0."""
    value = number(line, name, default)
    if int(value) != value:
        raise Wrong(_needed(line, name, "a whole number"))
    return int(value)


def json_object(line: Line, name: str) -> Line:
    """Return an object, which is required."""
    value = line.get(name)
    if not isinstance(value, dict):
        raise Wrong(_needed(line, name, "an object"))
    return value


def headers(line: Line) -> Mapping[str, str]:
    """Return the headers, if any."""
    given = line.get("headers", {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Wrong(_needed(line, "headers", "an object of texts"))
    for name, value in given.items():
        if not _HEADER.fullmatch(str(name)) or not value.isprintable():
            raise Wrong(f"header {shown(name)} is {shown(value)}; a header has a name and one line of text")
    return given


def names(line: Line, name: str) -> tuple[str, ...]:
    """Return a list of names, if any."""
    given = line.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Wrong(_needed(line, name, "a list of names"))
    return tuple(given)


def _needed(line: Line, name: str, what: str) -> str:
    return f"{name} is {shown(line[name])}; it must be {what}" if name in line else f"{name} is missing; add {what}"


def shown(value: object) -> str:
    """Return a value for a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
