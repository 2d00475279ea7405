"""
Streamed answers: turns the whole answer so far into what was added to it.

Platforms repeat the whole answer with each chunk, which is O(n²) bytes over a run. Viewers receive appends, O(n). A
rewrite is an append at the first character that differs.
"""

from itertools import zip_longest

from relay.core.events import Append
from relay.core.log_window import LOG_UNITS
from relay.core.signals import Part
from relay.core.snapshot import Segment
from relay.core.utf16 import chunks, utf16_len


def appends(segments: tuple[Segment, ...], parts: tuple[Part, ...]) -> list[Append]:
    """Return the appends that turn `segments` into `parts`, each small enough for one event; none if they are equal."""
    found = []
    for number, (old, new) in enumerate(zip_longest(segments, parts)):
        if new is None:  # the platform withdrew a part: a segment cannot be removed, only emptied
            if old.text:
                found.append(Append(segment=number, kind=old.kind, offset=0, text=""))
        elif old is None or old.text != new.text or old.kind != new.kind:
            found += _grow(number, old.text if old else "", new)
    return found


def _grow(number: int, old: str, new: Part) -> list[Append]:
    kept = _common_prefix(old, new.text)
    offset = utf16_len(kept)
    found = []
    for text in chunks(new.text[len(kept) :], LOG_UNITS) or [""]:
        found.append(Append(segment=number, kind=new.kind, offset=offset, text=text))
        offset += utf16_len(text)
    return found


def _common_prefix(old: str, new: str) -> str:
    """Find the common prefix by bisection: each comparison is a memcmp, and answers are long."""
    low, high = 0, min(len(old), len(new))
    if new.startswith(old):
        low = len(old)
    while low < high:
        middle = (low + high + 1) // 2
        if new.startswith(old[:middle]):
            low = middle
        else:
            high = middle - 1
    return old[:low]
