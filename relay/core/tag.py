"""
Tags: printable text of up to 64 characters, in a normal form.

`é` can be one character or two (`e` and an accent). Both look the same, so tags are normalized to Unicode's composed
form (NFC) and stripped of surrounding white space, wherever they come from: requests, tokens, URLs and messages.
"""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

MAX_CHARS = 64

_JOINERS = "\u200c\u200d"
"""Invisible characters that Persian and Hindi words need, and emoji that are joined from several."""

_FLAG_LETTERS = range(0xE0020, 0xE0080)
"""Invisible characters in the flags of England, Scotland and Wales."""


def normalize_tag(text: str) -> str:
    """
    Return the normal form of a tag.

    Raises:
        ValueError: it is empty, too long, or contains invisible characters.
    """
    tag = unicodedata.normalize("NFC", text).strip()
    if not tag:
        raise ValueError("a tag must not be empty")
    if len(tag) > MAX_CHARS:
        raise ValueError(f"a tag must have at most {MAX_CHARS} characters; this one has {len(tag)}")
    for char in tag:
        if _is_unprintable(char):
            raise ValueError(f"a tag must be printable text; U+{ord(char):04X} is not")
    return tag


def _is_unprintable(char: str) -> bool:
    """Return whether a character is a control, a line break, an invisible mark, or half of a surrogate pair."""
    if unicodedata.category(char) == "Cf":
        return char not in _JOINERS and ord(char) not in _FLAG_LETTERS
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


Tag = Annotated[
    str,
    AfterValidator(normalize_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": r"\S"}),
]
