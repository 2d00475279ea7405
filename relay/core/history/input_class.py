"""
The inputs that decide how long a run takes and what it costs: how much is made, how long it is, and how large.

Every platform has names of its own for them. Prompts, seeds and files are left out: an input class is not private.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SCALING: Final = frozenset(
    {"maximages", "numimages", "numberofimages", "nimages", "imagecount", "numoutputs", "numresults", "n", "count"}
    | {"batchsize", "samples", "numsamples", "numvideos", "duration", "durationseconds", "videolength", "seconds"}
    | {"numframes", "frames", "videoduration", "audioduration", "steps", "numsteps", "numinferencesteps"}
)
"""Twice the value takes about twice as long."""

_CHANGING: Final = frozenset(
    {"size", "imagesize", "resolution", "videoresolution", "width", "height", "quality", "aspectratio", "ratio", "mode"}
    | {"fps", "audio", "generateaudio", "maxtokens"}
)
"""Another value may take another time."""

_NUMBER: Final = re.compile(r"\d{1,6}(?:\.\d{1,3})?(?= ?s?(?:ec(?:onds)?)?$)")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:*/-]{0,23}")
_SIGNIFICANT: Final = 2


@dataclass(frozen=True, slots=True)
class InputClass:
    """
    Inputs that take about the same time.

    `key` names them, such as `maximages=9;size=2048x2048`. `units` is how much more is made than by an input without
    any number: 9 here. `coarse` is the key without everything that only changes the time.
    """

    key: str = ""
    units: float = 1.0
    coarse: str = ""


def input_class(given: Mapping[str, object]) -> InputClass:
    """Return the class of an input."""
    scaling: dict[str, float] = {}
    changing: dict[str, str] = {}
    for name, value in given.items():
        plain = re.sub(r"[^a-z0-9]", "", name.lower())
        if plain in _SCALING:
            if (number := _number(value)) is not None:
                scaling[plain] = number
        elif plain in _CHANGING and (word := _word(value)) is not None:
            changing[plain] = word
    counts = [(name, f"{number:g}") for name, number in scaling.items()]
    return InputClass(key=_key([*counts, *changing.items()]), units=math.prod(scaling.values()), coarse=_key(counts))


def class_of_key(key: str) -> InputClass:
    """Return the class with this key."""
    pairs = (pair.partition("=") for pair in key.split(";") if pair)
    return input_class({name: value for name, _, value in pairs})


def _key(pairs: list[tuple[str, str]]) -> str:
    return ";".join(f"{name}={value}" for name, value in sorted(pairs))


def _number(value: object) -> float | None:
    """Return a positive number with two significant digits, above 64."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    match = _NUMBER.match(str(value).strip())
    if match is None or (number := float(match[0])) <= 0:
        return None
    digits = _SIGNIFICANT - 1 - math.floor(math.log10(number))
    return number if number <= 64 and number.is_integer() else round(number, digits)


def _word(value: object) -> str | None:
    text = str(value).replace(" ", "").lower() if isinstance(value, str | int | float) else ""
    return text if _WORD.fullmatch(text) else None
