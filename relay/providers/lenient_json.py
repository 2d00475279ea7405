"""
Read the JSON of a platform, whose values vary in type. Pure.

Platforms send numbers as strings, lists as null or as a string of JSON, and emoji cut in half. Only `load`, `dump` and
`clean` raise errors. Every other function returns null or an empty value for input that it cannot read.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from relay.core.utf16 import LONE_SURROGATE

_MAX_DEPTH = 64
"""The maximum nesting. orjson writes at most 254 levels, and JSON that cannot be written must not be accepted."""

_EXACT = 2**53
"""JavaScript represents only the integers below this one exactly."""

MESSAGE_CHARS = 300
"""The maximum length of a platform's message."""

_BARE_ADDRESS = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,10}\.[a-z]{2,24}(?::\d{1,5})?/\S+", re.IGNORECASE)
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x1f\x7f]")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def load(raw: str | bytes) -> object:
    """
    Decode JSON. A lone surrogate (half an emoji) becomes U+FFFD; NaN and infinity become null.

    Raises:
        ValueError: the input is not JSON, or is nested too deeply.
    """
    try:
        return orjson.loads(raw)
    except ValueError:
        # Platforms cut text between the halves of a surrogate pair. orjson rejects such an escape; json reads it.
        try:
            return clean(json.loads(raw, parse_int=_integer))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def dump(value: object) -> bytes:
    """
    Encode JSON. Values that orjson rejects (a lone surrogate, an integer beyond 64 bits) are encoded by `json`.

    Raises:
        ValueError: the value is nested too deeply.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(clean(value)).encode()


def clean(value: object, depth: int = _MAX_DEPTH) -> object:
    """
    Copy a JSON value without lone surrogates and non-finite numbers, which orjson or a browser would reject.

    Raises:
        ValueError: the value is nested too deeply.
    """
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {LONE_SURROGATE.sub("\ufffd", str(key)): clean(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, depth - 1) for item in value]
    return value


def mapping(value: object) -> dict[str, object]:
    """Return an object, parsed if it is a string of JSON; empty for any other value."""
    value = _unpacked(value, "{")
    return value if isinstance(value, dict) else {}


def entries(value: object) -> list[object]:
    """Return a list, parsed if it is a string of JSON; a single value becomes a list of one."""
    value = _unpacked(value, "[")
    if isinstance(value, list):
        return value
    return [] if value is None or value in ("", {}) else [value]


def text(value: object) -> str:
    """Return a string, or a number as a string; empty for any other value."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number(value: object) -> float | None:
    """Return a finite number, parsed if it is a string; null for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: object) -> int | None:
    """Return an integer that JavaScript can represent, parsed if it is a string such as `6.0000`; else null."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and abs(found) < _EXACT else None


def flag(value: object) -> bool | None:
    """Return a boolean, parsed if it is a number or a string such as `"1"` or `"true"`; null for any other value."""
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "0": False, "false": False}.get(text(value).strip().lower())


def moment(value: object) -> float | None:
    """
    Return a time in unix seconds, from seconds, milliseconds or `YYYY-MM-DD HH:MM:SS` in UTC.

    Return null for any other value, and for zero, which the platforms send before an event has happened.
    """
    found = number(value)
    if found is None:
        try:
            parsed = datetime.fromisoformat(text(value).strip())
            found = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if found > 1e11:  # milliseconds: in seconds this is the year 5138
        found /= 1000
    return found if 0 < found < 1e11 else None


def content(value: object) -> dict[str, object] | None:
    """Return an object that the journal can store; null if it is not an object, is empty or is nested too deeply."""
    try:
        found = clean(mapping(value))
    except ValueError:
        return None
    return found if isinstance(found, dict) and found else None


def address(value: object) -> str | None:
    """
    Return an HTTP URL, or null for any other value. Pages link to it, so `javascript:` is never accepted.

    A URL without a scheme (`//cdn.example.com/a.png`, `cdn.example.com/a.png`) gets `https:`.
    """
    url = _NOT_IN_ADDRESS.sub("", text(value)).strip()
    if url.lower().startswith(("https://", "http://")):
        return url
    if re.match(r"//[^/\\\s]", url):
        return f"https:{url}"
    return f"https://{url}" if _BARE_ADDRESS.fullmatch(url) else None


def short(message: str) -> str:
    """Make a platform's message displayable: one line, no control characters, at most `MESSAGE_CHARS` long."""
    message = _CONTROL.sub(" ", message).strip()
    return message if len(message) <= MESSAGE_CHARS else message[: MESSAGE_CHARS - 1] + "…"


def _integer(digits: str) -> int | float:
    """Parse an integer as orjson does: one beyond 64 bits, which could not be encoded, becomes a float."""
    found = float(digits)
    return int(digits) if abs(found) < 2**63 else found


def _unpacked(value: object, opening: str) -> object:
    if isinstance(value, str) and value.lstrip().startswith(opening):
        try:
            return load(value)
        except ValueError:
            return None
    return value
