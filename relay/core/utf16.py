"""Lengths and cuts in UTF-16 code units: JavaScript's `length`, and the unit of every offset on the wire."""

import codecs

codecs.lookup("utf-16-le")  # loaded now: a process that has run out of file descriptors can load no codec


def utf16_len(text: str) -> int:
    """Return how many UTF-16 units `text` takes."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def utf16_cut(text: str, units: int) -> tuple[str, str]:
    """
    Split `text` after at most `units` UTF-16 units.

    A pair is never cut in two: where the split falls inside one, the whole character goes to the second part.
    """
    if text.isascii():
        return text[:units], text[units:]
    raw = text.encode("utf-16-le")
    at = units * 2
    if at < len(raw) and 0xDC <= raw[at + 1] <= 0xDF:  # a low surrogate: its other half stands before the cut
        at -= 2
    return raw[:at].decode("utf-16-le"), raw[at:].decode("utf-16-le")


def chunks(text: str, units: int) -> list[str]:
    """Split `text` into pieces of at most `units` UTF-16 units each, in order, losing nothing."""
    pieces = []
    while text:
        piece, text = utf16_cut(text, units)
        pieces.append(piece)
    return pieces
