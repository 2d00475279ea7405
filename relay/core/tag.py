"""
What a tag is: any printable text of up to 64 characters, in one spelling.

`é` can be one character or two (`e` and an accent). Both look the same, so a tag is kept in Unicode's composed form
(NFC) and without white space around it, wherever it comes from: a start, a token, an address, a message.
"""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

MAX_CHARS = 64

_JOINERS = "\u200c\u200d"
"""Invisible, and yet part of how words are written: in Persian and Hindi, and in emoji of several people."""

_FLAG_LETTERS = range(0xE0020, 0xE0080)
"""Invisible, too: with them the flags of England, Scotland and Wales are written."""


def normalize_tag(text: str) -> str:
    """
    Return a tag as it is kept.

    Raises:
        ValueError: it is empty, too long, or has characters that nobody sees.
    """
    tag = unicodedata.normalize("NFC", text).strip()
    if not tag:
        raise ValueError("a tag must not be empty")
    if len(tag) > MAX_CHARS:
        raise ValueError(f"a tag may have {MAX_CHARS} characters; this one has {len(tag)}")
    for char in tag:
        if _is_unprintable(char):
            raise ValueError(f"a tag must be printable text; U+{ord(char):04X} is not")
    return tag


def _is_unprintable(char: str) -> bool:
    """Say whether a character is a control, a line break, an invisible mark, or half of a surrogate pair."""
    if unicodedata.category(char) == "Cf":
        return char not in _JOINERS and ord(char) not in _FLAG_LETTERS
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


Tag = Annotated[
    str,
    AfterValidator(normalize_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": r"\S"}),
]
