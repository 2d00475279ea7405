"""
Durations and rates: a plain number, or a number with a unit such as `30s`, `1.5h`, `20/s` or `1200/min`.

Sizes such as `16MiB` are pydantic's `ByteSize`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import BeforeValidator

_NUMBER_AND_UNIT = re.compile(r"(?P<number>.*?) ?(?P<unit>/?[a-z]*)")


def _convert(units: Mapping[str, float], expected: str) -> Callable[[object], object]:
    """
    Return a validator that multiplies a number by its unit, and leaves every value that is not text unchanged.

    Args:
        units: the factor of each unit; the empty text for a plain number.
        expected: describes valid values in the error message.
    """

    def convert(value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _NUMBER_AND_UNIT.fullmatch(value)
        try:
            # Rounded, because 1.1 * 60 is not exactly 66.
            return round(float(found["number"]) * units[found["unit"]], 6) if found else value
        except (ValueError, KeyError):
            raise ValueError(f"use {expected}") from None

    return convert


_DURATION = _convert(
    {"": 1, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86_400},
    "a duration such as 30s, 5min, 12h or 7d, or a number of seconds",
)
_PER_SECOND = _convert({"": 1, "/s": 1, "/min": 1 / 60, "/h": 1 / 3600}, "a rate such as 20/s, or a number per second")
_PER_MINUTE = _convert(
    {"": 1, "/s": 60, "/min": 1, "/h": 1 / 60}, "a rate such as 20/s or 1200/min, or a number per minute"
)

Seconds = Annotated[float, BeforeValidator(_DURATION)]
"""A duration in seconds."""

WholeSeconds = Annotated[int, BeforeValidator(_DURATION)]
"""A duration in whole seconds."""

PerSecond = Annotated[float, BeforeValidator(_PER_SECOND)]
"""A rate per second."""

PerMinute = Annotated[int, BeforeValidator(_PER_MINUTE)]
"""A rate per minute, as a whole number."""
