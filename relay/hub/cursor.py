"""A viewer's place in a task's log, as it comes from outside: `EPOCH:SEQ`, opaque to clients."""

import re
from dataclasses import dataclass

_CURSOR = re.compile(r"([A-Za-z0-9_-]{1,64}):(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """`seq` is the last event that was seen; `epoch` says in which life of the journal."""

    epoch: str
    seq: int


def parse_cursor(text: str | None) -> Cursor | None:
    """Read a cursor; what is none of ours reads as null, and its bearer gets a snapshot."""
    match = _CURSOR.fullmatch(text or "")
    return Cursor(epoch=match[1], seq=int(match[2])) if match else None
