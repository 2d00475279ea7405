"""
Replace placeholders such as `{{id}}` and `{{now-600}}` in the strings of a recording.

They stand for what a recording cannot know: ids, tokens, addresses and times. The result is text, because most of
Wiro's numbers are text. A string that consists of one placeholder with `:number` becomes a number.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*(?:([+-])\s*(\d+(?:\.\d+)?))?\s*(:number)?\s*\}\}")
_TIMES: Final[Mapping[str, Callable[[float], str]]] = {
    "now": lambda at: str(int(at)),
    "now_ms": lambda at: str(int(at * 1000)),
    "date": lambda at: format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True),
    "datetime": lambda at: datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
}
_TASK_NAMES: Final = ("id", "token", "cdn")
MAX_SHIFT_S: Final = 1e10
"""The largest shift of a time that always gives a valid date, in seconds."""

NAMES: Final = (*_TASK_NAMES, "base", *_TIMES)


@dataclass(slots=True)
class PlatformClock:
    """The platform's clock, and that of its `Date` headers, which may come from a proxy. Both may be wrong."""

    offset_s: float = 0.0
    date_offset_s: float = 0.0

    def now(self) -> float:
        """Return the platform's Unix time."""
        return time.time() + self.offset_s

    def date(self) -> str:
        """Return the value of a `Date` header."""
        return _TIMES["date"](time.time() + self.date_offset_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The values of placeholders. `task` has the id, token and file address of a task; it is empty for the platform."""

    clock: PlatformClock
    base: str
    task: Mapping[str, str]

    def fill(self, value: object) -> object:
        """Return a JSON value with the placeholders in all its strings replaced."""
        match value:
            case str():
                return self._text(value)
            case dict():
                return self.fill_object(value)
            case list():
                return [self.fill(each) for each in value]
            case _:
                return value

    def fill_object(self, value: Mapping[str, object]) -> dict[str, object]:
        """Return a JSON object with the placeholders in all its strings replaced."""
        return {self._string(str(name)): self.fill(each) for name, each in value.items()}

    def _text(self, text: str) -> object:
        whole = _PLACEHOLDER.fullmatch(text)
        if whole and whole[4]:
            number = self._value(whole)
            return float(number) if "." in number else int(number)
        return self._string(text)

    def _string(self, text: str) -> str:
        return _PLACEHOLDER.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        name, sign, amount = found[1], found[2], found[3]
        if name in _TIMES:
            shift_s = _shift_s(name, amount) * (-1 if sign == "-" else 1)
            return _TIMES[name](self.clock.now() + shift_s)
        return self.base if name == "base" else self.task[name]


def _shift_s(name: str, amount: str | None) -> float:
    return float(amount or 0) / (1000 if name == "now_ms" else 1)


def problem(value: object, *, of_task: bool) -> str | None:
    """Return what is wrong with the first invalid placeholder in a JSON value, or None."""
    match value:
        case str():
            return next(filter(None, (_problem(found, of_task) for found in _PLACEHOLDER.finditer(value))), None)
        case dict():
            return problem([*value, *value.values()], of_task=of_task)
        case list():
            return next(filter(None, (problem(each, of_task=of_task) for each in value)), None)
        case _:
            return None


def _problem(found: re.Match[str], of_task: bool) -> str | None:
    name, amount, number = found[1], found[3], found[4]
    if name not in NAMES:
        return f"unknown placeholder {found[0]}; use {', '.join(NAMES)}"
    if name in _TASK_NAMES and not of_task:
        return f'{found[0]} needs a task; task "*" is the platform as a whole'
    if amount and name not in _TIMES:
        return f"{found[0]} is not a time; only times can be shifted"
    if _shift_s(name, amount) > MAX_SHIFT_S:
        return f"{found[0]} is shifted by more than {MAX_SHIFT_S:.0f} s"
    if number and name not in ("id", "now", "now_ms"):
        return f"{found[0]} is not a number; remove :number"
    return None
