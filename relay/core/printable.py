"""Which characters a text may have that people give to a task: its tags and its title."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Invisible characters that Persian and Hindi words need, and emoji that are joined from several."""

_FLAG_LETTERS = range(0xE0020, 0xE0080)
"""Invisible characters in the flags of England, Scotland and Wales."""


def first_unprintable(text: str) -> str | None:
    """Return the first character that is a control, a line break, an invisible mark, or half of a surrogate pair."""
    return next((char for char in text if _is_unprintable(char)), None)


def _is_unprintable(char: str) -> bool:
    if unicodedata.category(char) == "Cf":
        return char not in _JOINERS and ord(char) not in _FLAG_LETTERS
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
