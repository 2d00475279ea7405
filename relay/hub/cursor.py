"""The position of a viewer in a task's log, written `EPOCH:SEQ`. Clients treat it as opaque."""

import re
from dataclasses import dataclass

_CURSOR = re.compile(r"([A-Za-z0-9_-]{1,64}):(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """`seq` is the last event that the viewer has seen; `epoch` is that of the journal it came from."""

    epoch: str
    seq: int


def parse_cursor(text: str | None) -> Cursor | None:
    """Parse a cursor. Return None for a missing or malformed one: its viewer starts with a snapshot."""
    match = _CURSOR.fullmatch(text or "")
    return Cursor(epoch=match[1], seq=int(match[2])) if match else None
