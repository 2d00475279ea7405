"""
Reading an upstream's JSON: numbers come as strings, lists as null or as JSON in a string, emoji cut in half.

Everything here is total but `load`, `dump` and `clean`: what cannot be read is null or empty.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

_MAX_DEPTH = 64
"""Deeper JSON is refused: orjson writes at most 254 levels, and what we cannot write we must not take in."""

_EXACT = 2**53
"""Beyond this a JavaScript viewer misreads an integer."""

MESSAGE_CHARS = 300

_BARE_ADDRESS = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,10}\.[a-z]{2,24}(?::\d{1,5})?/\S+", re.IGNORECASE)
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x1f\x7f]")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def load(raw: str | bytes) -> object:
    """
    Read JSON; half an emoji becomes U+FFFD, a number that is none becomes null.

    Raises:
        ValueError: it is no JSON, or is nested too deep.
    """
    try:
        return orjson.loads(raw)
    except ValueError:
        # An upstream cuts text between the halves of a surrogate pair; orjson refuses such an escape, json reads it.
        try:
            return clean(json.loads(raw, parse_int=_integer))
        except RecursionError:
            raise ValueError("nested too deep") from None


def dump(value: object) -> bytes:
    """
    Write JSON; what orjson refuses (half an emoji, an integer beyond 64 bits) goes the long way.

    Raises:
        ValueError: it is nested too deep.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(clean(value)).encode()


def clean(value: object, depth: int = _MAX_DEPTH) -> object:
    """
    Copy a JSON value so that orjson writes it and a viewer reads it.

    Raises:
        ValueError: it is nested too deep.
    """
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_LONE_SURROGATE.sub("\ufffd", str(key)): clean(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, depth - 1) for item in value]
    return value


def mapping(value: object) -> dict[str, object]:
    """Return the object, or the one that a string holds as JSON; empty when it is none."""
    value = _unpacked(value, "{")
    return value if isinstance(value, dict) else {}


def entries(value: object) -> list[object]:
    """Return the list, or the one that a string holds as JSON; a single value becomes a list of one."""
    value = _unpacked(value, "[")
    if isinstance(value, list):
        return value
    return [] if value is None or value in ("", {}) else [value]


def text(value: object) -> str:
    """Return the string, or a number as one; empty for everything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number(value: object) -> float | None:
    """Read a finite number, also from a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: object) -> int | None:
    """Read an integer that JavaScript can hold, also from a string, also written as `6.0000`."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and abs(found) < _EXACT else None


def flag(value: object) -> bool | None:
    """Read a boolean, also as `1`, `"1"` or `"true"`; null when it is none."""
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "0": False, "false": False}.get(text(value).strip().lower())


def moment(value: object) -> float | None:
    """Read a time into unix seconds: seconds, milliseconds, or `YYYY-MM-DD HH:MM:SS` in UTC; zero is "not yet"."""
    found = number(value)
    if found is None:
        try:
            parsed = datetime.fromisoformat(text(value).strip())
            found = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if found > 1e11:  # in seconds that is the year 5138
        found /= 1000
    return found if 0 < found < 1e11 else None


def content(value: object) -> dict[str, object] | None:
    """Return an object that the journal can write; null when it is none, is empty, or cannot be written."""
    try:
        found = clean(mapping(value))
        orjson.dumps(found)
    except (ValueError, TypeError):  # too deep, or with a number beyond 64 bits
        return None
    return found if isinstance(found, dict) and found else None


def address(value: object) -> str | None:
    """
    Return a web address, or null for anything else: pages show it, so `javascript:` is never accepted.

    One without a scheme (`//cdn.example.com/a.png`, `cdn.example.com/a.png`) gets `https:`.
    """
    url = _NOT_IN_ADDRESS.sub("", text(value)).strip()
    if url.lower().startswith(("https://", "http://")):
        return url
    if re.match(r"//[^/\\\s]", url):
        return f"https:{url}"
    return f"https://{url}" if _BARE_ADDRESS.fullmatch(url) else None


def short(message: str) -> str:
    """Make the upstream's words fit to be shown: one line, no control characters, cut to size."""
    message = _CONTROL.sub(" ", message).strip()
    return message if len(message) <= MESSAGE_CHARS else message[: MESSAGE_CHARS - 1] + "…"


def _integer(digits: str) -> int | float:
    """Read an integer as orjson does: one that could not be written again is a float."""
    found = float(digits)
    return int(digits) if abs(found) < 2**63 else found


def _unpacked(value: object, opening: str) -> object:
    if isinstance(value, str) and value.lstrip().startswith(opening):
        try:
            return load(value)
        except ValueError:
            return None
    return value
