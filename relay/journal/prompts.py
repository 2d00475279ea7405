"""
The beginning of a task's prompt, which lists show to callers that may read its input.

It is stored beside the input, which can be a thousand times as long, when the task is created. Tasks that earlier
versions stored have none: theirs is taken from the input while it is short.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from relay.core.utf16 import utf16_cut

UNITS: Final = 200
"""The length of the beginning, in UTF-16 units."""

MAX_INPUT_BYTES: Final = 65_536
"""Up to which length an input is read to find its prompt."""


def beginning(given: Mapping[str, object]) -> str:
    """Return the beginning of the prompt in an input, without a NUL, which PostgreSQL cannot store; empty if none."""
    prompt = given.get("prompt")
    return utf16_cut(prompt.strip(), UNITS)[0].replace("\0", "\ufffd") if isinstance(prompt, str) else ""


def stored_beginning(stored: str | None, given: bytes | str | None) -> str:
    """Return the beginning that is stored, or without one, that of the prompt in the JSON of an input, if any."""
    if stored is not None or given is None:
        return stored or ""
    try:
        found = orjson.loads(given)
    except orjson.JSONDecodeError:
        return ""  # the calls that need the input report the damage
    return beginning(found) if isinstance(found, dict) else ""
