"""
Streamed answers: from the whole answer, said again and again, to what was added.

The upstream repeats everything with each chunk, O(n²) bytes over a run; viewers get appends, O(n). A rewrite is an
append from the first character that differs.
"""

from itertools import zip_longest

from relay.core.events import Append
from relay.core.signals import Part
from relay.core.snapshot import LOG_UNITS, Segment
from relay.core.utf16 import chunks, utf16_len


def appends(segments: tuple[Segment, ...], parts: tuple[Part, ...]) -> list[Append]:
    """Return what turns `segments` into `parts`, each piece small enough for one event; nothing when they are equal."""
    found = []
    for number, (old, new) in enumerate(zip_longest(segments, parts)):
        if new is None:  # the upstream took a part back: a segment cannot go, but it can be empty
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
    """Find it by halving, so that each comparison is a memcmp: answers are long and nearly always only grow."""
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
