"""Lengths and offsets in UTF-16 code units, the unit of JavaScript's `length` and of every offset on the wire."""

import codecs
import re
from typing import Final

codecs.lookup("utf-16-le")  # load it now: a process without free file descriptors cannot load a codec


LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which is not text: it cannot be encoded as UTF-8."""


def utf16_len(text: str) -> int:
    """Return the length of `text` in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def utf16_cut(text: str, units: int) -> tuple[str, str]:
    """
    Split `text` after at most `units` UTF-16 units.

    A surrogate pair is never split: the whole character goes to the second part.
    """
    if text.isascii():
        return text[:units], text[units:]
    raw = text.encode("utf-16-le")
    at = units * 2
    if at < len(raw) and 0xDC <= raw[at + 1] <= 0xDF:  # a low surrogate: its other half is before the cut
        at -= 2
    return raw[:at].decode("utf-16-le"), raw[at:].decode("utf-16-le")


def chunks(text: str, units: int) -> list[str]:
    """Split `text` into pieces of at most `units` UTF-16 units each, in order."""
    pieces = []
    while text:
        piece, text = utf16_cut(text, units)
        pieces.append(piece)
    return pieces
