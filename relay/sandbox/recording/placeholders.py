"""
What a recording cannot know: the task's id and token, addresses, and times. `{{now-600}}` stands for them in any text.

A text that is one placeholder with `:number` becomes a number; all others stay text, as most of Wiro's numbers are.
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
_OF_TASK: Final = ("id", "token", "cdn")
MOST_SHIFT_S: Final = 1e10
"""A time that is shifted further cannot be written as a date."""

NAMES: Final = (*_OF_TASK, "base", *_TIMES)


@dataclass(slots=True)
class PlatformClock:
    """The platform's clock, which may differ from ours, and that of the proxy that sets its `Date` headers."""

    offset_s: float = 0.0
    date_offset_s: float = 0.0

    def now(self) -> float:
        """Return the platform's unix time."""
        return time.time() + self.offset_s

    def date(self) -> str:
        """Return the value of a `Date` header."""
        return _TIMES["date"](time.time() + self.date_offset_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the placeholders stand for; `task` has the id, the token and the address of files, if there is a task."""

    clock: PlatformClock
    base: str
    task: Mapping[str, str]

    def fill(self, value: object) -> object:
        """Return a JSON value with every placeholder in its texts replaced."""
        match value:
            case str():
                return self._text(value)
            case dict():
                return {self._string(str(name)): self.fill(each) for name, each in value.items()}
            case list():
                return [self.fill(each) for each in value]
            case _:
                return value

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


def wrong(value: object, *, of_task: bool) -> str | None:
    """Return what is wrong with the first placeholder in a JSON value that cannot be filled, or null."""
    match value:
        case str():
            return next(filter(None, (_wrong(found, of_task) for found in _PLACEHOLDER.finditer(value))), None)
        case dict():
            return wrong([*value, *value.values()], of_task=of_task)
        case list():
            return next(filter(None, (wrong(each, of_task=of_task) for each in value)), None)
        case _:
            return None


def _wrong(found: re.Match[str], of_task: bool) -> str | None:
    name, amount, number = found[1], found[3], found[4]
    if name not in NAMES:
        return f"there is no placeholder {found[0]}; use {', '.join(NAMES)}"
    if name in _OF_TASK and not of_task:
        return f'{found[0]} needs a task, and a line of task "*" has none'
    if amount and name not in _TIMES:
        return f"{found[0]} is not a time; only times can be shifted"
    if _shift_s(name, amount) > MOST_SHIFT_S:
        return f"{found[0]} is shifted by more than {MOST_SHIFT_S:.0f} s"
    if number and name not in ("id", "now", "now_ms"):
        return f"{found[0]} is not a number; remove :number"
    return None
