"""Read the fields of a line. An error is one sentence with the wrong value and what is allowed."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

_MAX_SHOWN_CHARS: Final = 60
_MAX_NUMBER: Final = 1e15
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class InvalidLine(Exception):
    """A line is invalid. The text says why."""


Line = Mapping[str, object]


def parsed(given: str | Line) -> Line | None:
    """Parse a line; return None for an empty one."""
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        line = json.loads(given)  # unlike orjson this accepts lone surrogates
    except json.JSONDecodeError as error:
        raise InvalidLine(f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError):
        raise InvalidLine("JSON nested too deeply, or a number with too many digits") from None
    if not isinstance(line, dict):
        raise InvalidLine("not a JSON object")
    return line


def only(line: Line, *allowed: str) -> None:
    """Raise InvalidLine if the line has any other field."""
    for name in line:
        if name not in allowed:
            raise InvalidLine(f'unknown field "{name}"; this line can have {", ".join(allowed)}')


def text(line: Line, name: str, default: str | None = None) -> str:
    """Return a string. It is required if there is no default."""
    value = line.get(name, default)
    if not isinstance(value, str):
        raise InvalidLine(_problem(line, name, "a string"))
    return value


def one_of(line: Line, name: str, choices: Sequence[str], default: str | None = None) -> str:
    """Return a string that must be one of the choices."""
    value = line.get(name, default)
    if not isinstance(value, str) or value not in (*choices, default):
        raise InvalidLine(_problem(line, name, f"one of {', '.join(choices)}"))
    return value


def flag(line: Line, name: str, *, default: bool) -> bool:
    """Return a boolean."""
    value = line.get(name, default)
    if not isinstance(value, bool):
        raise InvalidLine(_problem(line, name, "true or false"))
    return value


def number(line: Line, name: str, default: float | None = None, *, minimum: float | None = 0.0) -> float:
    """Return a finite number that is not below `minimum`."""
    value = line.get(name, default)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not abs(value) < _MAX_NUMBER
        or (minimum is not None and value < minimum)
    ):
        raise InvalidLine(_problem(line, name, "a number" if minimum is None else f"a number not below {minimum:g}"))
    return value


def whole(line: Line, name: str, default: int | None = None) -> int:
    """Return a whole number that is not negative."""
    value = number(line, name, default)
    if int(value) != value:
        raise InvalidLine(_problem(line, name, "a whole number"))
    return int(value)


def json_object(line: Line, name: str) -> Line:
    """Return a JSON object. It is required."""
    value = line.get(name)
    if not isinstance(value, dict):
        raise InvalidLine(_problem(line, name, "an object"))
    return value


def headers(line: Line) -> Mapping[str, str]:
    """Return the HTTP headers; empty if there are none."""
    given = line.get("headers", {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise InvalidLine(_problem(line, "headers", "an object of strings"))
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(str(name)) or not value.isprintable():
            raise InvalidLine(
                f"header {as_json(name)} is {as_json(value)}; it must be a valid name and one line of text"
            )
    return given


def strings(line: Line, name: str) -> tuple[str, ...]:
    """Return a list of strings; empty if there is none."""
    given = line.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InvalidLine(_problem(line, name, "a list of strings"))
    return tuple(given)


def _problem(line: Line, name: str, what: str) -> str:
    return f"{name} is {as_json(line[name])}; it must be {what}" if name in line else f"{name} is missing; add {what}"


def as_json(value: object) -> str:
    """Return a value as JSON for an error message, shortened to 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"
